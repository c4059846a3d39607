//! Which answers are kept under a key, with which of their headers, and which leave the key free.

use crate::caller::Call;
use crate::script::{Step, answer, cut, head, order};
use crate::world::World;

/// Largest body that is kept, in bytes.
const KEPT_MAX: usize = 64 * 1024;

#[test]
fn what_was_done_or_refused_for_good_is_kept() {
    let world = World::new();
    for status in [
        200, 201, 202, 203, 204, 400, 402, 404, 405, 410, 412, 413, 415, 418, 422, 451, 499,
    ] {
        let call = Call::keyed(&format!("status_{status}"));
        let mut bytes = head(status, &[("X-Any", "a")]);
        let body = if status == 204 { "" } else { "{\"said\": 1}" };
        if status != 204 {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(format!("\r\n{body}").as_bytes());
        world.upstream.then(vec![Step::Say(bytes)]);
        let before = world.upstream.hits().len();
        let first = world.send(&call);
        let again = world.send(&call);
        assert_eq!((first.status, first.replayed()), (status, false));
        assert_eq!((again.status, again.replayed()), (status, true));
        assert_eq!((again.header("x-any"), &again.body), ("a", &first.body));
        assert_eq!(again.body, body.as_bytes());
        world.upstream.wait_for(before + 1);
        let other = Call::order("other").with("Idempotency-Key", &format!("status_{status}"));
        world.send(&other).expect(409, "idempotency_key_reused");
    }
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn what_may_end_otherwise_next_time_is_not_kept_and_the_key_is_free() {
    let world = World::new();
    for status in [
        300, 301, 302, 303, 304, 307, 308, 401, 403, 408, 409, 421, 425, 429, 500, 501, 502, 503,
        504, 599,
    ] {
        let key = format!("status_{status}");
        let body: &[u8] = if status == 304 { b"" } else { b"no" };
        world.upstream.then(answer(status, &[("X-Any", "a")], body));
        let before = world.upstream.hits().len();
        let first = world.send(&Call::keyed(&key));
        assert_eq!((first.status, first.header("x-any")), (status, "a"));
        assert_eq!(first.body, body);
        assert_eq!(world.claims().len(), 0, "{status}");
        // The mistake may be mended under the same key.
        let mended = Call::order(&format!("mended_{status}")).with("Idempotency-Key", &key);
        let second = world.send(&mended);
        assert_eq!((second.status, second.replayed()), (201, false), "{second}");
        let hits = world.upstream.wait_for(before + 2);
        assert_eq!(hits[before + 1].header("idempotency-key"), key);
        assert!(world.send(&mended).replayed());
    }
}

#[test]
fn a_replay_has_the_headers_that_are_still_true() {
    let world = World::new();
    let headers = [
        ("Content-Type", "application/vnd.a+json"),
        ("Location", "/functions/v1/charges/1"),
        ("ETag", "\"a\""),
        ("X-Any", "one"),
        ("X-Any", "two"),
        ("Set-Cookie", "a=1"),
        ("WWW-Authenticate", "Basic"),
        ("Retry-After", "7"),
        ("X-RateLimit-Limit", "11"),
        ("RateLimit", "\"theirs\";r=1"),
        ("X-Request-Id", "theirs"),
        ("Idempotent-Replayed", "true"),
    ];
    world.upstream.then(answer(422, &headers, b"{}"));
    let first = world.send(&Call::keyed("a"));
    assert_eq!(first.header("set-cookie"), "a=1");
    assert_eq!(first.header("www-authenticate"), "Basic");
    assert_eq!(first.header("retry-after"), "7");
    assert!(!first.replayed());
    let again = world.send(&Call::keyed("a"));
    assert!(again.replayed());
    assert_eq!(again.header("content-type"), "application/vnd.a+json");
    assert_eq!(again.header("location"), "/functions/v1/charges/1");
    assert_eq!(again.header("etag"), "\"a\"");
    assert_eq!(again.all("x-any"), first.all("x-any"));
    for name in [
        "set-cookie",
        "www-authenticate",
        "retry-after",
        "x-upstream-ratelimit-limit",
        "x-upstream-ratelimit",
    ] {
        assert_eq!(again.find(name), None);
    }
}

#[test]
fn an_answer_without_a_type_is_replayed_without_one() {
    let world = World::new();
    world.upstream.then(answer(200, &[], b"bytes \0\xff"));
    world.send(&Call::keyed("a"));
    let again = world.send(&Call::keyed("a"));
    assert_eq!(
        (again.find("content-type"), &again.body[..]),
        (None, &b"bytes \0\xff"[..])
    );
}

#[test]
fn more_headers_than_are_kept_cost_no_answer() {
    let world = World::new();
    let long = "v".repeat(1000);
    let names: Vec<String> = (0..20).map(|number| format!("X-Long-{number}")).collect();
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), &*long)).collect();
    headers.push(("Content-Type", "text/plain"));
    world.upstream.then(answer(201, &headers, b"done"));
    let first = world.send(&Call::keyed("a"));
    assert_eq!(first.header("x-long-19"), long);
    let again = world.send(&Call::keyed("a"));
    assert!(again.replayed());
    assert_eq!((again.status, &again.body[..]), (201, &b"done"[..]));
    assert_eq!(again.header("content-type"), "text/plain");
    world.upstream.wait_for(1);
}

