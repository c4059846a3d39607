//! `/_mock/requests`: what the mock was sent and what it answered.

use serde_json::{Value, json};

use super::{ask, mock, told};
use crate::world::{CREATE, Key, ORDER, World};

fn numbers(found: &[Value]) -> Vec<u64> {
    let number = |one: &Value| one["number"].as_u64().expect("a number");
    found.iter().map(number).collect()
}

#[track_caller]
fn picked(world: &World, query: &str) -> Vec<u64> {
    numbers(
        ask(world, &format!("/_mock/requests?{query}"))["data"]
            .as_array()
            .expect("a list"),
    )
}

#[test]
fn a_request_is_told_with_its_answer() {
    let world = mock();
    let key = world.key();
    assert_eq!(
        ask(&world, "/_mock/requests"),
        json!({ "object": "list", "data": [] })
    );
    let order = world.post(&format!("{CREATE}?a=1")).key(&key).json(ORDER);
    let order = order.idempotent("order_1").header("X-Request-Id", "mine");
    let answer = order.send();
    let found = told(&world, "", 1).remove(0);
    for (member, value) in [
        ("number", json!(1)),
        ("request_id", json!("mine")),
        ("at", json!("2026-11-25T12:00:00.000Z")),
        ("method", json!("POST")),
        ("path", json!(CREATE)),
        ("query", json!("a=1")),
        ("status", json!(201)),
        ("key", json!(key.id.to_string())),
        ("idempotency_key", json!("order_1")),
        ("replayed", json!(false)),
        ("refused_by", Value::Null),
        ("fault", Value::Null),
    ] {
        assert_eq!(found[member], value, "{member}");
    }
    assert!(found["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{found}");
    let (sent, answered) = (&found["request"], &found["response"]);
    assert_eq!(sent["body"], json!({ "amount": 4990, "currency": "USD" }));
    assert_eq!(sent["headers"]["idempotency-key"], "order_1");
    assert_eq!(sent["headers"]["content-type"], "application/json");
    assert_eq!(answered["body"]["id"], answer.session());
    assert_eq!(answered["headers"]["x-request-id"], "mine");
}

#[test]
fn replays_and_refusals_are_told_as_such() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    assert_eq!(order.send().status, 201);
    assert!(order.send().replayed());
    let limited = world.order(&key).header("X-Atlas-Mock", "rate-limit=day");
    limited.send().expect_limit("day");
    let found = told(&world, "", 3);
    let replayed: Vec<_> = found.iter().map(|one| one["replayed"].clone()).collect();
    assert_eq!(replayed, [false, true, false]);
    assert_eq!(
        (&found[2]["refused_by"], &found[2]["status"]),
        (&json!("day"), &json!(429))
    );
    assert_eq!(found[2]["fault"], "rate-limit=day");
}

#[test]
fn secrets_are_masked() {
    let world = mock();
    let key = world.key();
    let body = r#"{"amount":1,"currency":"USD","cvc":"123","x":"4242424242424242","cs":"cs_abcdefabcdefabcdef"}"#;
    let order = world
        .order_of(&key, body)
        .idempotent("sk_test_aaaaaaaaaaaaaaaaaaaaaaaa");
    let secret = order.send().text("client_secret");
    world
        .get(&format!("/functions/v1/{}?key={}", key.secret, key.secret))
        .send();
    let found = told(&world, "", 2);
    let text = serde_json::to_string(&found).expect("JSON");
    for hidden in [
        &key.secret[..],
        &secret,
        "4242424242424242",
        "\"123\"",
        "cs_abcdef",
        "sk_test_aaaa",
    ] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert_eq!(found[0]["request"]["body"]["x"], "...4242", "{text}");
    assert_eq!(found[0]["response"]["body"]["client_secret"], "cs_...");
    let masked = format!("Bearer sk_test_...{}", &key.secret[key.secret.len() - 4..]);
    assert_eq!(found[0]["request"]["headers"]["authorization"], masked);
}

