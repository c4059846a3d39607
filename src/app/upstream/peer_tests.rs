//! Upstreams for tests: threads that take connections, and say and do as they are told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// An answer.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The upstream's side of a connection.
pub(super) struct Peer(pub(super) TcpStream);

impl Peer {
    /// The next request, head and body; None when the other side has closed.
    pub(super) fn hear(&mut self) -> Option<String> {
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(self.byte()?);
        }
        let head = String::from_utf8(heard).expect("UTF-8");
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split('\r').next());
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        let body: Option<Vec<u8>> = (0..length).map(|_| self.byte()).collect();
        Some(head + &String::from_utf8(body?).expect("UTF-8"))
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).ok()?;
        Some(byte[0])
    }

    pub(super) fn say(&mut self, text: &str) {
        // Whoever has hung up hears nothing.
        let _ = self.0.write_all(text.as_bytes());
    }
}

/// An upstream that takes so many connections, each led by the script in a thread of its own and closed at its end.
pub(super) fn upstream(
    most: usize,
    script: impl Fn(usize, &mut Peer) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for number in 0..most {
            let (stream, _) = listener.accept().expect("a connection");
            let script = Arc::clone(&script);
            std::thread::spawn(move || script(number, &mut Peer(stream)));
        }
    });
    address
}

/// Where nobody listens any more.
pub(super) fn gone() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// An upstream that hears each request of a connection and says the same.
pub(super) fn saying(text: &'static str) -> SocketAddr {
    upstream(usize::MAX, move |_, peer| {
        while peer.hear().is_some() {
            peer.say(text);
        }
    })
}

/// An upstream that hears one request a connection, says this and closes.
pub(super) fn ending_with(text: &'static str) -> SocketAddr {
    upstream(usize::MAX, move |_, peer| {
        peer.hear();
        peer.say(text);
    })
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(work)
}
