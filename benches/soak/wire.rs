//! A connection as real clients have them: quick, slow in every part, or gone in the midst.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer must have come by then; the server's own waits are shorter.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two pieces of a slow client; all of them together stay below the server's patience.
const PAUSE: Duration = Duration::from_millis(100);
const PIECES: usize = 10;
const ANSWER_MAX: usize = 256 * 1024;
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How a client sends and reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Quick,
    SlowHead,
    SlowBody,
    SlowReading,
}

/// An answer, as far as it is looked at.
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    /// `RateLimit`: what is left of minute and day.
    pub left: String,
    pub body: Vec<u8>,
    /// The server closes the connection after it.
    pub is_last: bool,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub struct Request {
    head: String,
    body: String,
}

impl Request {
    pub fn new(verb: &str, path: &str, secret: &str, idempotency_key: &str, body: &str) -> Self {
        let mut head = format!("{verb} /functions/v1/{path} HTTP/1.1\r\nHost: atlas\r\n");
        if !secret.is_empty() {
            head += &format!("Authorization: Bearer {secret}\r\n");
        }
        if !idempotency_key.is_empty() {
            head += &format!("Idempotency-Key: {idempotency_key}\r\n");
        }
        if verb != "GET" {
            let length = body.len();
            head += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        Self {
            head: head + "\r\n",
            body: body.to_owned(),
        }
    }
}

/// A connection that is kept as long as both sides like.
pub struct Wire(TcpStream);

impl Wire {
    pub fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(Self(stream))
    }

    /// None when the connection ended before the whole answer was there.
    pub fn ask(&mut self, request: &Request, manner: Manner) -> Option<Answer> {
        self.try_to_ask(request, manner).ok()
    }

    /// Asks, or says how the connection ended. A refusal may come, and close the connection, before all has been sent.
    pub fn try_to_ask(&mut self, request: &Request, manner: Manner) -> Result<Answer, String> {
        let head = self.send(&request.head, manner == Manner::SlowHead);
        let sent = head.and_then(|()| self.send(&request.body, manner == Manner::SlowBody));
        let how = if sent.is_some() { "" } else { ", not all sent" };
        self.answer(manner == Manner::SlowReading)
            .map_err(|why| format!("no answer: {why}{how}"))
    }

    /// The head alone. Whether the server let it in, and waits for the body now.
    pub fn begin(&mut self, request: &Request) -> bool {
        let head = request.head.trim_end();
        let asked = format!("{head}\r\nExpect: 100-continue\r\n\r\n");
        let mut answer = [0; GO_ON.len()];
        self.send(&asked, false).is_some()
            && self.0.read_exact(&mut answer).is_ok()
            && answer == *GO_ON
    }

    /// The rest, and its answer.
    pub fn finish(&mut self, request: &Request) -> Option<Answer> {
        self.send(&request.body, false)?;
        self.answer(false).ok()
    }

    /// Sends a part of the request and resets the connection.
    pub fn break_off(self, request: &Request, in_body: bool) {
        let mut stream = self.0;
        let body = if in_body {
            &request.body[..request.body.len() / 2]
        } else {
            &request.body
        };
        drop(stream.write_all(request.head.as_bytes()));
        drop(stream.write_all(body.as_bytes()));
        drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
    }

    fn send(&mut self, text: &str, slowly: bool) -> Option<()> {
        if !slowly {
            return self.0.write_all(text.as_bytes()).ok();
        }
        for piece in text.as_bytes().chunks(text.len().div_ceil(PIECES).max(1)) {
            self.0.write_all(piece).ok()?;
            std::thread::sleep(PAUSE);
        }
        Some(())
    }

    fn answer(&mut self, slowly: bool) -> Result<Answer, String> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4_096];
        while bytes.len() < ANSWER_MAX {
            match parse(&bytes) {
                Some(Some(answer)) => return Ok(answer),
                Some(None) => (),
                None => break,
            }
            let room = if slowly {
                std::thread::sleep(PAUSE);
                256
            } else {
                buffer.len()
            };
            let read = match self.0.read(&mut buffer[..room]) {
                Ok(0) => Err("closed".to_owned()),
                Ok(read) => Ok(read),
                Err(e) => Err(e.kind().to_string()),
            };
            let read = read.map_err(|why| format!("{why} after {} bytes", bytes.len()))?;
            bytes.extend_from_slice(&buffer[..read]);
        }
        Err(format!("{:?}", String::from_utf8_lossy(&bytes)))
    }
}

/// The answer, once it is there as a whole; None for what is not HTTP.
fn parse(bytes: &[u8]) -> Option<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(bytes).ok()? else {
        return Some(None);
    };
    let value = |name: &str| {
        let header = parsed
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let length: usize = value("content-length")?.parse().ok()?;
    let Some(body) = bytes.get(head..head + length) else {
        return Some(None);
    };
    Some(Some(Answer {
        status: parsed.code?,
        replayed: value("idempotent-replayed").is_some(),
        left: value("ratelimit").unwrap_or_default(),
        body: body.to_owned(),
        is_last: value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}
