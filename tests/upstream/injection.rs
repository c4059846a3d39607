//! Nothing that a client writes becomes a line of its own in the request that goes up.

use std::net::IpAddr;

use crate::caller::Call;
use crate::exchange::Hit;
use crate::headers_up::forwarded;
use crate::process::text;
use crate::world::{AUTHORIZATION, World};

/// What would be a header of the client's making, were the line to end before it.
const EVIL: &str = "Forwarded:for=evil";

/// Ways to end a line, or nearly.
const ENDS: &[&str] = &[
    "\n",
    "\r",
    "\r\n ",
    "\r\n\t",
    "\n ",
    "\0",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{2028}",
    "\u{10a}",
    "%0d%0a",
    "%0D%0A%20",
    "%00",
    "%E5%98%8A%E5%98%8D",
    "\\r\\n",
];

/// The request with something evil in one place; `{}` stands for it.
fn requests(secret: &str) -> Vec<String> {
    let authorization = format!("Authorization: Bearer {secret}");
    let with = |line: &str, headers: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: a.example\r\n{authorization}\r\n{headers}Content-Length: 2\r\n\r\n{{}}"
        )
    };
    let post = "POST /functions/v1/a";
    vec![
        with("POST /functions/v1/a{}", ""),
        with("POST /functions/v1/{}/a", ""),
        with("POST /functions/v1/a?b={}", ""),
        with("POST{} /functions/v1/a", ""),
        with(post, "X-Any: a{}\r\n"),
        with(post, "X-Any{}: a\r\n"),
        with(post, "User-Agent: a{}\r\n"),
        with(post, "Content-Type: text/plain{}\r\n"),
        with(post, "X-Request-Id: a{}\r\n"),
        with(post, "Idempotency-Key: a{}\r\n"),
        with(post, "X-Idempotency-Key: a{}\r\n"),
        with(post, "Connection: keep-alive{}\r\n"),
        with(post, "X-Forwarded-For: 1.2.3.4{}\r\n"),
        with(post, "X-Forwarded-Proto: https{}\r\n"),
        format!(
            "{post} HTTP/1.1\r\nHost: a.example{{}}\r\n{authorization}\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
    ]
}

/// Whoever asked, these say what we say, once.
#[track_caller]
fn assert_ours(hit: &Hit) {
    assert_eq!(hit.header("authorization"), AUTHORIZATION);
    let from = forwarded(hit.header("forwarded"));
    let names: Vec<&str> = from.iter().map(|(name, _)| name.as_str()).collect();
    let whole = text(&hit.bytes);
    assert!(
        matches!(names[..], ["for", "proto"] | ["for", "proto", "host"]),
        "{whole}"
    );
    let client = from[0].1.trim_matches(['[', ']']);
    assert!(client.parse::<IpAddr>().is_ok(), "{whole}");
    assert_eq!(hit.header("x-forwarded-for"), client);
    assert!(matches!(from[1].1.as_str(), "http" | "https"), "{whole}");
    assert_eq!(hit.header("x-forwarded-proto"), from[1].1);
    for name in ["host", "x-request-id", "idempotency-key"] {
        hit.header(name);
    }
    for name in ["x-forwarded-host", "content-length", "x-idempotency-key"] {
        hit.find(name);
    }
    assert!(hit.target.starts_with("/base/v1/"), "{}", hit.target);
}

#[test]
fn no_end_of_line_in_any_value_makes_a_header() {
    let world = World::with(&["--trusted-proxy", "127.0.0.1"]);
    for request in requests(&world.secret) {
        for end in ENDS {
            let (before, after) = request.rsplit_once("{}").expect("a body");
            let bytes = before.replacen("{}", &format!("{end}{EVIL}"), 1) + "{}" + after;
            let _ = world.try_bytes(bytes.as_bytes());
        }
    }
    world.send(&Call::order("last")).expect_status(201);
    let hits = world.upstream.hits();
    for hit in &hits {
        assert_ours(hit);
    }
    assert_eq!(hits.last().expect("the last").json()["order"], "last");
    assert!(
        hits.len() > 20,
        "what is only encoded is no reason to refuse: {}",
        hits.len()
    );
}

#[test]
fn a_host_can_say_nothing_in_the_place_of_others() {
    let world = World::new();
    for host in [
        "a.example;for=evil",
        "a.example\";proto=https;host=\"evil",
        "a.example, for=evil",
        "a.example\\\"",
        "\"",
        "a b",
        "[::1]:80",
        "a.example:80",
        "xn--bcher-kva.example",
        "b\u{fc}cher.example",
        "",
    ] {
        let call = Call::new("POST", "/functions/v1/a")
            .with("Host", host)
            .json("{}");
        let _ = world.try_bytes(&call.bytes(&world.secret));
    }
    world.send(&Call::order("last")).expect_status(201);
    for hit in world.upstream.hits() {
        assert_ours(&hit);
    }
}

#[test]
fn two_headers_where_one_may_stand_are_refused_or_one_goes_up() {
    let world = World::new();
    for (first, second) in [
        ("Idempotency-Key: a", "Idempotency-Key: b"),
        ("X-Request-Id: a", "X-Request-Id: b"),
        ("Host: a.example", "Host: b.example"),
        ("X-Any: a", "Authorization: Bearer evil"),
    ] {
        let bytes = text(
            &Call::new("POST", "/functions/v1/a")
                .raw(b"{}")
                .bytes(&world.secret),
        );
        let (head, body) = bytes.split_once("\r\n\r\n").expect("a head");
        let twice = format!("{head}\r\n{first}\r\n{second}\r\n\r\n{body}");
        let _ = world.try_bytes(twice.as_bytes());
    }
    world.send(&Call::order("last")).expect_status(201);
    for hit in world.upstream.hits() {
        assert_ours(&hit);
    }
}
