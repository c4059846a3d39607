//! A body in chunks (RFC 9112, 7.1), taken apart as it comes.

use bytes::{Buf, Bytes, BytesMut};
use httparse::Status;
use memchr::{memchr, memchr2};

use crate::app::upstream::fields::{is_name, is_value};
use crate::policy;

/// Bytes that the line of one chunk's size may have, with whatever else it says.
const SIZE_LINE: usize = 4 * 1024;

/// Of those, as many as any size takes.
const USUAL_SIZE: usize = "ffffffffffffffff\r\n".len();

/// Where in a body in chunks its reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the line of a chunk's size.
    Size,
    /// In a chunk, of which so many bytes are left.
    Data(u64),
    /// Behind a chunk, before the end of its line.
    DataEnd,
    /// Behind the last chunk: lines that end with an empty one.
    Trailers,
    /// Behind all of it.
    End,
}

/// Takes a body in chunks apart.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Bytes that may still come beside sizes and data.
    spare: usize,
}

/// What the bytes that are there have in them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A piece of the body.
    Piece(Bytes),
    /// Nothing before more bytes come.
    Incomplete,
    /// The body's end.
    End,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            at: At::Size,
            spare: policy::UPSTREAM_HEAD,
        }
    }

    /// Whether the end has been read.
    pub(super) fn is_over(&self) -> bool {
        self.at == At::End
    }

    /// Takes what comes next out of `bytes`. Trailers are left out.
    ///
    /// # Errors
    /// Why this is no body in chunks.
    pub(super) fn next(&mut self, bytes: &mut BytesMut) -> Result<Part, &'static str> {
        loop {
            match self.at {
                // httparse takes no digit at all for a zero, which would make a cut body a whole one.
                At::Size if bytes.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) => {
                    return Err(NO_SIZE);
                }
                At::Size => match httparse::parse_chunk_size(bytes) {
                    Ok(Status::Complete((line, size))) => {
                        // What httparse passes over behind a size, others take for the end of the line.
                        if memchr2(b'\r', b'\n', &bytes[..line - 2]).is_some() {
                            return Err(NO_SIZE);
                        }
                        self.spend(line.saturating_sub(USUAL_SIZE))?;
                        bytes.advance(line);
                        self.at = if size == 0 {
                            At::Trailers
                        } else {
                            At::Data(size)
                        };
                    }
                    Ok(Status::Partial) if bytes.len() <= SIZE_LINE => return Ok(Part::Incomplete),
                    Ok(Status::Partial) => return Err("a chunk's size does not end"),
                    Err(_) => return Err(NO_SIZE),
                },
                At::Data(_) if bytes.is_empty() => return Ok(Part::Incomplete),
                At::Data(left) => {
                    let length =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    self.at = match left - length as u64 {
                        0 => At::DataEnd,
                        left => At::Data(left),
                    };
                    return Ok(Part::Piece(bytes.split_to(length).freeze()));
                }
                At::DataEnd => match bytes.get(..2) {
                    Some(b"\r\n") => {
                        bytes.advance(2);
                        self.at = At::Size;
                    }
                    None if b"\r\n".starts_with(bytes) => return Ok(Part::Incomplete),
                    Some(_) | None => return Err("a chunk is longer than its size"),
                },
                At::Trailers => {
                    let Some(end) = memchr(b'\n', bytes) else {
                        let is_long = bytes.len() > self.spare;
                        return if is_long {
                            Err(TOO_MUCH)
                        } else {
                            Ok(Part::Incomplete)
                        };
                    };
                    let line = bytes[..end].strip_suffix(b"\r").ok_or(NO_TRAILER)?;
                    let is_last = line.is_empty();
                    if !is_last && !is_trailer(line) {
                        return Err(NO_TRAILER);
                    }
                    self.spend(end + 1)?;
                    bytes.advance(end + 1);
                    if is_last {
                        self.at = At::End;
                    }
                }
                At::End => return Ok(Part::End),
            }
        }
    }

    /// So many bytes have come that nobody needs.
    fn spend(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.spare = self.spare.checked_sub(bytes).ok_or(TOO_MUCH)?;
        Ok(())
    }
}

/// Whether it is a field. None of them is passed on, but where something else stands, a chunk was not the last.
fn is_trailer(line: &[u8]) -> bool {
    let colon = memchr(b':', line);
    colon.is_some_and(|colon| {
        let name = std::str::from_utf8(&line[..colon]).unwrap_or_default();
        is_name(name) && is_value(&line[colon + 1..])
    })
}

