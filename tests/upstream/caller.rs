//! A client that sends what it is told to the byte, and reads any well-formed answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::process::text;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header that must not stand twice.
    #[track_caller]
    pub fn find(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} stands twice: {self}");
        values.first().copied()
    }

    /// A header that must be there, once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.find(name)
            .unwrap_or_else(|| panic!("no {name}: {self}"))
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(given, _)| given == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self}"))
    }

    /// Whether it says that it is a replay.
    #[track_caller]
    pub fn replayed(&self) -> bool {
        match self.find("idempotent-replayed") {
            None => false,
            Some("true") => true,
            Some(other) => panic!("Idempotent-Replayed: {other}"),
        }
    }

    /// Fails unless this is our own refusal of that status and code, in the one shape of all errors.
    #[track_caller]
    pub fn expect(&self, status: u16, code: &str) -> &Self {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = &body["error"];
        let found = (self.status, error["code"].as_str().unwrap_or_default());
        assert_eq!(found, (status, code), "{self}");
        assert_eq!(error["request_id"], self.header("x-request-id"), "{self}");
        assert!(
            error["type"].is_string() && error["message"].is_string(),
            "{self}"
        );
        assert_eq!(self.header("content-type"), "application/json");
        self
    }

    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The type and the message of the error.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        let member = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        (member("type"), member("message"))
    }

    /// What the contract gives every answer, once each.
    #[track_caller]
    fn check_laws(&self) {
        for name in [
            "x-request-id",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "x-ratelimit-scope",
            "date",
        ] {
            self.header(name);
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", text(&self.body))
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Call {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST of an order to be charged.
    pub fn order(name: &str) -> Self {
        Self::new("POST", "/functions/v1/charges").json(&crate::script::order(name))
    }

    /// The same, under an idempotency key.
    pub fn keyed(key: &str) -> Self {
        Self::order(key).with("Idempotency-Key", key)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &str) -> Self {
        self.with("Content-Type", "application/json")
            .raw(body.as_bytes())
    }

    pub fn raw(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    /// The request as it goes over the wire, with a Host of ours unless it has one.
    pub fn bytes(&self, secret: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            head += "Host: atlas.example\r\n";
        }
        head += &format!("Authorization: Bearer {secret}\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// A connection that is kept.
pub struct Caller(BufReader<TcpStream>);

impl Caller {
    pub fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        let patience = Some(Duration::from_secs(40));
        stream.set_read_timeout(patience).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// None, here and below, when the connection ended before all was there.
    pub fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.get_mut().write_all(bytes).ok()
    }

    pub fn send(&mut self, call: &Call, secret: &str) -> Option<Reply> {
        self.say(&call.bytes(secret))?;
        self.reply(call.method == "HEAD")
    }

    /// A whole answer, held to the laws of all answers.
    #[track_caller]
    pub fn reply(&mut self, to_head: bool) -> Option<Reply> {
        let reply = self.bare_reply(to_head)?;
        reply.check_laws();
        Some(reply)
    }

    /// A whole answer, also one to a request that no HTTP parser takes.
    pub fn bare_reply(&mut self, to_head: bool) -> Option<Reply> {
        let mut reply = self.head()?;
        let mut body = Vec::new();
        if !to_head {
            self.body(&reply, &mut |part| body.extend_from_slice(part))?;
        }
        reply.body = body;
        Some(reply)
    }

    /// The head of an answer; its body is to be read next.
    pub fn head(&mut self) -> Option<Reply> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let read = self.0.read_until(b'\n', &mut bytes).ok()?;
            (read > 0).then_some(())?;
        }
        let mut headers = [httparse::EMPTY_HEADER; 1_100];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(&bytes).expect("a head");
        let headers = parsed.headers.iter();
        Some(Reply {
            status: parsed.code.expect("a status"),
            headers: headers
                .map(|header| (header.name.to_lowercase(), text(header.value)))
                .collect(),
            body: Vec::new(),
        })
    }

    /// The body after a head, part by part as it comes.
    pub fn body(&mut self, head: &Reply, take: &mut dyn FnMut(&[u8])) -> Option<()> {
        if matches!(head.status, 100..200 | 204 | 304) {
            return Some(());
        }
        if let Some(length) = head.find("content-length") {
            return self.exactly(length.parse().expect("a length"), take);
        }
        assert_eq!(head.find("transfer-encoding"), Some("chunked"), "{head}");
        while self.chunk_to(take)? > 0 {}
        Some(())
    }

    /// The next chunk; an empty one is the last.
    pub fn chunk(&mut self) -> Option<String> {
        let mut chunk = Vec::new();
        self.chunk_to(&mut |part| chunk.extend_from_slice(part))?;
        Some(text(&chunk))
    }

    fn chunk_to(&mut self, take: &mut dyn FnMut(&[u8])) -> Option<u64> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.strip_suffix("\r\n")?, 16).ok()?;
        self.exactly(size, take)?;
        let mut end = [0; 2];
        self.0.read_exact(&mut end).ok()?;
        assert_eq!(&end, b"\r\n", "a chunk ends with its line");
        Some(size)
    }

    fn exactly(&mut self, mut length: u64, take: &mut dyn FnMut(&[u8])) -> Option<()> {
        while length > 0 {
            let part = self.0.fill_buf().ok().filter(|part| !part.is_empty())?;
            let part = &part[..part
                .len()
                .min(usize::try_from(length).unwrap_or(usize::MAX))];
            take(part);
            let taken = part.len();
            self.0.consume(taken);
            length -= taken as u64;
        }
        Some(())
    }

    /// Hangs up for good: whoever only closes may still want to read.
    pub fn reset(self) {
        let stream = self.0.into_inner();
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).expect("set");
    }

    /// What still comes until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.0.read_to_end(&mut bytes);
        bytes
    }
}
