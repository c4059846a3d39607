//! How a body must come (contract, section 1).

use crate::world::{CREATE, Connection, Key, ORDER, Request, World};

const MOST: usize = 64 * 1024;

/// The usual order, filled up with white space.
fn order_of_length(length: usize) -> String {
    format!("{ORDER}{}", " ".repeat(length - ORDER.len()))
}

fn typed(world: &World, key: &Key) -> Request {
    let request = world.post(CREATE).key(key);
    request.header("Content-Type", "application/json")
}

#[test]
fn malformed_json_is_refused() {
    let world = World::new();
    let key = world.key();
    let bodies = [
        "",
        " ",
        "{",
        "amount=4990&currency=USD",
        r#"{"amount":4990,"currency":"USD""#,
        r#"{"amount":4990,"currency":"USD",}"#,
        r#"{"amount":4990,"currency":"USD"}x"#,
        r#"{"amount":4990,"currency":"USD"}{}"#,
        r#"{"amount":4990,"currency":"USD"} null"#,
        r#"{"amount":4990 "currency":"USD"}"#,
        r#"{'amount':4990,'currency':'USD'}"#,
        r#"{amount:4990,currency:"USD"}"#,
        r#"{"amount":NaN,"currency":"USD"}"#,
        r#"{"amount":Infinity,"currency":"USD"}"#,
        r#"{"amount":04990,"currency":"USD"}"#,
        r#"{"amount":+4990,"currency":"USD"}"#,
        r#"{"amount":4990,"currency":"USD","x":NaN}"#,
        r#"{"amount":4990,"currency":"USD","x":-Infinity}"#,
        r#"{"amount":4990,"currency":"USD","x":"\ud800"}"#,
        r#"{"amount":4990,"currency":"USD","x":"\x"}"#,
        "{\"amount\":4990,\"currency\":\"USD\",\"x\":\"a\nb\"}",
        "{\"amount\":4990,\"currency\":\"USD\"}\0",
        "// order\n{\"amount\":4990,\"currency\":\"USD\"}",
    ];
    for body in bodies {
        let answer = typed(&world, &key).body(body).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_json"),
            "{body}"
        );
        assert_eq!(
            answer.json()["error"]["type"],
            "invalid_request_error",
            "{body}"
        );
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_at_any_level() {
    let world = World::new();
    let key = world.key();
    let bodies = [
        r#"{"amount":4990,"amount":4990,"currency":"USD"}"#,
        r#"{"amount":1,"currency":"USD","amount":2}"#,
        r#"{"amount":1,"currency":"USD","\u0061mount":2}"#,
        r#"{"amount":1,"currency":"USD","metadata":{"a":"1","a":"2"}}"#,
        r#"{"amount":1,"currency":"USD","customer":{"name":"a","name":"b"}}"#,
        r#"{"amount":1,"currency":"USD","unknown":1,"unknown":2}"#,
        r#"{"amount":1,"currency":"USD","unknown":[{"a":1,"a":2}]}"#,
    ];
    for body in bodies {
        let answer = typed(&world, &key).body(body).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_json"),
            "{body}"
        );
    }
}

#[test]
fn invalid_utf_8_is_refused_wherever_it_stands() {
    let world = World::new();
    let key = world.key();
    let bodies: [&[u8]; 4] = [
        b"{\"amount\":1,\"currency\":\"USD\",\"description\":\"\xff\"}",
        b"{\"amount\":1,\"currency\":\"USD\",\"unknown\":\"\xc3\x28\"}",
        b"{\"amount\":1,\"currency\":\"USD\",\"\xed\xa0\x80\":1}",
        b"\xff\xfe{\x00}\x00",
    ];
    for body in bodies {
        let answer = typed(&world, &key).body(body).send();
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_json"),
            "{shown}"
        );
    }
}

#[test]
fn json_that_is_no_object_is_refused() {
    let world = World::new();
    let key = world.key();
    for body in ["[]", "null", "true", "4990", "\"USD\"", "[4990,\"USD\"]"] {
        let answer = typed(&world, &key).body(body).send();
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.json()["error"]["type"],
            "invalid_request_error",
            "{body}"
        );
    }
}

#[test]
fn deep_nesting_is_refused_and_the_server_lives_on() {
    let world = World::new();
    let key = world.key();
    for opening in ["[", "{\"a\":"] {
        let body = opening.repeat(60_000 / opening.len());
        typed(&world, &key)
            .body(body)
            .send()
            .expect(400, "invalid_json");
    }
    assert_eq!(world.order(&key).send().status, 201);
}

#[test]
fn a_body_of_64_kib_is_taken_and_one_byte_more_is_not() {
    let world = World::new();
    let key = world.key();
    let (most, more) = (order_of_length(MOST), order_of_length(MOST + 1));
    assert_eq!(typed(&world, &key).body(&most).send().status, 201);
    typed(&world, &key)
        .body(&more)
        .send()
        .expect(413, "request_too_large");
    for size in [1_000, 65_537] {
        let request = typed(&world, &key);
        assert_eq!(
            request.chunks(size, &most).send().status,
            201,
            "chunks of {size}"
        );
        let refused = typed(&world, &key).chunks(size, &more).send();
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (413, "request_too_large"),
            "{size}"
        );
    }
}

#[test]
fn the_size_is_a_setting() {
    let world = World::with(|settings| settings.max_body = 1_024);
    let key = world.key();
    let (most, more) = (order_of_length(1_024), order_of_length(1_025));
    assert_eq!(typed(&world, &key).body(&most).send().status, 201);
    typed(&world, &key)
        .body(&more)
        .send()
        .expect(413, "request_too_large");
    let refused = typed(&world, &key).chunks(100, &more).send();
    refused.expect(413, "request_too_large");
}