#[test]
fn bodies_that_are_no_json_are_told_as_text_and_those_that_are_not_there_as_null() {
    let world = mock();
    let key = world.key();
    world.order_of(&key, "{\"amount\":").send();
    world.probe(&key).send();
    world
        .order_of(&key, &format!("{{\"x\":\"{}\"}}", "x".repeat(20_000)))
        .send();
    let bytes = world.post(CREATE).key(&key).body(b"\xff\xfe");
    bytes.header("Content-Type", "application/json").send();
    let found = told(&world, "", 4);
    assert_eq!(found[0]["request"]["body"], "{\"amount\":");
    assert!(found[1]["request"]["body"].is_null());
    assert_eq!(
        found[1]["response"]["body"]["error"]["code"],
        "session_not_found"
    );
    let beginning = found[2]["request"]["body"]
        .as_str()
        .expect("the beginning of a text");
    assert!(beginning.starts_with("{\"x\":\"xxx") && beginning.len() < 20_000);
    assert!(found[3]["request"]["body"].is_null());
}

fn three(world: &World) -> (Key, Key) {
    let (one, two) = (world.key(), world.key());
    world.order(&one).idempotent("order_1").send();
    world.probe(&two).send();
    world.get("/nowhere").send();
    told(world, "", 3);
    (one, two)
}

#[test]
fn they_are_told_oldest_first_and_the_latest_where_fewer_are_asked_for() {
    let world = mock();
    three(&world);
    assert_eq!(picked(&world, ""), [1, 2, 3]);
    assert_eq!(picked(&world, "limit=2"), [2, 3]);
    assert_eq!(picked(&world, "limit=1"), [3]);
    assert_eq!(picked(&world, "limit=1000"), [1, 2, 3]);
}

#[test]
fn a_hundred_are_told_unless_more_are_asked_for() {
    let world = mock();
    let key = world.key();
    (0..105).for_each(|_| drop(world.probe(&key).send()));
    told(&world, "?limit=1000", 105);
    assert_eq!(picked(&world, ""), (6..=105).collect::<Vec<_>>());
}

#[test]
fn filters_pick_by_method_path_status_key_and_idempotency_key() {
    let world = mock();
    let (one, two) = three(&world);
    for (query, expected) in [
        ("method=POST".to_owned(), vec![1]),
        ("method=get".to_owned(), vec![2, 3]),
        (format!("path={CREATE}"), vec![1]),
        ("path=/functions/v1/*".to_owned(), vec![1, 2]),
        ("path=/functions".to_owned(), vec![]),
        ("status=201".to_owned(), vec![1]),
        ("status=4xx".to_owned(), vec![2, 3]),
        ("status=null".to_owned(), vec![]),
        (format!("key={}", one.secret), vec![1]),
        (format!("key={}", two.id), vec![2]),
        ("key=sk_test_never_seen".to_owned(), vec![]),
        ("idempotency_key=order_1".to_owned(), vec![1]),
        ("idempotency_key=order".to_owned(), vec![]),
        (format!("method=GET&key={}&status=404", two.id), vec![2]),
        (format!("method=GET&key={}", one.id), vec![]),
    ] {
        assert_eq!(picked(&world, &query), expected, "{query}");
    }
    assert_eq!(world.keys().len(), 2, "asking makes no key");
    super::is_cut(&world.order(&one).header("X-Atlas-Mock", "drop-before"));
    assert_eq!(numbers(&told(&world, "?status=null", 1)), [4]);
}

#[test]
fn a_filter_that_can_pick_nothing_is_refused() {
    let world = mock();
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("status=99", "status"),
        ("status=6xx", "status"),
        ("status=ok", "status"),
        ("path=functions", "path"),
        ("key=nonsense", "key"),
        ("key=key_00000000000000000000", "key"),
        ("key=sk_live_xxx", "key"),
    ] {
        let answer = world.get(&format!("/_mock/requests?{query}")).send();
        answer.expect(400, "parameter_invalid");
        assert_eq!(answer.param().as_deref(), Some(param), "{query}");
    }
}

#[test]
fn what_is_asked_of_the_handles_is_not_among_them() {
    let world = mock();
    let key = world.key();
    super::tell(&world, "/_mock/clock", r#"{"advance":1}"#);
    ask(&world, "/_mock/faults");
    world.get("/healthz").send();
    world.get("/dashboard/login").send();
    world.probe(&key).send();
    assert_eq!(numbers(&told(&world, "", 1)), [1]);
}