const NO_SIZE: &str = "a chunk has no size";
const NO_TRAILER: &str = "what follows its last chunk is no trailer";
const TOO_MUCH: &str = "there is too much beside its chunks";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes of these bytes, given in pieces of at most `step`: the body, whether it has ended, and what is left.
    fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool, Vec<u8>), &'static str> {
        let (mut chunks, mut buffer, mut body) = (Chunks::new(), BytesMut::new(), Vec::new());
        let mut coming = bytes.chunks(step.max(1));
        loop {
            match chunks.next(&mut buffer)? {
                Part::Piece(piece) => body.extend_from_slice(&piece),
                Part::End => {
                    coming.for_each(|more| buffer.extend_from_slice(more));
                    return Ok((body, chunks.is_over(), buffer.to_vec()));
                }
                Part::Incomplete => match coming.next() {
                    Some(more) => buffer.extend_from_slice(more),
                    None => return Ok((body, chunks.is_over(), buffer.to_vec())),
                },
            }
        }
    }

    #[test]
    fn chunks_are_taken_apart_however_they_come() {
        for (text, body, left) in [
            ("0\r\n\r\n", "", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc", ""),
            (
                "3\r\nabc\r\n00A;a=\"b\"\r\n0123456789\r\n0\r\n\r\nHTTP",
                "abc0123456789",
                "HTTP",
            ),
            ("2 \r\n\r\n\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n", "\r\n", ""),
        ] {
            for step in 1..=text.len() {
                let (read, is_over, rest) = read(text.as_bytes(), step).expect("a body");
                assert_eq!(
                    (&read[..], &rest[..]),
                    (body.as_bytes(), left.as_bytes()),
                    "{text:?} {step}"
                );
                assert!(is_over);
            }
        }
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for text in [
            "\r\n",
            "3\r\nabc\r\n\r\n",
            ";a\r\n\r\n",
            "zz\r\n",
            "-1\r\n",
            "0x1\r\n",
            "3\nabc",
            "3\r\nabcd",
            "3\r\nabc\n",
            "3\r\nabc0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "10000000000000000\r\n",
            " 3\r\nabc",
            "3\r\nabc\r\r\n",
            "3;a\n0\r\nabc\r\n0\r\n\r\n",
            "3;a\r0\r\nabc\r\n0\r\n\r\n",
            "0\r\nabc\r\n3\r\nxyz\r\n0\r\n\r\n",
            "0\r\nT: \0\r\n\r\n",
            "0\r\nA b: c\r\n\r\n",
            "0\r\n: c\r\n\r\n",
            "0\r\nT: a\n\r\n",
            "0\r\nT: a\rb\r\n\r\n",
            "0\r\n\n",
        ] {
            assert!(read(text.as_bytes(), 1).is_err(), "{text:?}");
            assert!(read(text.as_bytes(), text.len()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_stands_beside_the_data_is_bounded() {
        let endless_size = [b"3;", &vec![b'a'; SIZE_LINE][..]].concat();
        assert_eq!(read(&endless_size, 100), Err("a chunk's size does not end"));
        let talkative = format!("1;{}\r\nx\r\n", "a".repeat(SIZE_LINE / 2)).repeat(40);
        assert_eq!(read(talkative.as_bytes(), 100), Err(TOO_MUCH));
        let endless_trailer = format!("0\r\nX: {}", "a".repeat(2 * policy::UPSTREAM_HEAD));
        assert_eq!(read(endless_trailer.as_bytes(), 1_000), Err(TOO_MUCH));
        let trailers = format!("0\r\n{}", "X-Any: a\r\n".repeat(policy::UPSTREAM_HEAD));
        assert_eq!(read(trailers.as_bytes(), 1_000), Err(TOO_MUCH));
        // Many small chunks are no noise.
        let many = "1\r\nx\r\n".repeat(policy::UPSTREAM_HEAD);
        assert_eq!(
            read(many.as_bytes(), 1_000).expect("a body").0.len(),
            policy::UPSTREAM_HEAD
        );
    }

    proptest! {
        #[test]
        fn a_body_comes_through_whatever_its_chunks(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            left in proptest::collection::vec(any::<u8>(), 0..10),
            step in 1_usize..60,
        ) {
            let mut text = Vec::new();
            for piece in &pieces {
                text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                text.extend_from_slice(piece);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            text.extend_from_slice(&left);
            prop_assert_eq!(read(&text, step), Ok((pieces.concat(), true, left)));
        }

        #[test]
        fn bytes_are_read_alike_however_they_come(bytes in "[0-9a-f;\r\n x]{0,60}", step in 1_usize..60) {
            let whole = read(bytes.as_bytes(), bytes.len());
            prop_assert_eq!(read(bytes.as_bytes(), step), whole);
        }
    }
}
