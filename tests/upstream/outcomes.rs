//! Failures of an upstream: nothing was sent and the key is free, or nobody knows and the claim stays.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::caller::{Call, Reply};
use crate::port::Port;
use crate::script::{Step, assert_charged_once, charge_in, cut};
use crate::upstream::Upstream;
use crate::world::{BOUND, World};

const PATH: &str = "/functions/v1/a";

#[track_caller]
fn assert_unreachable(reply: &Reply) {
    reply.expect(502, "upstream_unreachable");
    assert_eq!(reply.error().0, "api_error");
}

#[track_caller]
fn assert_unknown(reply: &Reply) {
    reply.expect(504, "upstream_outcome_unknown");
    assert_eq!(reply.error().0, "api_error");
}

#[test]
fn where_nobody_listens_nothing_was_sent_and_the_key_is_free() {
    let world = World::new();
    world.upstream.stop();
    assert_unreachable(&world.send(&Call::get(PATH)));
    assert_unreachable(&world.send(&Call::order("a")));
    assert_unreachable(&world.send(&Call::keyed("order_1")));
    assert_eq!(world.claims().len(), 0);
    world.upstream.start();
    let mended = Call::order("mended").with("Idempotency-Key", "order_1");
    let reply = world.send(&mended);
    assert_eq!((reply.status, reply.replayed()), (201, false));
    assert_eq!(world.upstream.charges().len(), 1);
}

/// What becomes of a keyed request to this URL; no claim stays.
#[track_caller]
fn answer_of(url: &str) -> Reply {
    let flags = ["--live-connect-timeout", "2s"];
    let world = World::to(Upstream::new(), url, &flags);
    let reply = world.send(&Call::keyed("order_1"));
    assert_eq!(world.claims().len(), 0);
    reply
}

#[test]
fn a_name_that_stands_for_nothing_is_unreachable() {
    assert_unreachable(&answer_of("https://nowhere.invalid/functions/v1"));
}

#[test]
fn a_port_that_never_says_hello_in_tls_is_unreachable() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    assert_unreachable(&answer_of(&format!("https://{address}/")));
    let (mut stream, _) = silent.accept().expect("a connection");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    // A handshake record, and nothing of the request.
    assert_eq!(bytes.first(), Some(&22), "a client says hello");
    assert!(!bytes.windows(9).any(|window| window == b"/charges "));
}

#[test]
fn a_port_that_answers_tls_with_other_words_is_unreachable() {
    let port = Port::reserve();
    let listener = TcpListener::bind(port.address).expect("our port");
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let said = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        std::io::Write::write_all(&mut stream, said).expect("said");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_unreachable(&answer_of(&format!("https://{}/", port.address)));
    thread.join().expect("no panic");
}

#[test]
fn a_port_that_takes_no_connection_is_unreachable_once_the_time_is_over() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a port");
    socket.listen(0).expect("listening");
    let address = socket.local_addr().expect("an address");
    let address = address.as_socket().expect("IPv4");
    let wait = Duration::from_millis(200);
    let filled: Vec<TcpStream> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok())
            .take(64)
            .collect();
    if filled.len() == 64 {
        eprintln!("skipped: this system's queue has no end");
        return;
    }
    assert_unreachable(&answer_of(&format!("http://{address}/")));
}

/// Answers that are none.
const MALFORMED: &[&str] = &[
    "",
    "HTTP",
    "HTTP/1.1 200 OK\r\nContent-Length: 2",
    "hello\r\n\r\n",
    "\0\x01\x02",
    "HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nBad Name: a\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nX-Any: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
];

