//! A connection, and one exchange after the other on it.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr_iter;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Request;
use super::chunks::Part;
use super::head::{self, Framing, Head};
use crate::app::outbound::first_cause;
use crate::app::upstream::dial::Stream;
use crate::clock::{Alarm, Stopwatch};
use crate::policy;

/// Bytes that are read at once. It is doubled as long as more is there, up to as many as a head may have.
const ROOM: usize = 8 * 1024;

/// A piece of a body that has no more bytes is copied.
const COPIED: usize = 4 * 1024;

/// How long the farewell of a connection over TLS may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why an exchange failed, for the log.
type Why = Cow<'static, str>;

/// How an exchange failed.
pub(in crate::app::upstream) enum Failure {
    /// No answer came in time.
    Late,
    /// Its connection did.
    Broken(Why),
}

impl From<Why> for Failure {
    fn from(why: Why) -> Self {
        Self::Broken(why)
    }
}

/// A connection. Dropped, it is closed.
pub(in crate::app::upstream) struct Wire {
    stream: Stream,
    /// What has come and is not taken yet.
    read: BytesMut,
    room: usize,
    /// What of the request is to be written yet: of its head, and of its body.
    unsent: [Bytes; 2],
    is_flushed: bool,
    /// Why nothing more can be written.
    broke: Option<String>,
    is_of_head: bool,
    /// How much of the answer is to come, once its head is read.
    coming: Framing,
    /// No other request goes on it.
    is_last: bool,
    reach: Reach,
    alarm: Alarm,
}

/// How far the latest exchange has come, in bytes above TLS. What is written is counted as sent, also while it still lies
/// in a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reach {
    /// It is not the first one of its connection.
    is_later: bool,
    /// Something of its request was sent.
    is_sent: bool,
    /// Something of its answer was heard.
    is_heard: bool,
}

impl Wire {
    pub(in crate::app::upstream) fn new(stream: Stream) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            room: ROOM,
            unsent: [Bytes::new(), Bytes::new()],
            is_flushed: true,
            broke: None,
            is_of_head: false,
            coming: Framing::Length(0),
            is_last: false,
            reach: Reach::default(),
            alarm: Alarm::default(),
        }
    }

    /// Sends a request and waits from now on so long for the head of its answer. Dropped on the way, it leaves a connection
    /// that can only be closed.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(in crate::app::upstream) async fn send(
        &mut self,
        request: &Request,
        now: Stopwatch,
        limit: Duration,
    ) -> Result<Head, Failure> {
        self.is_flushed = false;
        self.is_of_head = request.is_of_head;
        self.coming = Framing::UntilEnd;
        self.reach = Reach {
            is_later: self.reach.is_heard,
            ..Reach::default()
        };
        self.alarm.set(now, limit);
        // Nearly always its head can be written at once, from where it lies.
        let begin = poll_fn(|cx| Poll::Ready(self.hand_over(&request.head, cx).unwrap_or(0)));
        let written = begin.await;
        self.unsent = request.rest(written);
        poll_fn(|cx| match self.poll_head(cx) {
            Poll::Ready(read) => Poll::Ready(read.map_err(Failure::from)),
            Poll::Pending => self.alarm.poll(cx).map(|()| Err(Failure::Late)),
        })
        .await
    }

    /// Whether nothing of the latest request was sent.
    pub(in crate::app::upstream) const fn is_unsent(&self) -> bool {
        !self.reach.is_sent
    }

    /// Whether it was kept from an earlier exchange, and of the answer to the latest request not a byte has come.
    pub(in crate::app::upstream) const fn is_stale(&self) -> bool {
        self.reach.is_later && !self.reach.is_heard
    }

    /// The next piece of the latest answer's body; None at its end.
    pub(in crate::app::upstream) async fn piece(&mut self) -> Option<Result<Bytes, Why>> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// Whether another request can go on it: the latest exchange is over, and since then it was neither closed by the
    /// other side nor has said anything.
    pub(in crate::app::upstream) fn is_at_rest(&mut self) -> bool {
        let is_read = match &self.coming {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunks) => chunks.is_over(),
            Framing::UntilEnd => false,
        };
        let is_over = is_read && self.read.is_empty() && self.is_flushed && self.broke.is_none();
        if !is_over || self.is_last {
            return false;
        }
        if self.room > ROOM {
            // The room of a large answer is not held until the next one.
            (self.room, self.read) = (ROOM, BytesMut::new());
        }
        self.stream.is_quiet()
    }

    /// Closes a connection at rest.
    pub(in crate::app::upstream) fn leave(mut self) {
        if self.stream.is_tls() {
            tokio::spawn(async move {
                // Whoever does not want to hear it has closed it anyway.
                let _ = tokio::time::timeout(FAREWELL, self.stream.shutdown()).await;
            });
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Why>> {
        self.write(cx);
        loop {
            let before = self.read.len();
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.end())),
                Poll::Ready(Ok(_)) => self.reach.is_heard = true,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(self.failure(&e))),
                // Also where nothing more can be written: it may have been answered before that, and its end is heard, too.
                Poll::Pending => return Poll::Pending,
            }
            if let Some(head) = self.take_head(before)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The head of the answer, if it has come whole; so much had come before.
    fn take_head(&mut self, mut before: usize) -> Result<Option<Head>, Why> {
        // What is no head is found out at once. After that, each byte is looked at once more only.
        while before == 0 || has_end(&self.read[before.saturating_sub(END_MOST)..]) {
            let Some(read) = head::parse(&self.read, self.is_of_head)? else {
                break;
            };
            if read.bytes > policy::UPSTREAM_HEAD {
                return Err(ENDLESS.into());
            }
            self.read.advance(read.bytes);
            let is_interim = read.head.status < 200 && read.head.status != 101;
            if !is_interim {
                self.is_last |= read.is_last;
                self.coming = read.framing;
                return Ok(Some(read.head));
            }
            before = 0;
            if self.read.is_empty() {
                break;
            }
        }
        if self.read.len() > policy::UPSTREAM_HEAD {
            return Err(ENDLESS.into());
        }
        Ok(None)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Why>>> {
        // It may answer before it has read all of the request.
        self.write(cx);
        loop {
            match &mut self.coming {
                Framing::Length(0) => return Poll::Ready(None),
                Framing::Chunked(chunks) => match chunks.next(&mut self.read) {
                    Ok(Part::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
                    Ok(Part::End) => return Poll::Ready(None),
                    Ok(Part::Incomplete) => (),
                    Err(why) => return Poll::Ready(Some(Err(why.into()))),
                },
                Framing::Length(_) | Framing::UntilEnd if self.read.is_empty() => (),
                Framing::Length(left) => {
                    let here = self.read.len();
                    let length = usize::try_from(*left).map_or(here, |left| left.min(here));
                    *left -= length as u64;
                    return Poll::Ready(Some(Ok(taken(&mut self.read, length))));
                }
                Framing::UntilEnd => return Poll::Ready(Some(Ok(self.read.split().freeze()))),
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) if matches!(self.coming, Framing::UntilEnd) => {
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(self.end()))),
                Poll::Ready(Ok(_)) => (),
                Poll::Ready(Err(e)) => return Poll::Ready(Some(Err(self.failure(&e)))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads what has come; nothing is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.read.reserve(self.room);
        let filled = pin!(self.stream.read_buf(&mut self.read)).poll(cx);
        if self.read.len() == self.read.capacity() {
            self.room = (self.room * 2).min(policy::UPSTREAM_HEAD);
        }
        filled
    }

    /// Writes what can be written of the request. That it can't is told by whoever reads.
    fn write(&mut self, cx: &mut Context<'_>) {
        while !self.is_flushed && self.broke.is_none() {
            let Some(at) = self.unsent.iter().position(|bytes| !bytes.is_empty()) else {
                match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.is_flushed = true,
                    Poll::Ready(Err(e)) => self.broke = Some(first_cause(&e)),
                    Poll::Pending => return,
                }
                continue;
            };
            let mut bytes = std::mem::take(&mut self.unsent[at]);
            let written = self.hand_over(&bytes, cx);
            bytes.advance(written.unwrap_or(0));
            self.unsent[at] = bytes;
            if written.is_none() {
                return;
            }
        }
    }

    /// Writes some of these bytes. None where nothing can be written now, or any more.
    fn hand_over(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Option<usize> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(0)) => self.broke = Some("it takes nothing more".to_owned()),
            Poll::Ready(Ok(length)) => {
                self.reach.is_sent = true;
                return Some(length);
            }
            Poll::Ready(Err(e)) => {
                // TLS makes several writes of one, of which some may have gone out.
                self.reach.is_sent |= self.stream.is_tls();
                self.broke = Some(first_cause(&e));
            }
            Poll::Pending => (),
        }
        None
    }

    /// Why there is no more to read.
    fn end(&mut self) -> Why {
        let broke = self.broke.take().map(Why::from);
        broke.unwrap_or_else(|| "it closed the connection before the end of its answer".into())
    }

    fn failure(&mut self, error: &io::Error) -> Why {
        let broke = self.broke.take();
        broke.unwrap_or_else(|| first_cause(error)).into()
    }
}

