//! HTTP/2: what a client may do with a connection is bounded, and what it says counts as over HTTP/1.1.

pub mod wire;

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use atlas::config::{Patience, UpstreamSettings};
use atlas::domain::key::{Mode, OwnLimits};

use self::wire::*;
use crate::webhooks::receiver::{Answer, Receiver};
use crate::world::{CREATE, Key, LONG, ORDER, PATIENCE, World, eventually, new_key};

const SHORT: Duration = Duration::from_millis(300);

fn world(configure: fn(&mut Patience)) -> World {
    World::with(move |settings| {
        over_tls(settings);
        settings.patience = Patience {
            handshake: LONG,
            head: LONG,
            idle: LONG,
            send: LONG,
        };
        configure(&mut settings.patience);
    })
}

fn limits(concurrent: u32) -> OwnLimits {
    OwnLimits {
        concurrent: Some(concurrent),
        per_minute: Some(1_000_000),
        per_day: Some(1_000_000),
    }
}

const HEALTH: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/healthz"),
];

/// The headers of a request of this key.
fn of<'a>(bearer: &'a str, method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("authorization", bearer),
        ("content-type", "application/json"),
    ]
}

fn bearer(key: &Key) -> String {
    format!("Bearer {}", key.secret)
}

/// Whether a request of this key finds a place, on a connection of its own.
fn has_place(world: &World, key: &Key) -> bool {
    let mut client = Client::to(world.address, &[]);
    client.ask(
        1,
        END_STREAM,
        &of(&bearer(key), "GET", "/functions/v1/sessions/sess_none"),
    );
    let status = client.status_of(1).expect("an answer");
    assert!(matches!(status, 404 | 429 | 503), "{status}");
    status != 429
}

#[test]
fn the_server_says_what_it_bounds() {
    let world = world(|_| ());
    let mut client = Client::to(world.address, &[]);
    let said = client.next().expect("settings");
    assert_eq!((said.kind, said.stream), (SETTINGS, 0));
    let setting = |name: u16| {
        let mut all = said.payload.chunks(6);
        let found = all
            .find(|setting| setting[..2] == name.to_be_bytes())
            .expect("it is set");
        u32::from_be_bytes(found[2..].try_into().expect("four bytes"))
    };
    assert_eq!(setting(MAX_CONCURRENT_STREAMS), 100);
    assert_eq!(setting(INITIAL_WINDOW_SIZE), 64 * 1024);
    assert_eq!(setting(MAX_HEADER_LIST_SIZE), 32 * 1024);
}

#[test]
fn more_streams_than_that_are_refused_and_the_others_go_on() {
    let world = world(|_| ());
    let key = world.create(atlas::app::keys::NewKey {
        limits: limits(1_000),
        ..new_key("default", Mode::Test)
    });
    let bearer = bearer(&key);
    let mut client = Client::to(world.address, &[]);
    // hyper has said its settings before it holds anybody to them.
    client.ask(1, END_STREAM, &HEALTH);
    assert_eq!(client.status_of(1), Ok(200));
    client.say(SETTINGS, ACK, 0, &[]);
    let stream = |n: u32| 3 + 2 * n;
    for n in 0..101 {
        client.ask(stream(n), 0, &of(&bearer, "POST", CREATE));
    }
    const REFUSED_STREAM: u32 = 7;
    assert_eq!(client.status_of(stream(100)), Err(Some(REFUSED_STREAM)));
    client.say(DATA, END_STREAM, stream(0), ORDER.as_bytes());
    assert_eq!(client.status_of(stream(0)), Ok(201));
}

/// A client with an answer of which it takes what this window lets through, and that asks for something else again and
/// again, so that its connection is never idle.
fn who_takes_no_more_than(window: u32) {
    let world = world(|patience| patience.send = SHORT);
    let key = world.key_with(limits(1));
    let mut client = Client::to(world.address, &[(INITIAL_WINDOW_SIZE, window)]);
    let bearer = bearer(&key);
    client.ask(
        1,
        END_STREAM,
        &of(&bearer, "GET", "/functions/v1/sessions/sess_none"),
    );
    assert_eq!(client.status_of(1), Ok(404));
    let mut question = HEALTH;
    question[0] = (":method", "HEAD");
    let (mut taken, mut is_told, mut next) = (0, false, 3);
    client.ask(next, END_STREAM, &question);
    while let Some(frame) = client.next() {
        is_told |= frame.kind == GOAWAY;
        match frame.kind {
            DATA => taken += frame.payload.len(),
            HEADERS => {
                assert!(next < 200_000, "it is never ended");
                next += 2;
                client.ask(next, END_STREAM, &question);
            }
            _ => (),
        }
    }
    assert_eq!(taken, usize::try_from(window).expect("a size"));
    assert!(is_told, "and it is told");
    eventually("its place is free", || has_place(&world, &key));
}