#[test]
fn an_answer_that_is_none_leaves_the_outcome_open_until_the_same_is_asked_again() {
    let world = World::new();
    for (number, said) in MALFORMED.iter().enumerate() {
        let key = format!("order_{number}");
        let call = Call::keyed(&key);
        world.upstream.then(cut(said));
        let before = world.upstream.hits().len();
        assert_unknown(&world.send(&call));
        let other = Call::order("other").with("Idempotency-Key", &key);
        world.send(&other).expect(409, "idempotency_key_reused");
        let second = world.send(&call);
        assert_eq!(
            (second.status, second.replayed()),
            (201, false),
            "{said:?}: {second}"
        );
        let hits = world.upstream.wait_for(before + 2);
        assert_eq!(hits[before].header("idempotency-key"), key);
        assert_eq!(hits[before + 1].header("idempotency-key"), key);
        assert_eq!(hits[before].body, hits[before + 1].body);
        let third = world.send(&call);
        assert!(third.replayed() && third.body == second.body, "{third}");
        world.upstream.wait_for(before + 2);
    }
    assert_eq!(world.claims().len(), 0);
    assert_charged_once(&world.upstream.charges());
}

#[test]
fn a_head_without_end_is_given_up() {
    let world = World::new();
    let start = Step::Say(b"HTTP/1.1 200 OK\r\n".to_vec());
    let line = [b"X-Any: ", &[b'a'; 1000][..], b"\r\n"].concat();
    // 64 MB of it, unless the connection ends before.
    world
        .upstream
        .then(vec![start, Step::Repeat(line, 64_000), Step::Close]);
    assert_unknown(&world.send(&Call::keyed("order_1")));
    let names = (0..5000).map(|number| format!("X-{number}: a\r\n"));
    let names: String = names.collect();
    world.upstream.then(cut(&format!(
        "HTTP/1.1 200 OK\r\n{names}Content-Length: 2\r\n\r\n{{}}"
    )));
    assert_unknown(&world.send(&Call::keyed("order_1")));
    world.send(&Call::keyed("order_1")).expect_status(201);
}

#[test]
fn the_charge_behind_a_cut_answer_is_found_again_wherever_the_cut_was() {
    let world = World::new();
    for length in [0, 1, 12, 17, 40, 80, 100, 120] {
        let call = Call::keyed(&format!("order_{length}"));
        world
            .upstream
            .then(vec![Step::WorkCutAt(length), Step::Close]);
        assert_unknown(&world.send(&call));
        let reply = world.send(&call);
        let charges = world.upstream.charges();
        assert_eq!(charge_in(&reply.body), charges.last().expect("made").id);
        assert_eq!(reply.header("x-upstream-idempotent-replayed"), "true");
        assert!(!reply.replayed());
    }
    assert_eq!(world.upstream.charges().len(), 8);
    assert_charged_once(&world.upstream.charges());
}

#[test]
fn without_a_key_a_failure_is_said_and_nothing_is_claimed() {
    let world = World::new();
    for call in [Call::get(PATH), Call::order("a"), Call::new("DELETE", PATH)] {
        let before = world.upstream.hits().len();
        world.upstream.always(cut(""));
        assert_unknown(&world.send(&call));
        assert_eq!(world.claims().len(), 0);
        let more = world.upstream.hits().len() - before;
        assert!((1..=2).contains(&more), "{more} times");
        world.upstream.always(vec![Step::Work]);
        assert!(matches!(world.send(&call).status, 200 | 201));
    }
}

#[test]
fn an_answer_that_does_not_come_in_time_is_unknown_and_found_again() {
    let world = World::with(&["--live-answer-timeout", BOUND]);
    let call = Call::keyed("order_1");
    world.upstream.then(vec![Step::Wait, Step::Work]);
    assert_unknown(&world.send(&call));
    assert_eq!(world.claim()["state"], "unknown");
    world
        .upstream
        .then(vec![Step::WorkCutAt(100), Step::Wait, Step::Close]);
    assert_unknown(&world.send(&call));
    let reply = world.send(&call);
    assert_eq!(charge_in(&reply.expect_status(201).body), "ch_1");
    assert_eq!(world.claims().len(), 0);
    world.upstream.wait_for(3);
}
