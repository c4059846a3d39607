//! Who asks for another protocol, or for a tunnel, gets an ordinary answer in this one, and the connection ends with it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use atlas::policy::LINGER;

use crate::world::{CREATE, Key, ORDER, PATIENCE, World, eventually};

/// What Java's client and `curl --http2` say before they know better, and what a page does that opens a WebSocket.
const ASKED: [&str; 4] = [
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.2, websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "Upgrade: websocket\r\n",
];

fn post(key: &Key, lines: &str) -> String {
    let secret = &key.secret;
    format!(
        "POST {CREATE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n{lines}"
    )
}

/// An order with its length.
fn order(key: &Key, lines: &str) -> String {
    let length = ORDER.len();
    let head = post(key, lines);
    format!("{head}Content-Length: {length}\r\n\r\n{ORDER}")
}

fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Sends this, and reads one answer to its end.
fn ask(stream: &mut TcpStream, said: &str) -> String {
    stream.write_all(said.as_bytes()).expect("written");
    let mut answer = String::new();
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).expect("a length");
            let length = length.lines().next().expect("a line");
            let length: usize = length.parse().expect("a number");
            if body.len() >= length {
                return answer;
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).expect("an answer in time");
        assert!(read > 0, "it ends early: {answer}");
        answer.push_str(std::str::from_utf8(&buffer[..read]).expect("UTF-8"));
    }
}

/// What else comes to who says no more.
fn rest(mut stream: TcpStream) -> String {
    drop(stream.shutdown(Shutdown::Write));
    let mut rest = String::new();
    drop(stream.read_to_string(&mut rest));
    rest
}

fn check(answer: &str, status: u16) {
    let head = answer.split("\r\n\r\n").next().expect("a head");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains("connection: close"), "{answer}");
    assert!(!head.to_lowercase().contains("upgrade"), "{answer}");
}

#[test]
fn the_body_is_read_by_its_length() {
    let world = World::new();
    let key = world.key();
    for lines in ASKED {
        let said = order(&key, lines);
        let mut stream = connect(&world);
        let answer = ask(&mut stream, &said);
        if lines.starts_with("Connection") {
            check(&answer, 201);
        }
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");

        let before = world.report(&key).used_today;
        let mut stream = connect(&world);
        let (begin, end) = said.split_at(said.len() - 10);
        stream.write_all(begin.as_bytes()).expect("written");
        eventually("it is admitted", || world.report(&key).used_today > before);
        let answer = ask(&mut stream, end);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

#[test]
fn so_it_is_by_its_chunks_and_without_either_there_is_none() {
    let world = World::new();
    let key = world.key();
    for lines in ASKED {
        let head = post(&key, lines);
        let length = ORDER.len();
        let chunks =
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{ORDER}\r\n0\r\n\r\n");
        let answer = ask(&mut connect(&world), &chunks);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let answer = ask(&mut connect(&world), &format!("{head}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

#[test]
fn what_is_only_read_is_read_as_ever() {
    let world = World::new();
    let key = world.key();
    for lines in &ASKED[..3] {
        let health = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        check(&ask(&mut connect(&world), &health), 200);
        let secret = &key.secret;
        let probe = format!(
            "GET /functions/v1/sessions/sess_none HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n{lines}\r\n"
        );
        check(&ask(&mut connect(&world), &probe), 404);
    }
}

#[test]
fn nothing_is_done_that_comes_after_a_last_request() {
    let world = World::new();
    let key = world.key();
    for lines in [&ASKED[..], &["Connection: close\r\n"]].concat() {
        for has_key in [true, false] {
            let first = if has_key {
                order(&key, lines)
            } else {
                format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
            };
            let before = world.report(&key).used_today;
            let mut stream = connect(&world);
            let answer = ask(&mut stream, &format!("{first}{}", order(&key, "")));
            drop(stream.write_all(order(&key, "").as_bytes()));
            let said = answer + &rest(stream);
            let used = world.report(&key).used_today - before;
            assert_eq!(used, if has_key { 1 } else { 0 }, "{lines}: {said}");
            let created = said.matches("HTTP/1.1 201").count();
            assert_eq!(created, usize::from(has_key), "{lines}: {said}");
            assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{lines}: {said}");
        }
    }
}

#[test]
fn who_asks_for_a_tunnel_is_answered_and_closed_at_once() {
    let world = World::new();
    let secret = world.key().secret;
    for target in ["x:80", "/x", CREATE, "/healthz"] {
        for key in ["", &format!("Authorization: Bearer {secret}\r\n")] {
            let is_closed_at_once = || {
                let mut stream = connect(&world);
                let most = Some(LINGER - Duration::from_secs(1));
                stream.set_read_timeout(most).expect("a time-out");
                let said = format!("CONNECT {target} HTTP/1.1\r\nHost: x:80\r\n{key}\r\n");
                stream.write_all(said.as_bytes()).expect("written");
                let mut answer = String::new();
                let end = stream.read_to_string(&mut answer);
                if end.is_ok() {
                    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
                    assert!(answer.contains("connection: close"), "{answer}");
                }
                end.is_ok()
            };
            // A machine that stands still for that long makes it miss its time.
            let in_time = (0..5).any(|_| is_closed_at_once());
            assert!(in_time, "{target}, {key}: it lingers");
        }
    }
}