#[test]
fn who_takes_nothing_of_an_answer_loses_the_connection_whatever_else_it_asks() {
    who_takes_no_more_than(0);
}

#[test]
fn so_does_who_takes_its_beginning() {
    who_takes_no_more_than(1);
    who_takes_no_more_than(100);
}

#[test]
fn an_answer_that_is_not_taken_holds_its_place_until_it_is() {
    let world = world(|_| ());
    let key = world.key_with(limits(1));
    let mut client = Client::to(world.address, &[(INITIAL_WINDOW_SIZE, 0)]);
    let bearer = bearer(&key);
    client.ask(
        1,
        END_STREAM,
        &of(&bearer, "GET", "/functions/v1/sessions/sess_none"),
    );
    assert_eq!(client.status_of(1), Ok(404));
    assert!(!has_place(&world, &key));
    client.say(WINDOW_UPDATE, 0, 1, &65_535_u32.to_be_bytes());
    let answer = client.next_of(1).expect("an answer");
    assert_eq!(answer.kind, DATA);
    assert!(has_place(&world, &key));
}

#[test]
fn who_takes_nothing_of_an_answer_that_streams_loses_it() {
    let upstream = Receiver::new();
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    upstream.answer(Answer::Bytes(
        format!("{head}{}", "x".repeat(100_000)).into_bytes(),
    ));
    let url = format!("http://{}/functions/v1", upstream.address);
    let world = World::with(move |settings| {
        over_tls(settings);
        settings.patience.send = SHORT;
        settings.live = Some(UpstreamSettings::at(url.parse().expect("a URL")));
    });
    let key = world.create(atlas::app::keys::NewKey {
        limits: limits(1),
        ..new_key("default", Mode::Live)
    });
    let bearer = bearer(&key);
    let head = of(&bearer, "GET", "/functions/v1/much");
    let mut client = Client::to(world.address, &[(INITIAL_WINDOW_SIZE, 0)]);
    client.ask(1, END_STREAM, &head);
    assert_eq!(client.status_of(1), Ok(200));
    // Its connection is ended though it asks for more; otherwise it would keep its place.
    while client.next().is_some() {}
    let mut other = Client::to(world.address, &[]);
    let mut next = 1;
    eventually("its place is free", || {
        other.ask(next, END_STREAM, &head);
        next += 2;
        other.status_of(next - 2) == Ok(200)
    });
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_ended_whatever_else_is_said() {
    let world = world(|patience| patience.idle = SHORT);
    eventually("one comes in time, and is ended", || {
        let mut client = Client::to(world.address, &[]);
        let mut pings = 0;
        while client.say(PING, 0, 0, &[0; 8]) && pings < 1_000_000 {
            // Each is answered, so this is no faster than the server.
            let mut next = client.next();
            while next.as_ref().is_some_and(|frame| frame.kind != PING) {
                next = client.next();
            }
            if next.is_none() {
                break;
            }
            pings += 1;
        }
        assert!(pings < 1_000_000, "it is never ended");
        pings > 0
    });
    let mut silent = TcpStream::connect(world.address).expect("a connection");
    silent.set_nonblocking(true).expect("set");
    let early = silent.read(&mut [0]).map_err(|e| e.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn who_does_not_agree_on_tls_in_time_is_closed() {
    let world = world(|patience| patience.handshake = 10 * SHORT);
    let mut silent = TcpStream::connect(world.address).expect("a connection");
    silent.set_read_timeout(Some(PATIENCE)).expect("set");
    assert_eq!(silent.read(&mut [0]).expect("closed"), 0);
    assert!(has_place(&world, &world.key()));
}

#[test]
fn who_resets_streams_as_fast_as_they_are_opened_loses_the_connection() {
    let world = world(|_| ());
    let mut client = Client::to(world.address, &[]);
    let head = block(&HEALTH);
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    for round in 0..200 {
        let streams = (0..100).map(|n| 1 + 2 * (100 * round + n));
        let frames: Vec<_> = streams
            .flat_map(|stream| {
                let flags = END_HEADERS | END_STREAM;
                [
                    frame(HEADERS, flags, stream, &head),
                    frame(RST_STREAM, 0, stream, &CANCEL),
                ]
            })
            .collect();
        if !client.say_all(&frames) {
            break;
        }
    }
    while client.next().is_some() {}
    assert!(has_place(&world, &world.key()));
}

#[test]
fn headers_that_are_too_large_are_refused_and_the_connection_goes_on() {
    let world = world(|_| ());
    let mut client = Client::to(world.address, &[]);
    let large = "x".repeat(10_000);
    let mut head = HEALTH.to_vec();
    head.extend([
        ("x-a", large.as_str()),
        ("x-b", &large),
        ("x-c", &large),
        ("x-d", &large),
    ]);
    let coded = block(&head);
    client.say(HEADERS, END_STREAM, 1, &coded[..16_000]);
    const CONTINUATION: u8 = 9;
    client.say(CONTINUATION, 0, 1, &coded[16_000..32_000]);
    client.say(CONTINUATION, END_HEADERS, 1, &coded[32_000..]);
    assert_eq!(client.status_of(1), Ok(431));
    client.ask(3, END_STREAM, &HEALTH);
    assert_eq!(client.status_of(3), Ok(200));
}

#[test]
fn what_could_be_read_in_two_ways_is_not_read_at_all() {
    let world = world(|_| ());
    let key = world.key();
    let bearer = bearer(&key);
    let with = |more: &[(&'static str, &'static str)]| {
        [of(&bearer, "POST", CREATE), more.to_vec()].concat()
    };
    let send = |head: &[(&str, &str)], body: &[u8]| {
        let mut client = Client::to(world.address, &[]);
        client.ask(1, 0, head);
        client.say(DATA, END_STREAM, 1, body);
        client.status_of(1)
    };
    let order = br#"{"amount":1,"currency":"USD","external_id":"smuggled"}"#;
    for (head, body) in [
        (with(&[("content-length", "3")]), order),
        (with(&[("content-length", "300")]), order),
        (
            with(&[("content-length", "54"), ("content-length", "55")]),
            order,
        ),
        (with(&[("transfer-encoding", "chunked")]), order),
        (with(&[("connection", "close")]), order),
        (with(&[("X-Upper", "a")]), order),
        (with(&[("x-line", "a\r\nx-other: b")]), order),
        (with(&[("x line", "a")]), order),
        (with(&[(":path", CREATE)]), order),
        (with(&[(":unknown", "a")]), order),
        (
            of(
                &bearer,
                "POST",
                "/functions/v1/create-session HTTP/1.1\r\nX: y",
            ),
            order,
        ),
        (of(&bearer, "PO ST", CREATE), order),
    ] {
        let status = send(&head, body);
        assert!(!matches!(status, Ok(200..400)), "{head:?}: {status:?}");
    }
    assert!(!world.keeps(b"smuggled"));
    assert_eq!(send(&with(&[]), order), Ok(201));
    assert!(world.keeps(b"smuggled"));
    assert!(has_place(&world, &key));
}

#[test]
fn the_host_is_the_authority_whatever_else_is_said() {
    let world = world(|_| ());
    let get = |authority: Option<&'static str>, host: Option<&'static str>| {
        let mut head = vec![
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/dashboard/login"),
        ];
        head.extend(authority.map(|name| (":authority", name)));
        head.extend(host.map(|name| ("host", name)));
        let mut client = Client::to(world.address, &[]);
        client.ask(1, END_STREAM, &head);
        client.status_of(1)
    };
    assert_eq!(get(Some("localhost"), None), Ok(200));
    assert_eq!(get(None, Some("localhost")), Ok(200));
    for (authority, host) in [
        (Some("evil.example"), None),
        (Some("evil.example"), Some("localhost")),
        (None, Some("evil.example")),
        (None, None),
    ] {
        assert_eq!(get(authority, host), Ok(421), "{authority:?} {host:?}");
    }
    assert_eq!(get(Some("localhost"), Some("evil.example")), Ok(200));
}

#[test]
fn who_goes_on_asking_a_server_that_stops_is_sent_away() {
    let mut world = World::with(|settings| {
        over_tls(settings);
        settings.shutdown_timeout = Duration::from_secs(60);
    });
    let key = world.key_with(limits(10));
    let mut client = Client::to(world.address, &[]);
    client.ask(1, END_STREAM, &HEALTH);
    assert_eq!(client.status_of(1), Ok(200));
    client.say(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    world.begin_to_stop();
    while client.next().expect("it is told").kind != GOAWAY {}
    // It does not answer the ping that comes with that.
    let bearer = bearer(&key);
    let head = of(&bearer, "GET", "/functions/v1/sessions/sess_none");
    let (mut served, mut stream) = (0, 3);
    let status = loop {
        client.ask(stream, END_STREAM, &head);
        match client.status_of(stream) {
            Ok(404) => served += 1,
            other => break other,
        }
        assert!(served < 100_000, "it serves on");
        stream += 2;
    };
    assert_eq!(status, Ok(503));
    assert_eq!(world.report(&key).used_today, served);
}
