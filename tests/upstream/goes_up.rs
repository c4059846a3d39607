//! What goes up of a request: its method, path, query and body as they came, once the body is whole.

use crate::caller::Call;
use crate::process::text;
use crate::upstream::PREFIX;
use crate::world::World;

#[test]
fn every_method_goes_up_with_its_path_query_and_body() {
    let world = World::new();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        for body in [None, Some("{\"order\": \"a\"}")] {
            let mut call = Call::new(method, "/functions/v1/any/thing?a=1&b=&c");
            if let Some(body) = body {
                call = call.json(body);
            }
            let before = world.upstream.hits().len();
            let status = if matches!(method, "POST" | "PATCH") {
                201
            } else {
                200
            };
            world.send(&call).expect_status(status);
            let hits = world.upstream.wait_for(before + 1);
            let hit = hits.last().expect("it has arrived");
            assert_eq!(hit.method, method);
            assert_eq!(hit.target, format!("{PREFIX}/any/thing?a=1&b=&c"));
            assert_eq!(text(&hit.body), body.unwrap_or_default());
        }
    }
}

#[test]
fn the_body_goes_up_to_the_byte_whatever_it_is() {
    let world = World::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    for (content_type, body) in [
        (
            Some("application/json"),
            &b"{ \"b\" : 1.0,\r\n\t\"a\" : \"\\u00e9\" }\n"[..],
        ),
        (Some("application/json"), b"{\"a\": 1, \"a\": 2} and more"),
        (Some("application/json; charset=latin1"), b"\xe9"),
        (Some("application/x-www-form-urlencoded"), b"a=1&b=%20"),
        (Some("multipart/form-data; boundary=x"), b"--x\r\n\r\n--x--"),
        (Some("text/plain"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Some("no type at all"), b"x"),
        (None, b"\0\x01\xff"),
        (None, b""),
        (Some("application/octet-stream"), &bytes),
    ] {
        for key in [None, Some(format!("k_{}_{content_type:?}", body.len()))] {
            let mut call = Call::new("POST", "/functions/v1/uploads").raw(body);
            if let Some(content_type) = content_type {
                call = call.with("Content-Type", content_type);
            }
            if let Some(key) = key {
                call = call.with("Idempotency-Key", &key);
            }
            let before = world.upstream.hits().len();
            world.send(&call).expect_status(201);
            let hits = world.upstream.wait_for(before + 1);
            let hit = hits.last().expect("it has arrived");
            assert!(hit.body == body, "{content_type:?}: {}", text(&hit.bytes));
            assert_eq!(hit.find("content-type"), content_type);
        }
    }
}

#[test]
fn a_body_in_chunks_goes_up_with_a_length() {
    let world = World::new();
    let head = String::from_utf8(Call::new("POST", "/functions/v1/a").bytes(&world.secret));
    let head = head.expect("text");
    let head = head.trim_end();
    let mut caller = world.caller();
    let sent = caller.say(
        format!(
            "{head}\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{{\"a\":\r\n3\r\n 1}}\r\n0\r\nX-Trailer: 1\r\n\r\n"
        )
        .as_bytes(),
    );
    sent.expect("sent");
    caller.reply(false).expect("an answer").expect_status(201);
    let hit = world.upstream.hit();
    assert_eq!(text(&hit.body), "{\"a\": 1}");
    assert_eq!(hit.header("content-length"), "8");
    assert_eq!(hit.find("x-trailer"), None);
}

#[test]
fn a_body_that_does_not_arrive_whole_or_is_too_large_never_goes_up() {
    let world = World::with(&["--max-body", "1KiB"]);
    let large = Call::new("POST", "/functions/v1/a").raw(&[b'x'; 1025]);
    world.send(&large).expect(413, "request_too_large");
    for (headers, part) in [
        ("Content-Length: 100\r\n", "x".to_owned()),
        ("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n".to_owned()),
        (
            "Transfer-Encoding: chunked\r\n",
            format!("500\r\n{}\r\n", "x".repeat(0x500)),
        ),
    ] {
        let bytes = Call::new("POST", "/functions/v1/b").bytes(&world.secret);
        let head = text(&bytes);
        let mut caller = world.caller();
        let part = format!("{}\r\n{headers}\r\n{part}", head.trim_end());
        caller.say(part.as_bytes()).expect("sent");
        drop(caller);
    }
    world.send(&Call::get("/functions/v1/c")).expect_status(200);
    assert_eq!(world.upstream.hit().target, format!("{PREFIX}/c"));
    let full = Call::new("POST", "/functions/v1/a").raw(&[b'x'; 1024]);
    world.send(&full).expect_status(201);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_from_us() {
    let world = World::new();
    let call = Call::new("POST", "/functions/v1/a").with("Expect", "100-continue");
    let head = text(&call.raw(b"hello").bytes(&world.secret));
    let mut caller = world.caller();
    let head = head.strip_suffix("hello").expect("a body");
    caller.say(head.as_bytes()).expect("sent");
    assert_eq!(caller.head().expect("100 Continue").status, 100);
    caller.say(b"hello").expect("sent");
    caller.reply(false).expect("an answer").expect_status(201);
    let hit = world.upstream.hit();
    assert_eq!(
        (text(&hit.body).as_str(), hit.find("expect")),
        ("hello", None)
    );
}

#[test]
fn a_request_over_the_limits_or_of_a_stranger_never_goes_up() {
    let world = World::new();
    let few = world.key(&["--mode", "live", "--per-minute", "2"]);
    let call = Call::get("/functions/v1/a");
    let statuses = [(); 3].map(|()| world.send_as(&few, &call).status);
    assert_eq!(statuses, [200, 200, 429]);
    world.upstream.wait_for(2);
    let refused = world.send_as(&few, &call);
    assert!(refused.find("retry-after").is_some());
    world
        .send_as("sk_live_nobody", &call)
        .expect(401, "invalid_api_key");
    world.send_as("", &call).expect(401, "invalid_api_key");
    world.upstream.wait_for(2);
}

#[test]
fn the_log_says_what_the_upstream_answered_and_when() {
    let mut world = World::new();
    world.send(&Call::keyed("order_1")).expect_status(201);
    world.stop();
    let log = crate::process::read_log(&world.directory);
    let line = log
        .lines()
        .find(|line| line.contains("POST /functions/v1/charges 201"));
    let line = line.unwrap_or_else(|| panic!("no line in {log}"));
    let (_, time) = line
        .split_once(" upstream 201 ")
        .expect("what the upstream answered");
    let milliseconds: f64 = time
        .strip_suffix("ms")
        .expect("a span")
        .parse()
        .expect("a number");
    assert!(milliseconds > 0.0, "{line}");
}

#[test]
fn a_method_that_is_another_in_other_letters_never_goes_up() {
    let world = World::new();
    for method in [
        "post", "Post", "POSt", "gET", "get", "Patch", "pUt", "delete", "Head", "options",
    ] {
        for key in [None, Some("order_1")] {
            let call = Call::new(method, "/functions/v1/a").json("{}");
            let call = key
                .iter()
                .fold(call, |call, key| call.with("Idempotency-Key", key));
            let reply = world.try_bytes(&call.bytes(&world.secret));
            let reply = reply.expect("an answer");
            reply.expect(405, "method_not_allowed");
            assert!(reply.header("allow").contains("POST"), "{method}: {reply}");
        }
    }
    assert_eq!(world.upstream.connections(), 0);
    assert_eq!(world.claims().len(), 0);
    for method in ["PURGE", "purge", "PoSTS"] {
        world
            .send(&Call::new(method, "/functions/v1/a"))
            .expect_status(200);
    }
    let methods: Vec<String> = world
        .upstream
        .hits()
        .into_iter()
        .map(|hit| hit.method)
        .collect();
    assert_eq!(methods, ["PURGE", "purge", "PoSTS"]);
}