#[test]
fn a_far_too_large_body_gets_an_answer_each_time() {
    let world = World::new();
    let key = world.key();
    let body = format!("{{\"amount\":4990,\"x\":\"{}\"}}", "a".repeat(5_000_000));
    for round in 0..20 {
        let request = match round % 4 {
            0 => typed(&world, &key).body(&body),
            1 => typed(&world, &key)
                .header("Expect", "100-continue")
                .body(&body),
            2 => typed(&world, &key).chunks(64_000, &body),
            _ => typed(&world, &key)
                .header("Connection", "close")
                .body(&body),
        };
        let answer = request.send();
        let code = answer.code();
        assert_eq!(
            (answer.status, code.as_str()),
            (413, "request_too_large"),
            "{round}"
        );
    }
    assert_eq!(world.order(&key).send().status, 201);
}

#[test]
fn a_length_that_is_too_large_is_refused_before_the_body_comes() {
    let world = World::new();
    let key = world.key();
    let request = typed(&world, &key).header("Content-Length", "5000000");
    request.send().expect(413, "request_too_large");
}

#[test]
fn an_expected_100_continue_comes_before_the_body() {
    let world = World::new();
    let key = world.key();
    let mut held = world.order(&key).header("Expect", "100-continue").begin(0);
    assert_eq!(held.interim().status, 100);
    assert_eq!(held.finish().status, 201);
}

#[test]
fn chunks_of_any_size_make_one_body() {
    let world = World::new();
    let key = world.key();
    for size in [1, 2, 7, ORDER.len(), 1_000] {
        let answer = typed(&world, &key).chunks(size, ORDER).send();
        assert_eq!(answer.status, 201, "{size}");
        assert_eq!(answer.json()["amount"], 4990, "{size}");
    }
}

#[test]
fn a_body_may_come_in_parts() {
    let world = World::new();
    let key = world.key();
    for sent in [0, 1, ORDER.len() - 1] {
        assert_eq!(world.order(&key).begin(sent).finish().status, 201, "{sent}");
    }
}

#[test]
fn any_kind_of_json_is_taken_with_parameters() {
    let world = World::new();
    let key = world.key();
    let taken = [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; odata.metadata=minimal",
        "Application/JSON",
        "application/vnd.x+json",
        "application/vnd.x+json; v=2",
        "application/problem+JSON",
    ];
    for content_type in taken {
        let request = world
            .post(CREATE)
            .key(&key)
            .header("Content-Type", content_type);
        assert_eq!(request.body(ORDER).send().status, 201, "{content_type}");
    }
}

#[test]
fn requests_on_one_connection_are_answered_in_turn() {
    let world = World::new();
    let key = world.key();
    let mut connection = Connection::to(world.address);
    for id in ["a", "b", "c"] {
        let answer = connection.send(&world.order(&key).header("X-Request-Id", id));
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (201, Some(id))
        );
    }
}

#[test]
fn a_refusal_leaves_an_open_connection_usable() {
    let world = World::new();
    let key = world.key();
    let requests = [
        ("invalid_json", typed(&world, &key).body("{")),
        (
            "parameter_invalid",
            typed(&world, &key).body(r#"{"amount":0,"currency":"USD"}"#),
        ),
        ("session_not_found", world.probe(&key)),
        ("route_not_found", world.get("/nothing")),
        (
            "invalid_api_key",
            world.get("/functions/v1/sessions/sess_none"),
        ),
    ];
    let mut connection = Connection::to(world.address);
    for (code, request) in requests {
        let answer = connection.send(&request);
        assert_eq!(
            (answer.code().as_str(), answer.header("connection")),
            (code, None)
        );
    }
    assert_eq!(connection.send(&world.order(&key)).status, 201);
}

#[test]
fn a_connection_is_closed_only_after_an_answer_that_says_so() {
    let world = World::new();
    let key = world.key();
    let requests = [
        world.order(&key).key(&key),
        world.post(CREATE).json(ORDER),
        world.post("/nothing").key(&key).json(ORDER),
        world.request("PUT", CREATE).key(&key).json(ORDER),
        world.post(CREATE).key(&key).body(ORDER),
        typed(&world, &key).body(order_of_length(MOST + 1)),
    ];
    for request in requests {
        let mut connection = Connection::to(world.address);
        let answer = connection.send(&request);
        match answer.header("connection") {
            Some("close") => connection.wait_for_end(),
            other => {
                assert_eq!(other, None, "{}", answer.status);
                assert_eq!(
                    connection.send(&world.order(&key)).status,
                    201,
                    "{request:?}"
                );
            }
        }
    }
}

#[test]
fn a_body_is_bounded_where_nobody_looks_at_it_too() {
    let world = World::new();
    let key = world.key();
    let id = world.order(&key).send().session();
    let read = |length| world.look_up(&key, &id).body(" ".repeat(length)).send();
    assert_eq!(read(MOST).status, 200);
    read(MOST + 1).expect(413, "request_too_large");
}

#[test]
fn a_chunk_that_is_too_large_is_refused_before_its_end_comes() {
    let world = World::new();
    let key = world.key();
    for sent in [MOST + 1, 100_000] {
        let chunked = typed(&world, &key).header("Transfer-Encoding", "chunked");
        let mut held = chunked.start();
        held.connection.write(b"f4240\r\n");
        held.connection.write(&vec![b' '; sent]);
        held.finish().expect(413, "request_too_large");
    }
}
