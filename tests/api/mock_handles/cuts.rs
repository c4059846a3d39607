//! Connections that end before the answer, or in its midst: what a client must survive.

use super::{all_slots_come_back, counts, fault, is_cut, mock, running, sessions, told};
use crate::world::{Connection, Request};

fn with(request: &Request, value: &str) -> Request {
    request.clone().header("X-Atlas-Mock", value)
}

/// All that the server sends until it ends the connection.
fn everything(request: &Request) -> Vec<u8> {
    let mut connection = request.start().connection;
    let parts = std::iter::repeat_with(|| connection.read_next());
    parts
        .take_while(|part| !part.is_empty())
        .flatten()
        .collect()
}

#[test]
fn what_was_kept_before_the_cut_is_replayed_and_there_is_one_session() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    is_cut(&with(&order, "drop-after-commit"));
    assert_eq!(sessions(&world), 1);
    let again = order.send();
    assert_eq!(
        (again.status, again.replayed(), sessions(&world)),
        (201, true, 1)
    );
    let shown = world.look_up(&key, &again.session()).send();
    assert_eq!(shown.status, 200);
    is_cut(&with(&order, "drop-after-commit"));
    assert_eq!(sessions(&world), 1, "a replay can be cut as well");
}

#[test]
fn what_was_cut_before_it_was_done_runs_when_it_is_sent_again() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    is_cut(&with(&order, "drop-before"));
    assert_eq!(sessions(&world), 0);
    let again = order.send();
    assert_eq!(
        (again.status, again.replayed(), sessions(&world)),
        (201, false, 1)
    );
}

#[test]
fn a_cut_request_has_spent_one_and_holds_nothing() {
    let world = mock();
    let key = world.key();
    for (n, value) in (1..).zip(["drop-before", "drop-after-commit", "truncate-body"]) {
        let request = with(&world.order(&key).idempotent("order_1"), value);
        everything(&request);
        all_slots_come_back(&world, &key);
        assert_eq!(world.report(&key).used_today, n, "{value}");
    }
    assert!(world.order(&key).idempotent("order_1").send().replayed());
}

#[test]
fn answers_without_a_body_are_cut_too() {
    let world = mock();
    let key = world.key();
    let session = world.order(&key).send().session();
    let path = format!("/functions/v1/sessions/{session}");
    for method in ["GET", "HEAD"] {
        let request = world.request(method, &path).key(&key);
        assert_eq!(request.send().status, 200);
        is_cut(&with(&request, "drop-before"));
        is_cut(&with(&request, "drop-after-commit"));
    }
    let nowhere = world.get("/nowhere").key(&key);
    is_cut(&with(&nowhere, "drop-after-commit"));
}

#[test]
fn a_large_body_is_read_before_the_cut() {
    let world = mock();
    let key = world.key();
    let body = format!(
        r#"{{"amount":1,"currency":"USD","x":"{}"}}"#,
        "x".repeat(60_000)
    );
    let order = world.order_of(&key, &body);
    is_cut(&with(&order, "drop-before"));
    is_cut(&with(&order, "drop-after-commit"));
    assert_eq!(sessions(&world), 1);
}

#[test]
fn a_truncated_answer_has_its_head_and_half_of_its_body() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    let bytes = everything(&with(&order, "truncate-body"));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, half) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    let whole = order.send();
    assert!(whole.replayed());
    let length = format!("content-length: {}", whole.body.len());
    assert!(head.to_lowercase().contains(&length), "{head}");
    for name in ["x-request-id", "x-ratelimit-limit", "idempotency-key"] {
        assert!(head.to_lowercase().contains(name), "{name} in {head}");
    }
    assert_eq!(half.as_bytes(), &whole.body[..whole.body.len() / 2]);
    assert_eq!(sessions(&world), 1);
}

#[test]
fn an_error_can_be_truncated_as_well() {
    let world = mock();
    let key = world.key();
    for value in ["status=503; truncate-body", "rate-limit=day; truncate-body"] {
        let bytes = everything(&with(&world.order(&key), value));
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (head, half) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 503 ") || head.contains(" 429 "), "{head}");
        assert!(
            half.starts_with(r#"{"error":{"#) && !half.ends_with('}'),
            "{half}"
        );
    }
}

#[test]
fn a_rule_cuts_as_the_header_does() {
    let world = mock();
    let key = world.key();
    let id = fault(&world, r#"{"fault":"drop-after-commit","times":1}"#);
    let order = world.order(&key).idempotent("order_1");
    is_cut(&order);
    assert!(order.send().replayed());
    assert_eq!((counts(&world, &id), sessions(&world)), ((2, 1), 1));
}

#[test]
fn other_connections_live_on() {
    let world = mock();
    let key = world.key();
    let mut other = Connection::to(world.address);
    assert_eq!(other.send(&world.order(&key)).status, 201);
    is_cut(&with(&world.order(&key), "drop-before"));
    everything(&with(&world.order(&key), "truncate-body"));
    assert_eq!(other.send(&world.order(&key)).status, 201);
    all_slots_come_back(&world, &key);
    assert_eq!(running(&world, &key), 0);
}

#[test]
fn the_log_says_what_became_of_them() {
    let world = mock();
    let key = world.key();
    for value in ["drop-before", "drop-after-commit", "truncate-body"] {
        everything(&with(&world.order(&key), value));
    }
    world.order(&key).send();
    let log = told(&world, "", 4);
    for (entry, value) in log.iter().zip(["drop-before", "drop-after-commit"]) {
        assert_eq!(entry["fault"], value);
        assert!(
            entry["status"].is_null() && entry["response"]["body"].is_null(),
            "{entry}"
        );
        assert_eq!(entry["request"]["body"]["amount"], 4990);
    }
    assert_eq!(
        (&log[2]["fault"], &log[2]["status"]),
        (&"truncate-body".into(), &201.into())
    );
    let half = log[2]["response"]["body"]
        .as_str()
        .expect("half of a JSON text");
    assert!(half.starts_with(r#"{"id":"sess_"#), "{half}");
    assert!(log[3]["fault"].is_null());
}
