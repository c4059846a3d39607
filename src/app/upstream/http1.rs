//! HTTP/1.1 as it is spoken with an upstream (RFC 9112). `head` reads the head of an answer and says how its body comes,
//! `chunks` takes chunks apart, both without knowing of connections; `wire` is a connection, and leads one exchange after
//! the other on it. The grammar is read by httparse. The rest is our own because of what a client of general use costs: a
//! task, two channels and maps of headers for each connection were a quarter of the user time of a forwarded request.

mod chunks;
mod head;
mod wire;

use bytes::Bytes;

pub(super) use self::head::Head;
pub(super) use self::wire::{Failure, Wire};

/// A body of at most so many bytes lies behind its head, so that both go out at once.
const JOINED: usize = 4 * 1024;

/// A request as it goes up. It has an authorization in it, so nothing of it is ever printed.
#[derive(Clone)]
pub struct Request {
    /// Up to the empty line, and the body if it is short.
    head: Vec<u8>,
    /// The body if it is not.
    body: Bytes,
    is_of_head: bool,
}

impl Request {
    /// A request with this head, which ends with its last header line.
    pub(super) fn new(method: &str, mut head: Vec<u8>, body: Bytes) -> Self {
        head.extend_from_slice(b"\r\n");
        let is_joined = body.len() <= JOINED;
        if is_joined {
            head.extend_from_slice(&body);
        }
        Self {
            head,
            body: if is_joined { Bytes::new() } else { body },
            is_of_head: method == "HEAD",
        }
    }

    /// What is left of it when so many bytes of its head are written.
    fn rest(&self, written: usize) -> [Bytes; 2] {
        let head = Bytes::copy_from_slice(&self.head[written..]);
        [head, self.body.clone()]
    }

    /// What goes out first.
    #[cfg(test)]
    pub(super) fn head(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.head)
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}
