//! A reader of event streams, chunk by chunk.

use super::operator::Operator;
use crate::world::{Connection, Request, World};

/// An open stream, and what has come of it so far.
pub struct Events {
    connection: Connection,
    seen: Vec<u8>,
}

impl Events {
    pub fn open(operator: &Operator<'_>, path: &str) -> Self {
        Self::of(operator, path, &operator.get(path))
    }

    /// As a browser opens it again that has heard this message last.
    pub fn open_after(operator: &Operator<'_>, path: &str, last: &str) -> Self {
        Self::of(
            operator,
            path,
            &operator.get(path).header("Last-Event-ID", last),
        )
    }

    fn of(operator: &Operator<'_>, path: &str, request: &Request) -> Self {
        let request = request.clone().header("Accept", "text/event-stream");
        let mut connection = Connection::to(operator.world().address);
        let answer = connection.open(&request);
        assert_eq!(answer.status, 200, "{path}");
        let kind = answer.header("content-type").expect("Content-Type");
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        Self {
            connection,
            seen: Vec::new(),
        }
    }

    /// Reads on until a message that holds this has come; gives all that has.
    pub fn read_until(&mut self, part: &str) -> String {
        loop {
            let seen = self.messages();
            let whole = seen.rfind("\n\n").map_or("", |end| &seen[..end]);
            if whole.contains(part) {
                return seen;
            }
            self.read_more();
        }
    }

    /// Reads on until the server has ended the stream as it should: with the last chunk, of no bytes.
    pub fn read_to_end(&mut self) {
        while !self.seen.ends_with(b"0\r\n\r\n") {
            self.read_more();
        }
    }

    fn read_more(&mut self) {
        let bytes = self.connection.read_next();
        assert!(!bytes.is_empty(), "cut off after {:?}", self.messages());
        self.seen.extend_from_slice(&bytes);
    }

    /// The text within the chunks that have come whole.
    fn messages(&self) -> String {
        let mut text = Vec::new();
        let mut rest = self.seen.as_slice();
        while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = String::from_utf8_lossy(&rest[..line]).into_owned();
            let size = usize::from_str_radix(&size, 16).expect("a chunk's size");
            let Some(chunk) = rest.get(line + 2..line + 2 + size) else {
                break;
            };
            text.extend_from_slice(chunk);
            rest = rest.get(line + 2 + size + 2..).unwrap_or_default();
        }
        String::from_utf8(text).expect("UTF-8")
    }
}

/// Starts a world over while a stream is open; gives the stream and the new world.
pub fn restart_under(world: World, path: &str) -> (Events, World) {
    let stream = Events::open(&Operator::of(&world), path);
    (stream, world.restart())
}
