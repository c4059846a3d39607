//! Requests that two servers could read as different ones: the upstream sees one well-formed request, or none.

use crate::caller::Call;
use crate::process::text;
use crate::upstream::PREFIX;
use crate::world::World;

/// Sends a head without its end, then the rest, and on the same connection one request more. Everything has been
/// answered once this returns. Fails if the upstream saw more than the first and that one.
#[track_caller]
fn attempt(world: &World, start: &str, headers: &str, body: &str) {
    let secret = &world.secret;
    let before = world.upstream.hits().len();
    let bytes = format!(
        "{start}\r\nHost: atlas.example\r\nAuthorization: Bearer {secret}\r\n{headers}\r\n{body}"
    );
    let mut caller = world.caller();
    caller.say(bytes.as_bytes()).expect("sent");
    let first = caller.head();
    let last = Call::get("/functions/v1/last").with("Connection", "close");
    // Whoever refused the first may have closed already.
    let _ = caller.say(&last.bytes(secret));
    let more = caller.rest();
    let seen: Vec<String> = world.upstream.hits()[before..]
        .iter()
        .map(|hit| format!("{} {}", hit.method, hit.target))
        .collect();
    let first_seen = seen.iter().filter(|line| line.contains("/first")).count();
    let last_seen = seen.iter().filter(|line| line.contains("/last")).count();
    assert!(
        seen.len() == first_seen + last_seen && first_seen <= 1 && last_seen <= 1,
        "{bytes:?} became {seen:?}; answered {first:?} {}",
        text(&more)
    );
}

const POST: &str = "POST /functions/v1/first HTTP/1.1";

/// A request with a good key that must not become one.
fn hidden(world: &World) -> String {
    text(&Call::get("/functions/v1/hidden").bytes(&world.secret))
}

#[test]
fn lengths_that_contradict_each_other_hide_no_request() {
    let world = World::new();
    let hidden = hidden(&world);
    let length = hidden.len();
    let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (headers, body) in [
        (
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            &hidden,
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            &hidden,
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            &hidden,
        ),
        (format!("Content-Length: {length}, {length}\r\n"), &hidden),
        (format!("Content-Length: 0, {length}\r\n"), &hidden),
        (format!("Content-Length: +{length}\r\n"), &hidden),
        (format!("Content-Length: -{length}\r\n"), &hidden),
        (format!("Content-Length: 0x{length:x}\r\n"), &hidden),
        (format!("Content-Length : {length}\r\n"), &hidden),
        (format!("Content-Length:\r\n {length}\r\n"), &hidden),
        (format!("Content-Length: {length} 0\r\n"), &hidden),
        (
            "Content-Length: 18446744073709551616\r\n".to_owned(),
            &hidden,
        ),
        (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            &chunked,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".to_owned(),
            &chunked,
        ),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            &chunked,
        ),
    ] {
        attempt(&world, POST, &headers, body);
    }
}

#[test]
fn transfer_encodings_that_not_everybody_reads_alike_hide_no_request() {
    let world = World::new();
    let hidden = hidden(&world);
    let length = hidden.len();
    let body = format!("0\r\n\r\n{hidden}");
    for encoding in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunk\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding:\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X-Any: a\nTransfer-Encoding: chunked\r\n",
        "X-Any: a\rTransfer-Encoding: chunked\r\n",
    ] {
        let length = length + 5;
        attempt(
            &world,
            POST,
            &format!("{encoding}Content-Length: {length}\r\n"),
            &body,
        );
        attempt(
            &world,
            POST,
            &format!("Content-Length: {length}\r\n{encoding}"),
            &body,
        );
    }
    for start in [
        "POST /functions/v1/first HTTP/1.0",
        "GET /functions/v1/first HTTP/1.0",
    ] {
        let chunked = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
        attempt(&world, start, "Transfer-Encoding: chunked\r\n", &chunked);
    }
}

#[test]
fn bad_chunks_hide_no_request() {
    let world = World::new();
    let hidden = hidden(&world);
    for body in [
        format!("zz\r\n{hidden}\r\n0\r\n\r\n"),
        format!("ffffffffffffffffff\r\n{hidden}"),
        format!("10000000000000000\r\n{hidden}"),
        format!("+0\r\n\r\n{hidden}"),
        format!("-1\r\n\r\n{hidden}"),
        format!("0x0\r\n\r\n{hidden}"),
        format!(" 0\r\n\r\n{hidden}"),
        format!("\r\n{hidden}"),
        format!("1\r\nab\r\n0\r\n\r\n{hidden}"),
        format!("1\r\na0\r\n\r\n{hidden}"),
        format!("1\na\n0\n\n{hidden}"),
        format!("1;a\nb\r\na\r\n0\r\n\r\n{hidden}"),
        format!("0\r\nX: {hidden}"),
        format!("0\n\r\n{hidden}"),
    ] {
        attempt(&world, POST, "Transfer-Encoding: chunked\r\n", &body);
    }
}

#[test]
fn what_looks_like_a_request_within_a_body_goes_up_as_a_body() {
    let world = World::new();
    let hidden = hidden(&world);
    let length = format!("Content-Length: {}\r\n", hidden.len());
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        let before = world.upstream.hits().len();
        let start = format!("{method} /functions/v1/first HTTP/1.1");
        attempt(&world, &start, &length, &hidden);
        let hits = world.upstream.hits();
        assert_eq!(hits[before].target, format!("{PREFIX}/first"));
        assert_eq!(text(&hits[before].body), hidden, "{method}");
    }
}

#[test]
fn pipelined_requests_go_up_one_by_one_and_are_answered_in_order() {
    let world = World::new();
    let calls = ["a", "b", "c"].map(|name| Call::keyed(name).bytes(&world.secret));
    let mut caller = world.caller();
    caller.say(&calls.concat()).expect("sent");
    for name in ["a", "b", "c"] {
        let reply = caller.reply(false).expect("an answer");
        let charge = crate::script::charge_in(&reply.expect_status(201).body);
        let charges = world.upstream.charges();
        let order = charges
            .iter()
            .find(|made| made.id == charge)
            .map(|made| made.order.as_str());
        assert_eq!(order, Some(name));
    }
    world.upstream.wait_for(3);
}
