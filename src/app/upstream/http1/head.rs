//! The head of an answer: what of it comes down, and how its body comes.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::super::fields::Fields;
use super::super::headers::down;
use super::chunks::Chunks;
use crate::policy;

/// The head of an answer.
#[derive(Debug)]
pub(in crate::app::upstream) struct Head {
    /// HTTP status, 100 to 999.
    pub(in crate::app::upstream) status: u16,
    /// What of its headers the client gets.
    pub(in crate::app::upstream) fields: Fields,
    /// What `Content-Length` says, where it says a number.
    pub(in crate::app::upstream) told_length: Option<u64>,
    /// The length of the body that comes, in bytes, where it is known.
    pub(in crate::app::upstream) length: Option<u64>,
    /// Whether the body comes in chunks.
    pub(in crate::app::upstream) is_chunked: bool,
}

/// A head, and what it says of its connection.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) head: Head,
    /// How the body comes.
    pub(super) framing: Framing,
    /// The connection takes no other request.
    pub(super) is_last: bool,
    /// How long the head is, in bytes.
    pub(super) bytes: usize,
}

/// How a body comes (RFC 9112, 6.3), and how much of it is still to come.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// All that comes before the connection ends.
    UntilEnd,
}

/// Reads a head. None while it is not whole.
///
/// # Errors
/// Why this is no head of an answer, or of one whose body nobody could find the end of.
pub(super) fn parse(text: &[u8], is_of_head: bool) -> Result<Option<Read>, Cow<'static, str>> {
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; policy::UPSTREAM_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let mut config = ParserConfig::default();
    // What a proxy has to mend (RFC 9112, 5.1 and 5.2).
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let bytes = match config.parse_response_with_uninit_headers(&mut response, text, &mut room) {
        Ok(Status::Complete(bytes)) => bytes,
        Ok(Status::Partial) => return Ok(None),
        Err(e) => return Err(format!("its answer is none: {e}").into()),
    };
    let status = response.code.unwrap_or_default();
    if status < 100 {
        return Err("its answer has a status that is none".into());
    }
    let is_of_1_1 = response.version == Some(1);
    let lines = || response.headers.iter().map(|line| (line.name, line.value));
    let of = |name: &'static str| {
        let named = lines().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value)
    };
    let says = |word: &[u8]| {
        let mut words = of("connection").flat_map(|line| line.split(|byte| *byte == b','));
        words.any(|other| other.trim_ascii().eq_ignore_ascii_case(word))
    };
    let is_kept = if is_of_1_1 {
        !says(b"close")
    } else {
        says(b"keep-alive") && !says(b"close")
    };
    let told_length = content_length(of("content-length"));
    let is_chunked = is_chunked(of("transfer-encoding"))?;
    let has_no_body = is_of_head || status < 200 || matches!(status, 204 | 304);
    let framing = match (is_chunked, &told_length) {
        _ if has_no_body => Framing::Length(0),
        (Some(true), _) if !is_of_1_1 => {
            return Err("its answer of HTTP/1.0 comes in chunks".into());
        }
        (Some(true), _) => Framing::Chunked(Chunks::new()),
        (Some(false), _) | (None, Ok(None)) => Framing::UntilEnd,
        (None, Ok(Some(length))) => Framing::Length(*length),
        (None, Err(why)) => return Err((*why).into()),
    };
    // Of a length beside chunks nobody knows who believes it (RFC 9112, 6.3).
    let is_doubtful = is_chunked.is_some() && !matches!(told_length, Ok(None));
    let head = Head {
        status,
        fields: down(lines()),
        told_length: told_length.ok().flatten(),
        length: match framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked(_) | Framing::UntilEnd => None,
        },
        is_chunked: matches!(framing, Framing::Chunked(_)),
    };
    Ok(Some(Read {
        head,
        is_last: !is_kept || is_doubtful || matches!(framing, Framing::UntilEnd),
        framing,
        bytes,
    }))
}

/// The one number that all of these lines and their members say (RFC 9110, 8.6).
fn content_length<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>, &'static str> {
    let mut told = None;
    for member in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
        let member = std::str::from_utf8(member.trim_ascii()).unwrap_or_default();
        let is_number = !member.is_empty() && member.bytes().all(|byte| byte.is_ascii_digit());
        let number = member.parse().ok().filter(|_| is_number);
        let number: u64 = number.ok_or("the length of its answer is no number")?;
        if told.is_some_and(|told| told != number) {
            return Err("its answer has two lengths");
        }
        told = Some(number);
    }
    Ok(told)
}

