//! A merchant's server: notes what arrives and answers what it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::world::{PATIENCE, eventually};

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// `POST /hooks HTTP/1.1`
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Hit {
    /// A header, which must be there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        let first = values
            .next()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(values.next().is_none(), "{name} stands twice");
        &first.1
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The event's id.
    pub fn event(&self) -> String {
        self.header("x-atlas-event-id").to_owned()
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// These very bytes.
    Bytes(Vec<u8>),
    /// 200 on a connection that stays until something more comes over it: then it is reset.
    KeepThenDrop,
    /// Nothing: the connection stays open.
    Silence,
    /// Nothing: the connection is closed.
    Close,
}

/// The server. It answers 200 until told otherwise, and ends by drop.
pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    hits: Mutex<Vec<Hit>>,
    answer: Mutex<Option<Answer>>,
    silent: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || serve(&listener, &shared));
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks?from=atlas", self.address)
    }

    /// What it answers from now on.
    pub fn answer(&self, answer: Answer) {
        *lock(&self.state.answer) = Some(answer);
    }

    /// What has arrived, in the order of arrival.
    pub fn hits(&self) -> Vec<Hit> {
        lock(&self.state.hits).clone()
    }

    /// The same, as soon as there are so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Hit> {
        eventually("enough arrives", || self.hits().len() >= count);
        let hits = self.hits();
        assert_eq!(hits.len(), count, "not more than that: {hits:?}");
        hits
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn serve(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stop.load(Ordering::Relaxed) {
            return;
        }
        let state = Arc::clone(state);
        let stream = stream.expect("a connection");
        std::thread::spawn(move || take(stream, &state));
    }
}

/// Takes one request. Whoever connects and says nothing is let go.
fn take(mut stream: TcpStream, state: &State) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let Some(hit) = read(&mut stream) else {
        return;
    };
    let answer = lock(&state.answer).clone().unwrap_or(Answer::Status(200));
    if let Answer::Silence = answer {
        lock(&state.silent).push(stream.try_clone().expect("a handle"));
    }
    lock(&state.hits).push(hit);
    let bytes = match answer {
        Answer::Silence | Answer::Close => return,
        Answer::Bytes(bytes) => bytes,
        Answer::KeepThenDrop => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
            // What is not read when it is closed resets it.
            drop(stream.peek(&mut [0]));
            return;
        }
        Answer::Status(status) => {
            let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n");
            format!("{head}Content-Length: 6\r\n\r\nthanks").into_bytes()
        }
    };
    drop(stream.write_all(&bytes));
}

fn read(stream: &mut TcpStream) -> Option<Hit> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(head) = parsed.parse(&bytes).ok()? {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers: Vec<(String, String)> = parsed
                .headers
                .iter()
                .map(|header| (header.name.to_lowercase(), text(header.value)))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, length)| length.parse().expect("a length"));
            if bytes.len() >= head + length {
                let line = bytes.split(|byte| *byte == b'\r').next();
                return Some(Hit {
                    line: text(line.unwrap_or_default()),
                    headers,
                    body: bytes[head..].to_vec(),
                });
            }
        }
        let mut buffer = [0; 16 * 1024];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}
