//! The load: one thread and epoll, so many keep-alive connections, one request in flight on each, sent from bytes made
//! beforehand. Costs a few microseconds a request, most of them the kernel's, so that the server is what is measured.
//! Every answer must be a 2xx; another one ends the run with its text.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::stats::Sample;

/// A request in flight must be answered within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for an answer; those of Atlas have about 1.5 KiB.
const ANSWER_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 32;
/// Digits of the number that makes a request unlike the others.
const DIGITS: usize = 12;

/// Requests to send: some in turn, or each with a number of its own.
pub struct Requests {
    all: Vec<Vec<u8>>,
    turn: usize,
    number: Option<(usize, u64)>,
    left: u64,
}

impl Requests {
    /// The same request again and again.
    pub fn same(bytes: Vec<u8>) -> Self {
        Self::in_turn(vec![bytes])
    }

    /// These in turn, again and again.
    pub const fn in_turn(all: Vec<Vec<u8>>) -> Self {
        Self {
            all,
            turn: 0,
            number: None,
            left: u64::MAX,
        }
    }

    /// So many of them and no more.
    #[must_use]
    pub const fn only(mut self, left: u64) -> Self {
        self.left = left;
        self
    }

    /// At most `left` requests; in each the zeros of [`Requests::PLACE`] become the next number.
    pub fn numbered(bytes: Vec<u8>, left: u64) -> Outcome<Self> {
        let place = Self::PLACE.as_bytes();
        let at = bytes
            .windows(place.len())
            .position(|window| window == place)
            .ok_or("the request has no place for a number")?;
        Ok(Self {
            all: vec![bytes],
            turn: 0,
            number: Some((at + place.len() - DIGITS, 0)),
            left,
        })
    }

    /// Where a number goes.
    pub const PLACE: &str = "order-000000000000";

    /// How many may still be sent.
    pub const fn left(&self) -> u64 {
        self.left
    }

    fn next(&mut self) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        let turn = self.turn;
        self.turn = (turn + 1) % self.all.len().max(1);
        let bytes = self.all.get_mut(turn)?;
        if let Some((at, number)) = &mut self.number {
            let mut rest = *number;
            *number += 1;
            for digit in bytes[*at..*at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        Some(bytes)
    }
}

/// How hard and how long.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub measured: Duration,
}

/// Sends requests as planned, or until there are none left. `cpu` tells the server's processor time so far.
pub fn run(
    address: SocketAddr,
    requests: &mut Requests,
    plan: Plan,
    cpu: &dyn Fn() -> Outcome<Duration>,
) -> Outcome<Sample> {
    let mut fleet = Fleet::connect(address, plan.connections)?;
    fleet.launch(requests)?;
    fleet.drive(Some(requests), plan.warm_up)?;
    fleet.latencies.clear();
    let (started, cpu_before) = (Instant::now(), cpu()?);
    fleet.drive(Some(requests), plan.measured)?;
    let (took, cpu_used) = (started.elapsed(), cpu()?.saturating_sub(cpu_before));
    let sample = Sample::of(std::mem::take(&mut fleet.latencies), took, cpu_used)?;
    fleet.drive(None, PATIENCE)?;
    if fleet.in_flight > 0 {
        return Err(format!("{} requests got no answer in {PATIENCE:?}", fleet.in_flight).into());
    }
    Ok(sample)
}

struct Fleet {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    in_flight: usize,
    latencies: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    sent_at: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

impl Fleet {
    fn connect(address: SocketAddr, count: usize) -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for token in 0..count {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(token), Interest::READABLE)?;
            connections.push(Connection {
                stream,
                sent_at: Instant::now(),
                buffer: vec![0; ANSWER_MAX],
                filled: 0,
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(count),
            connections,
            in_flight: 0,
            latencies: Vec::new(),
        })
    }

    fn launch(&mut self, requests: &mut Requests) -> Outcome<()> {
        for connection in &mut self.connections {
            let Some(bytes) = requests.next() else { break };
            connection.send(bytes, Instant::now())?;
            self.in_flight += 1;
        }
        Ok(())
    }

    /// Takes answers, and sends a request for each if there are any, until the time is up or nothing is in flight.
    fn drive(&mut self, mut requests: Option<&mut Requests>, time: Duration) -> Outcome<()> {
        let started = Instant::now();
        while self.in_flight > 0 {
            let Some(left) = time
                .checked_sub(started.elapsed())
                .filter(|left| !left.is_zero())
            else {
                break;
            };
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                Err(_) | Ok(()) => (),
            }
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                if !connection.receive()? {
                    continue;
                }
                let now = Instant::now();
                self.latencies.push(now - connection.sent_at);
                match requests.as_mut().and_then(|requests| requests.next()) {
                    Some(bytes) => connection.send(bytes, now)?,
                    None => self.in_flight -= 1,
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    fn send(&mut self, bytes: &[u8], now: Instant) -> Outcome<()> {
        self.sent_at = now;
        // A few hundred bytes always fit the empty buffer of a socket.
        let sent = self.stream.write(bytes)?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err("a socket took only part of a request".into())
        }
    }

    /// Whether the answer is there as a whole.
    fn receive(&mut self) -> Outcome<bool> {
        while self.filled < self.buffer.len() {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            let answer = &self.buffer[..self.filled];
            if let Some((status, length)) = parse(answer)? {
                if !(200..300).contains(&status) {
                    return Err(format!("answered {}", String::from_utf8_lossy(answer)).into());
                }
                if length == self.filled {
                    self.filled = 0;
                    return Ok(true);
                }
            }
        }
        Err("an answer is longer than any of ours".into())
    }
}

/// Status and length of an answer, head and body, once its head is there.
fn parse(answer: &[u8]) -> Outcome<Option<(u16, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer without Content-Length")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some((response.code.unwrap_or_default(), head + length)))
}
