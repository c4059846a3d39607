//! Where a request of HTTP/1.1 ends (RFC 9112, 6 and 7), as actix sees it. Nothing is refused here: of what can't be
//! understood actix sees all, and refuses it.

use memchr::memchr;

/// Of a line of a head that comes in pieces so much is kept: enough for its name.
const LINE_KEPT: usize = 128;
/// And so much of one that says how long the body is: larger heads are refused by actix.
const HEAD_MOST: usize = 128 * 1024;

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// Follows the bytes of a connection through its requests.
#[derive(Debug, Default)]
pub(super) struct Framing {
    at: At,
    head: Head,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Behind the end of a request, and before anything of the next.
    #[default]
    Between,
    Head,
    /// So much of a body is still to come.
    Body(u64),
    Chunked(Chunk),
    /// What follows belongs to a request that actix refuses, or to none.
    Lost,
}

/// What is to come next of a body in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// The first digit of a size.
    Size,
    /// Another digit, or what ends them, behind this size.
    MoreSize(u64),
    /// What stands behind the digits.
    BehindSize(u64),
    /// The end of the line with the size.
    SizeLf(u64),
    /// So much of the chunk.
    Data(u64),
    DataCr,
    DataLf,
    /// The end of the body, or a trailer.
    End,
    EndLf,
    Trailer,
    TrailerLf,
}

/// What the lines of a head have said so far.
#[derive(Debug, Default)]
struct Head {
    has_request_line: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_wrong: bool,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// That line is longer than what is kept of it.
    is_cut: bool,
}

impl Framing {
    /// Whether what comes next would be a new request's.
    pub(super) fn is_between(&self) -> bool {
        self.at == At::Between
    }

    /// Nothing more is told apart.
    pub(super) fn give_up(&mut self) {
        self.at = At::Lost;
    }

    /// How many of these bytes, which have come next, belong to the request that they begin or go on with.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            taken += match self.at {
                At::Between => {
                    self.at = At::Head;
                    0
                }
                At::Head => self.read_head(&bytes[taken..]),
                At::Body(left) => {
                    let here = left.min((bytes.len() - taken) as u64);
                    self.at = At::body(left - here);
                    here as usize
                }
                At::Chunked(Chunk::Data(left)) => {
                    let here = left.min((bytes.len() - taken) as u64);
                    self.at = At::Chunked(match left - here {
                        0 => Chunk::DataCr,
                        left => Chunk::Data(left),
                    });
                    here as usize
                }
                At::Chunked(chunk) => {
                    self.at = chunk.next(bytes[taken]);
                    1
                }
                At::Lost => bytes.len() - taken,
            };
            if self.at == At::Between {
                break;
            }
        }
        taken
    }

    /// Reads the lines of a head, as far as they have come.
    fn read_head(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(end) = memchr(b'\n', &bytes[taken..]) {
            let piece = &bytes[taken..taken + end];
            taken += end + 1;
            let is_end = if self.head.line.is_empty() {
                self.head.read(piece, false)
            } else {
                self.head.keep(piece);
                let line = std::mem::take(&mut self.head.line);
                let is_cut = std::mem::take(&mut self.head.is_cut);
                self.head.read(&line, is_cut)
            };
            if is_end {
                self.at = std::mem::take(&mut self.head).end();
                return taken;
            }
        }
        self.head.keep(&bytes[taken..]);
        bytes.len()
    }
}

impl At {
    const fn body(left: u64) -> Self {
        match left {
            0 => Self::Between,
            left => Self::Body(left),
        }
    }
}

impl Head {
    /// Keeps a piece of a line whose end has not come.
    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_KEPT.saturating_sub(self.line.len());
        let (beginning, rest) = piece.split_at(piece.len().min(room));
        self.line.extend_from_slice(beginning);
        if rest.is_empty() {
            return;
        }
        let tells = [CONTENT_LENGTH, TRANSFER_ENCODING].map(|name| value_of(&self.line, name));
        if tells.iter().any(Option::is_some) && self.line.len() + rest.len() <= HEAD_MOST {
            self.line.extend_from_slice(rest);
        } else {
            self.is_cut = true;
        }
    }

    /// Reads a line; whether it ends the head. Empty ones before the first are passed over.
    fn read(&mut self, line: &[u8], is_cut: bool) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return self.has_request_line;
        }
        if !self.has_request_line {
            self.has_request_line = true;
            return false;
        }
        // Few names begin as these two.
        match line[0] {
            b'c' | b'C' => {
                if let Some(value) = value_of(line, CONTENT_LENGTH) {
                    let length = std::str::from_utf8(value).ok();
                    let length = length.and_then(|text| text.trim().parse().ok());
                    self.is_wrong |= is_cut || length.is_none() || self.length.is_some();
                    self.length = length;
                }
            }
            b't' | b'T' => {
                if let Some(value) = value_of(line, TRANSFER_ENCODING) {
                    let is_chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                    self.is_wrong |= is_cut || !is_chunked || self.is_chunked;
                    self.is_chunked = true;
                }
            }
            _ => (),
        }
        false
    }

    /// What comes behind the head.
    fn end(self) -> At {
        match (self.is_chunked, self.length) {
            _ if self.is_wrong => At::Lost,
            (true, Some(_)) => At::Lost,
            (true, None) => At::Chunked(Chunk::Size),
            (false, length) => At::body(length.unwrap_or(0)),
        }
    }
}

