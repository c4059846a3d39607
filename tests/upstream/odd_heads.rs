//! Heads of answers that few upstreams send: very long ones, written in the old way, or with codings of their own.

use std::fmt::Write;

use crate::caller::Call;
use crate::process::text;
use crate::script::{Step, cut, head};
use crate::world::World;

const PATH: &str = "/functions/v1/a";

/// Headers that an answer may have, but its length.
const MOST: usize = 249;

fn with_headers(count: usize) -> Vec<Step> {
    let mut said = text(&head(201, &[]));
    for number in 0..count {
        let _ = write!(said, "X-Any-{number}: {number}\r\n");
    }
    said.push_str("Content-Length: 2\r\n\r\n{}");
    vec![Step::Say(said.into_bytes())]
}

#[test]
fn hundreds_of_headers_come_down_like_a_few() {
    let world = World::new();
    for count in [99, 100, 101, MOST] {
        for call in [Call::get(PATH), Call::keyed(&format!("order_{count}"))] {
            world.upstream.then(with_headers(count));
            let reply = world.send(&call);
            assert_eq!((reply.status, &reply.body[..]), (201, &b"{}"[..]));
            let last = count - 1;
            assert_eq!(reply.header(&format!("x-any-{last}")), last.to_string());
        }
    }
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn a_space_before_a_colon_and_a_folded_line_are_mended() {
    let world = World::new();
    let said = "HTTP/1.1 201 Created\r\nX-Spaced : one\r\nX-Folded: one,\r\n two\r\nContent-Length : 2\r\n\r\n{}";
    for call in [Call::get(PATH), Call::keyed("order_1")] {
        world
            .upstream
            .then(vec![Step::Say(said.as_bytes().to_vec())]);
        let reply = world.send(&call);
        assert_eq!((reply.status, &reply.body[..]), (201, &b"{}"[..]));
        assert_eq!(reply.header("x-spaced"), "one");
        let folded: Vec<&str> = reply.header("x-folded").split_ascii_whitespace().collect();
        assert_eq!(folded, ["one,", "two"]);
    }
    assert!(world.send(&Call::keyed("order_1")).replayed());
}

#[test]
fn an_answer_whose_end_is_not_seen_is_not_kept_whatever_its_coding() {
    let world = World::new();
    for (at, coding) in ["identity", "Identity", " identity "].iter().enumerate() {
        let call = Call::keyed(&format!("order_{at}"));
        for length in ["", "Content-Length: 100\r\n"] {
            let said =
                format!("HTTP/1.1 201 X\r\nTransfer-Encoding:{coding}\r\n{length}\r\n{{\"id\":");
            world.upstream.then(cut(&said));
            let reply = world.send(&call);
            if length.is_empty() {
                assert_eq!(
                    (reply.status, text(&reply.body).as_str()),
                    (201, "{\"id\":")
                );
            } else {
                reply.expect(409, "answer_not_kept");
                // It was not asked again.
                world.send(&Call::get(PATH)).expect_status(201);
            }
        }
    }
}

#[test]
fn a_coding_that_nobody_asked_for_is_not_passed_on_as_if_there_were_none() {
    let world = World::new();
    for (at, lines) in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ]
    .iter()
    .enumerate()
    {
        let said = format!("HTTP/1.1 200 X\r\n{lines}\r\n5\r\nhello\r\n0\r\n\r\n");
        for call in [Call::get(PATH), Call::keyed(&format!("order_{at}"))] {
            world.upstream.then(cut(&said));
            let reply = world.send(&call);
            reply.expect(504, "upstream_outcome_unknown");
            // What is a failure of the upstream's must not become five in a row.
            world.send(&Call::get(PATH)).expect_status(200);
        }
        let again = world.send(&Call::keyed(&format!("order_{at}")));
        assert_eq!((again.status, again.replayed()), (201, false), "{again}");
    }
}

#[test]
fn who_speaks_http_1_0_gets_no_chunks() {
    let world = World::new();
    let chunks = (
        "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "0\r\n\r\n",
    );
    let endless = ("HTTP/1.1 200 X\r\n\r\nhello", "");
    for (start, end) in [chunks, endless] {
        for kept in ["", "Connection: keep-alive\r\n"] {
            world.upstream.hold();
            let say = |text: &str| Step::Say(text.as_bytes().to_vec());
            let steps = vec![say(start), Step::Wait, say(end), Step::Close];
            world.upstream.then(steps);
            let mut caller = world.caller();
            let asked = format!(
                "GET {PATH} HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer {}\r\n{kept}\r\n",
                world.secret
            );
            caller.say(asked.as_bytes()).expect("sent");
            let head = caller.head().expect("a head");
            assert_eq!(head.find("transfer-encoding"), None, "{head}");
            assert_eq!(head.find("content-length"), None, "{head}");
            assert_ne!(head.find("connection"), Some("keep-alive"), "{head}");
            world.upstream.release();
            assert_eq!(text(&caller.rest()), "hello");
        }
    }
}
