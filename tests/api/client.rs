//! A client that sends what it is told, byte for byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

pub use crate::response::Response;
use crate::world::{Key, PATIENCE};

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), address.to_string().into_bytes())],
            body: None,
        }
    }

    /// Adds a header line; the same name twice makes two lines.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Another Host, or none at all.
    pub fn host(mut self, host: Option<&str>) -> Self {
        self.headers.retain(|(name, _)| name != "Host");
        match host {
            Some(host) => self.header("Host", host),
            None => self,
        }
    }

    pub fn key(self, key: &Key) -> Self {
        self.bearer(&key.secret)
    }

    pub fn bearer(self, secret: &str) -> Self {
        self.header("Authorization", format!("Bearer {secret}"))
    }

    pub fn idempotent(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// A body with `Content-Type: application/json`.
    pub fn json(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// A body without a content type.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        self = self.header("Content-Length", body.len().to_string());
        self.body = Some(body);
        self
    }

    /// A body in chunks without a content type.
    pub fn chunks(mut self, size: usize, body: impl AsRef<[u8]>) -> Self {
        let mut framed = Vec::new();
        for chunk in body.as_ref().chunks(size) {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        self.body = Some(framed);
        self.header("Transfer-Encoding", "chunked")
    }

    /// The head as it goes over the wire.
    pub fn head(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// All of it as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [
            self.head().as_slice(),
            self.body.as_deref().unwrap_or_default(),
        ]
        .concat()
    }

    /// A connection on which the head and so many bytes of the body are under way.
    pub fn begin(&self, sent: usize) -> Held {
        let mut connection = Connection::to(self.address);
        let body = self.body.as_deref().unwrap_or_default();
        connection.write(&[&self.head(), &body[..sent]].concat());
        Held {
            connection,
            method: self.method.clone(),
            path: self.path.clone(),
            rest: body[sent..].to_vec(),
        }
    }

    /// A connection on which the whole request is under way.
    pub fn start(&self) -> Held {
        self.begin(self.body.as_ref().map_or(0, Vec::len))
    }

    /// Sends it on a connection of its own and reads the answer.
    pub fn send(&self) -> Response {
        self.start().finish()
    }
}

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Writes what the server takes: one that refuses early may close before it has read all, and
    /// its answer still comes.
    pub fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Sends a request and reads its answer.
    pub fn send(&mut self, request: &Request) -> Response {
        self.write(&request.head());
        self.write(request.body.as_deref().unwrap_or_default());
        let response = self.read(&request.method);
        response.check_place(&request.path);
        response
    }

    /// Sends a request whose answer has no end, and reads its head.
    pub fn open(&mut self, request: &Request) -> Response {
        self.write(&request.head());
        let response = self.read("HEAD");
        response.check_place(&request.path);
        response
    }

    /// The bytes that come next; none when the server has ended the connection.
    pub fn read_next(&mut self) -> Vec<u8> {
        if self.unread.is_empty() {
            let mut buffer = [0; 16 * 1024];
            let read = self.stream.read(&mut buffer).expect("bytes in time");
            return buffer[..read].to_vec();
        }
        std::mem::take(&mut self.unread)
    }

    /// Reads one final answer to a request of this method and checks the laws of every answer.
    pub fn read(&mut self, method: &str) -> Response {
        loop {
            let response = self.read_any(method);
            if response.status >= 200 {
                response.check_laws();
                return response;
            }
        }
    }

    /// Reads one answer, be it interim: with `Content-Length`, or with none for HEAD and 204.
    pub fn read_any(&mut self, method: &str) -> Response {
        let (mut response, head) = loop {
            if let Some(parsed) = parse_head(&self.unread) {
                break parsed;
            }
            self.read_more();
        };
        let length = response
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        let bare = method == "HEAD" || response.status == 204;
        let end = head + if bare { 0 } else { length };
        while self.unread.len() < end {
            self.read_more();
        }
        response.body = self.unread[head..end].to_vec();
        self.unread.drain(..end);
        response
    }

    fn read_more(&mut self) {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer).expect("an answer in time");
        let so_far = String::from_utf8_lossy(&self.unread);
        assert!(read > 0, "the answer ends early: {so_far:?}");
        self.unread.extend_from_slice(&buffer[..read]);
    }

    /// Waits until the server has closed the connection.
    pub fn wait_for_end(mut self) {
        drop(self.stream.read_to_end(&mut self.unread));
    }

    /// Says no more, and reads all that still comes.
    pub fn rest(mut self) -> String {
        drop(self.stream.shutdown(Shutdown::Write));
        drop(self.stream.read_to_end(&mut self.unread));
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Ends the connection with RST.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("SO_LINGER");
    }
}

fn parse_head(bytes: &[u8]) -> Option<(Response, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(bytes).expect("HTTP") else {
        return None;
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let response = Response {
        status: parsed.code.expect("a status"),
        headers: parsed
            .headers
            .iter()
            .map(|header| (header.name.to_lowercase(), text(header.value)))
            .collect(),
        body: Vec::new(),
    };
    Some((response, length))
}

/// A request under way.
pub struct Held {
    pub connection: Connection,
    method: String,
    path: String,
    rest: Vec<u8>,
}

impl Held {
    /// Sends the rest and reads the answer.
    pub fn finish(mut self) -> Response {
        self.connection.write(&self.rest);
        let response = self.connection.read(&self.method);
        response.check_place(&self.path);
        response
    }

    /// Reads an interim answer.
    pub fn interim(&mut self) -> Response {
        self.connection.read_any(&self.method)
    }
}

/// Sends all of them at the same time.
pub fn at_once(requests: &[Request]) -> Vec<Response> {
    let start = Barrier::new(requests.len());
    std::thread::scope(|scope| {
        let waiting: Vec<_> = requests
            .iter()
            .map(|request| {
                scope.spawn(|| {
                    start.wait();
                    request.send()
                })
            })
            .collect();
        waiting
            .into_iter()
            .map(|thread| thread.join().expect("an answer"))
            .collect()
    })
}