const ENDLESS: &str = "the head of its answer is too long";

/// The first so many bytes. Few are copied: a share of them would hold all of the buffer, and another one would be needed.
fn taken(from: &mut BytesMut, length: usize) -> Bytes {
    if length > COPIED {
        return from.split_to(length).freeze();
    }
    let copy = Bytes::copy_from_slice(&from[..length]);
    from.advance(length);
    copy
}

/// Bytes of the longest end of a head, but its last.
const END_MOST: usize = 3;

/// Whether there is an empty line in it, or the end of one.
fn has_end(bytes: &[u8]) -> bool {
    memchr_iter(b'\n', bytes).any(|at| {
        let rest = &bytes[at + 1..];
        rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::upstream::peer_tests::{run, upstream};

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn the_room_of_a_large_answer_is_not_held_at_rest() {
        const LARGE: usize = 1 << 20;
        let address = upstream(1, |_, peer| {
            while peer.hear().is_some() {
                let body = "x".repeat(LARGE);
                peer.say(&format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n{body}"
                ));
            }
        });
        run(async {
            let stream = tokio::net::TcpStream::connect(address)
                .await
                .expect("a connection");
            let mut wire = Wire::new(Stream::Clear(stream));
            let request = Request::new("GET", b"GET / HTTP/1.1\r\n".to_vec(), Bytes::new());
            for _ in 0..2 {
                assert!(
                    wire.send(&request, Stopwatch::start(), PATIENCE)
                        .await
                        .is_ok()
                );
                let (mut length, mut most) = (0, 0);
                while let Some(piece) = wire.piece().await {
                    length += piece.expect("a piece").len();
                    most = most.max(wire.room);
                }
                assert_eq!(length, LARGE);
                assert!(most > ROOM, "it is read in large pieces");
                assert!(wire.is_at_rest());
                assert!(wire.read.capacity() <= 2 * ROOM, "{}", wire.read.capacity());
            }
        });
    }
}