/// The value of a header that has this name, which is given in small letters.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    first.eq_ignore_ascii_case(name).then_some(value)
}

impl Chunk {
    fn next(self, byte: u8) -> At {
        At::Chunked(match (self, byte) {
            (Self::Size, _) => match digit(byte) {
                Some(digit) => Self::MoreSize(digit),
                None => return At::Lost,
            },
            (Self::MoreSize(size), _) if digit(byte).is_some() => {
                let Some(larger) = size.checked_mul(16) else {
                    return At::Lost;
                };
                Self::MoreSize(larger + digit(byte).unwrap_or(0))
            }
            (Self::MoreSize(size) | Self::BehindSize(size), b'\r') => Self::SizeLf(size),
            (Self::MoreSize(size), b';' | b' ' | b'\t') => Self::BehindSize(size),
            (Self::BehindSize(size), _) if byte != b'\n' => Self::BehindSize(size),
            (Self::SizeLf(0), b'\n') => Self::End,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size,
            (Self::End, b'\r') => Self::EndLf,
            (Self::EndLf, b'\n') => return At::Between,
            (Self::TrailerLf, b'\n') => Self::End,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::End | Self::Trailer, _) => Self::Trailer,
            _ => return At::Lost,
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Requests, each with its end.
    const WHOLE: [&str; 14] = [
        GET,
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /",
        "POST / HTTP/1.1\r\ncontent-length:\t 5 \r\n\r\n\r\n\r\n!",
        "POST / HTTP/1.1\r\nCONTENT-LENGTH:0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length-Of: 7\r\nX: content-length: 7\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00a ;a=\"\r\n0123456789\r\n0;x\r\nA: b\r\nC: 0\n\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 1\r\nA-name-that-is-long-and-a-value-that-is-even-longer: and-longer-and-longer-and-longer-and-longer-and-longer-and-longer\r\n\r\n ",
        concat!(
            "POST / HTTP/1.1\r\nContent-Length:                                                                      ",
            "                                                                                                    3\r\n\r\nabc"
        ),
        concat!(
            "POST / HTTP/1.1\r\nTransfer-Encoding:                                                                   ",
            "                                                                    \tchunked\t  \r\n\r\n1\r\na\r\n0\r\n\r\n"
        ),
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];

    #[test]
    fn a_request_ends_where_its_length_or_its_last_chunk_says() {
        for first in WHOLE {
            for second in WHOLE {
                let both = format!("{first}{second}");
                let mut framing = Framing::default();
                assert_eq!(framing.advance(both.as_bytes()), first.len(), "{both:?}");
                assert!(framing.is_between(), "{first:?}");
                let rest = &both.as_bytes()[first.len()..];
                assert_eq!(framing.advance(rest), second.len(), "{both:?}");
            }
        }
    }

    #[test]
    fn it_ends_there_in_whatever_pieces_it_comes() {
        for request in WHOLE {
            let bytes = [request.as_bytes(), GET.as_bytes()].concat();
            for size in 1..request.len() {
                let (mut framing, mut taken) = (Framing::default(), 0);
                while taken < request.len() {
                    let piece = &bytes[taken..(taken + size).min(bytes.len())];
                    let here = framing.advance(piece);
                    assert!(here > 0 && (here == piece.len() || framing.is_between()));
                    taken += here;
                }
                assert_eq!(taken, request.len(), "{request:?} by {size}");
                assert!(framing.is_between(), "{request:?} by {size}");
            }
        }
    }

    #[test]
    fn what_actix_refuses_is_left_to_it() {
        for wrong in [
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        ] {
            let both = format!("{wrong}{GET}");
            assert_eq!(
                Framing::default().advance(both.as_bytes()),
                both.len(),
                "{wrong:?}"
            );
        }
    }
}