#[test]
fn the_largest_answer_that_is_kept_is_64_kib() {
    let world = World::new();
    for (length, in_chunks, is_kept) in [
        (KEPT_MAX, false, true),
        (KEPT_MAX, true, true),
        (KEPT_MAX + 1, false, false),
        (KEPT_MAX + 1, true, false),
        (1 << 20, false, false),
        (1 << 20, true, false),
    ] {
        let body = vec![b'x'; length];
        let mut bytes = head(201, &[("Content-Type", "text/plain")]);
        if in_chunks {
            bytes.extend_from_slice(
                format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n").as_bytes(),
            );
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(b"\r\n0\r\n\r\n");
        } else {
            bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
            bytes.extend_from_slice(&body);
        }
        world.upstream.then(vec![Step::Say(bytes)]);
        let call = Call::keyed(&format!("large_{length}_{in_chunks}"));
        let first = world.send(&call);
        assert_eq!((first.status, first.body.len()), (201, length));
        assert!(first.body == body);
        if is_kept {
            let again = world.send(&call);
            assert!(again.replayed() && again.body == body, "{length}");
        } else {
            assert_not_kept(&world, &call, "201");
        }
    }
    world.upstream.wait_for(6);
}

/// Fails unless repeats of this say what became of the first, now and after a kill, and do not go up.
#[track_caller]
fn assert_not_kept(world: &World, call: &Call, status: &str) {
    for _ in 0..2 {
        let again = world.send(call);
        again.expect(409, "answer_not_kept");
        let (kind, message) = again.error();
        assert_eq!(kind, "idempotency_error");
        assert!(message.contains(status), "{message}");
    }
    let key = &call.headers.last().expect("a key").1;
    let other = Call::order("other").with("Idempotency-Key", key);
    world.send(&other).expect(409, "idempotency_key_reused");
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn an_answer_with_a_content_encoding_is_given_and_not_kept() {
    let mut world = World::new();
    let body = b"\x1f\x8b\x08 no gzip at all";
    let headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
    world.upstream.then(answer(200, &headers, body));
    let call = Call::keyed("a");
    let first = world.send(&call);
    assert_eq!((first.status, &first.body[..]), (200, &body[..]));
    assert_eq!(first.header("content-encoding"), "gzip");
    assert_not_kept(&world, &call, "200");
    world.kill();
    world.start();
    assert_not_kept(&world, &call, "200");
    world.upstream.wait_for(1);
}

#[test]
fn a_large_answer_that_is_cut_is_neither_whole_nor_forgotten() {
    let world = World::new();
    let start = format!(
        "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{}",
        4 * KEPT_MAX,
        "x".repeat(2 * KEPT_MAX)
    );
    world.upstream.then(cut(&start));
    let call = Call::keyed("a");
    if let Some(reply) = world.try_bytes(&call.bytes(&world.secret)) {
        reply.expect(504, "upstream_outcome_unknown");
    }
    let again = world.send(&call);
    assert!(!again.replayed(), "{again}");
    let other = Call::new("POST", "/functions/v1/charges").json(&order("other"));
    let other = other.with("Idempotency-Key", "a");
    world.send(&other).expect(409, "idempotency_key_reused");
}
