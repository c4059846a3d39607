//! Connections: whatever a client does with one, it holds nothing for ever.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use atlas::config::{Patience, Settings};
use atlas::domain::key::OwnLimits;

use crate::world::{Connection, Key, LONG, ORDER, PATIENCE, World, eventually};

/// Short, but long enough for a request on a slow machine; what is not tested is long.
const SHORT: Duration = Duration::from_millis(300);

fn patience() -> Patience {
    Patience {
        handshake: LONG,
        head: LONG,
        idle: LONG,
        send: LONG,
    }
}

fn world(configure: fn(&mut Patience)) -> World {
    World::with(move |settings: &mut Settings| {
        settings.patience = patience();
        configure(&mut settings.patience);
    })
}

/// A connection on which something was asked before it was idle for too long; the answer is to be read.
fn asked_in_time(world: &World) -> TcpStream {
    let head = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut asked = None;
    eventually("it is asked in time", || {
        let mut stream = TcpStream::connect(world.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let is_in_time =
            stream.write_all(head).is_ok() && stream.peek(&mut [0]).is_ok_and(|n| n > 0);
        asked = Some(stream);
        is_in_time
    });
    asked.expect("a connection")
}

/// Sends byte after byte, a little apart, until the server has ended the connection; gives what it said.
fn trickle(mut stream: TcpStream, bytes: &[u8]) -> String {
    let pause = Some(Duration::from_millis(10));
    stream.set_read_timeout(pause).expect("a time-out");
    let mut said = Vec::new();
    for byte in bytes.iter().chain(std::iter::repeat(&b'x')).take(6_000) {
        drop(stream.write_all(&[*byte]));
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer) {
            Ok(0) => return text(&said),
            Ok(read) => said.extend_from_slice(&buffer[..read]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => (),
            Err(_) => return text(&said),
        }
    }
    panic!("never ended: {}", text(&said));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_head_that_trickles_in_is_ended() {
    let world = world(|patience| patience.head = SHORT);
    let stream = TcpStream::connect(world.address).expect("a connection");
    let said = trickle(stream, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ");
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
}

#[test]
fn so_is_the_second_head_on_a_connection() {
    let world = world(|patience| patience.idle = SHORT);
    let said = trickle(
        asked_in_time(&world),
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: ",
    );
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(said.matches("HTTP/1.1").count(), 1, "{said}");
}

#[test]
fn an_idle_connection_is_closed() {
    let world = world(|patience| patience.idle = SHORT);
    let mut said = String::new();
    let end = asked_in_time(&world).read_to_string(&mut said);
    assert!(end.is_ok() && said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(
        Connection::to(world.address).read_next(),
        b"",
        "with nothing asked"
    );
}

#[test]
fn a_body_that_trickles_in_is_refused_and_gives_its_place_back() {
    let world = World::with(|settings| settings.body_timeout = SHORT);
    let key = one_at_once(&world);
    let head = world.order_of(&key, &" ".repeat(10_000)).head();
    let mut stream = TcpStream::connect(world.address).expect("a connection");
    stream.write_all(&head).expect("written");
    let said = trickle(stream, b"{");
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(
        said.contains("request_timeout") && said.contains("connection: close"),
        "{said}"
    );
    world.probe(&key).send().expect(404, "session_not_found");
}

#[test]
fn so_is_one_whose_rest_never_comes_though_its_key_had_to_wait_for_its_day() {
    let world = World::with(|settings| {
        settings.body_timeout = SHORT;
        // Nothing else looks round meanwhile.
        (settings.patience.idle, settings.patience.send) = (100 * LONG, 100 * LONG);
    });
    // The first request of a key waits until its day has begun on disk.
    let key = one_at_once(&world);
    let head = world.order_of(&key, &" ".repeat(10_000)).head();
    let mut stream = TcpStream::connect(world.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let half = [&head[..], b"{\"amount\": 4990, "].concat();
    stream.write_all(&half).expect("written");
    let mut said = [0; 12];
    stream.read_exact(&mut said).expect("an answer");
    assert_eq!(text(&said), "HTTP/1.1 408");
}

fn one_at_once(world: &World) -> Key {
    world.key_with(OwnLimits {
        concurrent: Some(1),
        per_minute: Some(1_000_000),
        per_day: Some(1_000_000),
    })
}

#[test]
fn who_never_reads_answers_loses_the_connection_and_its_place() {
    let world = world(|patience| patience.send = SHORT);
    let key = one_at_once(&world);
    let request = world.probe(&key).head();
    let mut stream = TcpStream::connect(world.address).expect("a connection");
    stream.set_nonblocking(true).expect("set");
    // As long as something goes, something is answered; then the way back is full, and one answer waits half sent.
    let mut sent = 0;
    eventually("the way is full in both directions", || {
        let many = request.repeat(64);
        match stream.write(&many) {
            Ok(some) => sent += some,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                return world.probe(&key).send().status == 429;
            }
            // It was full, and time went by.
            Err(_) => return true,
        }
        false
    });
    assert!(sent > 64 * request.len());
    eventually("the place is free again", || {
        world.probe(&key).send().status == 404
    });
    eventually(
        "the connection is gone",
        || matches!(stream.write(b"x"), Err(e) if e.kind() != ErrorKind::WouldBlock),
    );
}

#[test]
fn as_many_connections_are_served_as_there_may_be_and_the_next_one_waits() {
    let world = World::with(|settings| settings.max_connections = 2);
    let (mut one, mut two) = (Connection::to(world.address), Connection::to(world.address));
    let health = world.get("/healthz");
    assert_eq!(
        (one.send(&health).status, two.send(&health).status),
        (200, 200)
    );
    let mut third = TcpStream::connect(world.address).expect("it waits in the backlog");
    third.write_all(&health.head()).expect("written");
    third.set_nonblocking(true).expect("set");
    for _ in 0..50 {
        assert_eq!(
            (one.send(&health).status, two.send(&health).status),
            (200, 200)
        );
        let early = third.read(&mut [0; 64]);
        assert_eq!(early.map_err(|e| e.kind()), Err(ErrorKind::WouldBlock));
    }
    drop(one);
    third.set_nonblocking(false).expect("set");
    let mut answer = [0; 12];
    third.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn hundreds_may_wait_and_are_served_in_their_turn() {
    let world = World::with(|settings| settings.max_connections = 2);
    let (mut one, mut two) = (Connection::to(world.address), Connection::to(world.address));
    let health = world.get("/healthz");
    assert_eq!(
        (one.send(&health).status, two.send(&health).status),
        (200, 200)
    );
    let wait = |n| {
        let stream = TcpStream::connect_timeout(&world.address, PATIENCE);
        stream.unwrap_or_else(|e| panic!("number {n} does not find a place in the backlog: {e}"))
    };
    let mut waiting: Vec<_> = (0..300).map(wait).collect();
    let mut last = waiting.pop().expect("the last");
    last.write_all(&health.head()).expect("written");
    drop((one, two, waiting));
    let mut answer = [0; 12];
    last.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn a_head_that_is_too_large_or_has_too_many_lines_is_refused_and_closed() {
    let world = World::new();
    let large = format!("X-Large: {}\r\n", "x".repeat(140 * 1024));
    let many = "X-Many: x\r\n".repeat(200);
    for lines in [large, many] {
        let mut stream = TcpStream::connect(world.address).expect("a connection");
        let head = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        drop(stream.write_all(head.as_bytes()));
        drop(stream.shutdown(Shutdown::Write));
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said));
        assert!(text(&said).starts_with("HTTP/1.1 431"), "{}", text(&said));
    }
    assert_eq!(world.get("/healthz").send().status, 200);
}

#[test]
fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let world = World::new();
    let key = world.key();
    let mut connection = Connection::to(world.address);
    let request = |n: usize| world.order(&key).header("X-Request-Id", format!("n{n}"));
    let head = |n| [request(n).head(), ORDER.as_bytes().to_vec()].concat();
    let all: Vec<u8> = (0..64).flat_map(head).collect();
    connection.write(&all);
    for n in 0..64 {
        let answer = connection.read("POST");
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (201, Some(format!("n{n}").as_str()))
        );
    }
}