/// Whether a body comes in chunks; None where nothing is said of a coding. No other one was asked for (RFC 9112, 7.4), and
/// none can be undone here; `identity` is how it was once said that there is none (RFC 2616, 3.6).
fn is_chunked<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<bool>, &'static str> {
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) if line.eq_ignore_ascii_case(b"chunked") => Ok(Some(true)),
        (Some(line), None) if line.eq_ignore_ascii_case(b"identity") => Ok(Some(false)),
        _ => Err("its answer has a transfer coding that nobody asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str, is_of_head: bool) -> Read {
        let read = parse(text.as_bytes(), is_of_head)
            .expect("a head")
            .expect("whole");
        assert_eq!(read.bytes, text.len());
        read
    }

    /// `5` for so many bytes, `chunks`, `end`; and whether the connection goes on.
    fn framing(text: &str) -> (String, bool) {
        let read = head(text, false);
        let framing = match read.framing {
            Framing::Length(length) => length.to_string(),
            Framing::Chunked(_) => "chunks".to_owned(),
            Framing::UntilEnd => "end".to_owned(),
        };
        (framing, !read.is_last)
    }

    #[test]
    fn how_a_body_comes_and_whether_the_connection_goes_on() {
        for (lines, expected, goes_on) in [
            ("Content-Length: 5", "5", true),
            ("Content-Length: 5\r\nContent-Length:  5 , 5", "5", true),
            ("content-length: 5\r\nConnection: Keep-Alive", "5", true),
            ("Content-Length: 5\r\nConnection: x, CLOSE", "5", false),
            (
                "Content-Length: 5\r\nConnection: keep-alive\r\nConnection: close",
                "5",
                false,
            ),
            ("Transfer-Encoding: Chunked", "chunks", true),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 5",
                "chunks",
                false,
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: x",
                "chunks",
                false,
            ),
            (
                "Transfer-Encoding: identity\r\nContent-Length: 5",
                "end",
                false,
            ),
            ("X-Any: 1", "end", false),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
            assert_eq!(framing(&text), (expected.to_owned(), goes_on), "{lines}");
        }
        for (lines, goes_on) in [
            ("", false),
            ("Connection: keep-alive\r\n", true),
            ("Connection: keep-alive, close\r\n", false),
        ] {
            let text = format!("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n{lines}\r\n");
            assert_eq!(framing(&text), ("5".to_owned(), goes_on), "{lines}");
        }
    }

    #[test]
    fn some_answers_have_no_body_whatever_they_say() {
        for (status, is_of_head) in [
            (100, false),
            (199, false),
            (204, false),
            (304, false),
            (200, true),
        ] {
            for (lines, told) in [
                ("Content-Length: 5", Some(5)),
                ("Content-Length: x", None),
                ("Transfer-Encoding: chunked", None),
            ] {
                let head = head(
                    &format!("HTTP/1.1 {status} X\r\n{lines}\r\n\r\n"),
                    is_of_head,
                );
                assert!(
                    matches!(head.framing, Framing::Length(0)),
                    "{status} {lines}"
                );
                assert_eq!(head.head.told_length, told, "{status} {lines}");
            }
        }
    }

    #[test]
    fn what_nobody_could_find_the_end_of_is_no_answer() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1,\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 20 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 000 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 099 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes(), false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_head_is_none_before_its_end_and_may_be_written_in_the_old_way() {
        let text = "HTTP/1.1 201 Created\r\nX-Spaced : one\r\nX-Folded: one,\r\n two\r\nContent-Length: 2\r\n\r\n";
        for end in 0..text.len() {
            assert!(
                parse(&text.as_bytes()[..end], false)
                    .expect("no fault")
                    .is_none(),
                "{end}"
            );
        }
        let head = head(text, false);
        assert_eq!(head.head.fields.get("x-spaced"), Some(&b"one"[..]));
        assert_eq!(head.head.fields.get("x-folded"), Some(&b"one,   two"[..]));
        let most = "X-Any: 1\r\n".repeat(policy::UPSTREAM_HEADERS);
        assert!(parse(format!("HTTP/1.1 200 OK\r\n{most}\r\n").as_bytes(), false).is_ok());
        assert!(
            parse(
                format!("HTTP/1.1 200 OK\r\n{most}X: 1\r\n\r\n").as_bytes(),
                false
            )
            .is_err()
        );
    }
}
