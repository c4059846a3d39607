//! Answers without an idempotency key stream: part by part as they come, in flat memory, and cut when they are cut.

use crate::caller::{Call, Caller};
use crate::script::{Answer, Step, cut, head};
use crate::upstream::eventually;
use crate::world::{BOUND, World};

const PATH: &str = "/functions/v1/report";
const PART: usize = 64 * 1024;
/// 100 MB and a little.
const PARTS: usize = 1600;
/// By how much the most memory that was ever in use may grow, in KiB.
const GROWTH_MAX: u64 = 32 * 1024;

/// The most memory that the process ever had, in KiB.
fn peak_memory(world: &World) -> u64 {
    let most = world.server().memory("VmHWM");
    most.expect("a running process")
}

/// A part of which no two bytes beside each other are alike.
fn part() -> Vec<u8> {
    (0..=255).cycle().take(PART).collect()
}

fn with_length() -> Answer {
    let mut start = head(200, &[("Content-Type", "text/csv")]);
    start.extend_from_slice(format!("Content-Length: {}\r\n\r\n", PARTS * PART).as_bytes());
    vec![Step::Say(start), Step::Repeat(part(), PARTS)]
}

fn in_chunks() -> Answer {
    let mut start = head(200, &[("Content-Type", "text/csv")]);
    start.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    let chunk = [format!("{PART:x}\r\n").as_bytes(), &part(), b"\r\n"].concat();
    let end = Step::Say(b"0\r\n\r\n".to_vec());
    vec![Step::Say(start), Step::Repeat(chunk, PARTS), end]
}

fn until_the_end() -> Answer {
    let start = [head(200, &[("Content-Type", "text/csv")]), b"\r\n".to_vec()].concat();
    vec![Step::Say(start), Step::Repeat(part(), PARTS), Step::Close]
}

#[test]
fn answers_of_100_mb_pass_through_in_flat_memory() {
    let world = World::new();
    world.send(&Call::get(PATH)).expect_status(200);
    world.send(&Call::order("a")).expect_status(201);
    let before = peak_memory(&world);
    let part = part();
    for answer in [with_length(), in_chunks(), until_the_end()] {
        for call in [Call::get(PATH), Call::order("b")] {
            world.upstream.then(answer.clone());
            let mut caller = world.caller();
            caller.say(&call.bytes(&world.secret)).expect("sent");
            let head = caller.head().expect("a head");
            assert_eq!(
                (head.status, head.header("content-type")),
                (200, "text/csv")
            );
            let mut at = 0;
            let whole = caller.body(&head, &mut |mut bytes| {
                while !bytes.is_empty() {
                    let expected = &part[at % PART..];
                    let length = bytes.len().min(expected.len());
                    assert!(bytes[..length] == expected[..length], "at {at}");
                    (at, bytes) = (at + length, &bytes[length..]);
                }
            });
            assert_eq!((whole, at), (Some(()), PARTS * PART));
        }
    }
    let grown = peak_memory(&world) - before;
    assert!(grown < GROWTH_MAX, "{grown} KiB more than {before} KiB");
}

/// The head and the body so far, read until it is as long as this.
fn read_part(caller: &mut Caller, length: usize) -> String {
    let head = caller.head().expect("a head");
    assert_eq!(head.header("transfer-encoding"), "chunked");
    let mut body = String::new();
    while body.len() < length {
        body += &caller.chunk().expect("a chunk");
    }
    body
}

#[test]
fn a_part_comes_down_before_the_next_one_is_there() {
    let world = World::new();
    for call in [Call::get(PATH), Call::order("a")] {
        let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
        world.upstream.hold();
        world.upstream.then(vec![
            Step::Say(start.as_bytes().to_vec()),
            Step::Wait,
            Step::Say(b"3\r\ntwo\r\n0\r\n\r\n".to_vec()),
        ]);
        let mut caller = world.caller();
        caller.say(&call.bytes(&world.secret)).expect("sent");
        assert_eq!(read_part(&mut caller, 3), "one");
        world.upstream.release();
        let mut rest = String::new();
        while let Some(chunk) = caller.chunk().filter(|chunk| !chunk.is_empty()) {
            rest += &chunk;
        }
        assert_eq!(rest, "two");
    }
}

#[test]
fn an_answer_that_is_cut_is_not_made_whole() {
    let world = World::new();
    for start in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nsome",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsomething\r\n0\r\n\r\n",
    ] {
        for call in [Call::get(PATH), Call::order("a")] {
            world.upstream.then(cut(start));
            match world.try_bytes(&call.bytes(&world.secret)) {
                // What was cut before anything had been passed on can be said properly.
                Some(reply) => drop(reply.expect(504, "upstream_outcome_unknown")),
                None => eprintln!("cut as it came"),
            }
            world.send(&Call::get(PATH)).expect_status(200);
        }
    }
}

#[test]
fn an_answer_that_stands_still_is_given_up() {
    let world = World::with(&["--live-answer-timeout", BOUND]);
    for start in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
    ] {
        world
            .upstream
            .then(vec![Step::Say(start.as_bytes().to_vec()), Step::Wait]);
        if let Some(reply) = world.try_bytes(&Call::get(PATH).bytes(&world.secret)) {
            reply.expect(504, "upstream_outcome_unknown");
        }
    }
    for start in ["", "HTTP/1.1 200 OK\r\nX-Any: "] {
        world
            .upstream
            .then(vec![Step::Say(start.as_bytes().to_vec()), Step::Wait]);
        world
            .send(&Call::get(PATH))
            .expect(504, "upstream_outcome_unknown");
    }
    world.send(&Call::get(PATH)).expect_status(200);
}

#[test]
fn a_client_that_leaves_in_the_midst_of_a_stream_frees_its_place() {
    let world = World::with(&["--live-connections", "1"]);
    for _ in 0..3 {
        world.upstream.then(with_length());
        eventually("it streams", || {
            let mut caller = world.caller();
            let sent = caller.say(&Call::get(PATH).bytes(&world.secret));
            sent.expect("sent");
            // The end of this closure is where the client leaves.
            caller.head().expect("a head").status == 200
        });
        eventually("the place is free", || {
            world.send(&Call::get(PATH)).status == 200
        });
    }
}

#[test]
fn what_follows_an_answer_is_no_answer_to_the_next_request() {
    let world = World::new();
    let mut caller = world.caller();
    let mut ask = |call: &Call| caller.send(call, &world.secret).expect("an answer");
    for _ in 0..20 {
        let said = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 201 Evil\r\nContent-Length: 4\r\n\r\nevil";
        world
            .upstream
            .then(vec![Step::Say(said.as_bytes().to_vec())]);
        assert_eq!(ask(&Call::get(PATH)).body, b"{}");
        assert_eq!(ask(&Call::get(PATH)).json()["method"], "GET");
        ask(&Call::order("a")).expect_status(201);
    }
}
