//! What makes two requests the same, and whose key it is (contract, section 3).

use std::collections::HashSet;

use atlas::domain::key::Mode;

use crate::world::{CREATE, Key, ORDER, Response, World};

fn send(world: &World, key: &Key, body: &str) -> Response {
    world.order_of(key, body).idempotent("order_1").send()
}

/// Fails unless the second body is taken for the first.
#[track_caller]
fn expect_same(first: &str, second: &str) {
    let world = World::new();
    let key = world.key();
    let made = send(&world, &key, first);
    let answer = send(&world, &key, second);
    assert!(answer.replayed(), "{second}: {:?}", answer.json());
    assert_eq!(made.body, answer.body);
}

/// Fails unless the second body is told from the first, without a word of the first's answer.
#[track_caller]
fn expect_reused(first: &str, second: &str) {
    let world = World::new();
    let key = world.key();
    let made = send(&world, &key, first);
    let answer = send(&world, &key, second);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (409, "idempotency_key_reused"),
        "{second}"
    );
    assert_eq!(answer.json()["error"]["type"], "idempotency_error");
    assert!(!String::from_utf8_lossy(&answer.body).contains(&made.session()));
    let again = send(&world, &key, first);
    assert_eq!((again.replayed(), again.body), (true, made.body));
}

#[test]
fn the_order_of_members_does_not_count() {
    expect_same(ORDER, r#"{"currency":"USD","amount":4990}"#);
}

#[test]
fn the_order_of_members_does_not_count_at_any_level() {
    expect_same(
        r#"{"amount":1,"currency":"USD","metadata":{"a":"1","b":"2"},"x":[{"c":{"d":1,"e":2}}]}"#,
        r#"{"x":[{"c":{"e":2,"d":1}}],"metadata":{"b":"2","a":"1"},"currency":"USD","amount":1}"#,
    );
}

#[test]
fn white_space_does_not_count() {
    expect_same(
        ORDER,
        " {\r\n\t\"amount\" : 4990 ,\n \"currency\" : \"USD\" }\n",
    );
}

#[test]
fn white_space_within_a_string_counts() {
    expect_reused(
        r#"{"amount":1,"currency":"USD","description":"a b"}"#,
        r#"{"amount":1,"currency":"USD","description":"ab"}"#,
    );
}

#[test]
fn the_order_within_an_array_counts() {
    expect_reused(
        r#"{"amount":1,"currency":"USD","payment_method_types":["card","paypal"]}"#,
        r#"{"amount":1,"currency":"USD","payment_method_types":["paypal","card"]}"#,
    );
}

#[test]
fn another_amount_is_another_request() {
    expect_reused(ORDER, r#"{"amount":4991,"currency":"USD"}"#);
}

#[test]
fn another_currency_is_another_request_in_spelling_too() {
    expect_reused(ORDER, r#"{"amount":4990,"currency":"EUR"}"#);
    expect_reused(ORDER, r#"{"amount":4990,"currency":"usd"}"#);
}

#[test]
fn a_member_more_or_less_is_another_request() {
    expect_reused(
        ORDER,
        r#"{"amount":4990,"currency":"USD","external_id":"a"}"#,
    );
    expect_reused(ORDER, r#"{"amount":4990,"currency":"USD","unknown":1}"#);
    expect_reused(r#"{"amount":4990,"currency":"USD","unknown":1}"#, ORDER);
}

#[test]
fn a_number_and_its_text_are_different() {
    expect_reused(
        r#"{"amount":1,"currency":"USD","unknown":1}"#,
        r#"{"amount":1,"currency":"USD","unknown":"1"}"#,
    );
}

#[test]
fn numbers_beyond_doubles_are_told_apart() {
    expect_reused(
        r#"{"amount":1,"currency":"USD","unknown":9007199254740993}"#,
        r#"{"amount":1,"currency":"USD","unknown":9007199254740992}"#,
    );
}

#[test]
fn a_different_query_is_another_request() {
    let world = World::new();
    let key = world.key();
    let made = world.order(&key).idempotent("order_1").send();
    let other = world.post(&format!("{CREATE}?x=1")).key(&key).json(ORDER);
    let answer = other.idempotent("order_1").send();
    answer.expect(409, "idempotency_key_reused");
    assert!(!String::from_utf8_lossy(&answer.body).contains(&made.session()));
}

#[test]
fn another_path_never_gets_the_session() {
    let world = World::new();
    let key = world.key();
    let made = world.order(&key).idempotent("order_1").send();
    let other = world
        .post("/functions/v1/create-sessions")
        .key(&key)
        .json(ORDER);
    let answer = other.idempotent("order_1").send();
    assert!(matches!(answer.status, 404 | 409), "{}", answer.status);
    assert!(!String::from_utf8_lossy(&answer.body).contains(&made.session()));
    assert!(world.order(&key).idempotent("order_1").send().replayed());
}

#[test]
fn the_way_the_request_is_carried_does_not_count() {
    let world = World::new();
    let key = world.key();
    let made = world.order(&key).idempotent("order_1").send();
    let request = || world.post(CREATE).key(&key).idempotent("order_1");
    let carried = [
        request()
            .header("Content-Type", "application/json; charset=utf-8")
            .body(ORDER),
        request()
            .header("Content-Type", "application/vnd.x+json")
            .body(ORDER),
        request()
            .header("Content-Type", "application/json")
            .chunks(5, ORDER),
        request().json(ORDER).header("User-Agent", "another"),
    ];
    for request in carried {
        let answer = request.send();
        assert_eq!(
            (answer.replayed(), &answer.body),
            (true, &made.body),
            "{request:?}"
        );
    }
}

#[test]
fn accounts_and_modes_never_share_a_key() {
    let world = World::new();
    let keys = ["one", "two", "three"].map(|account| world.key_of(account, Mode::Test));
    let live = world.key_of("one", Mode::Live);
    let answers = keys.each_ref().map(|key| send(&world, key, ORDER));
    let sessions: HashSet<String> = answers.iter().map(Response::session).collect();
    assert_eq!(sessions.len(), 3);
    assert!(answers.iter().all(|answer| !answer.replayed()));
    send(&world, &live, ORDER).expect(503, "live_mode_unavailable");
}

#[test]
fn two_keys_of_one_merchant_make_one_session() {
    let world = World::new();
    let (one, two) = (world.key(), world.key());
    let first = send(&world, &one, ORDER);
    let second = send(&world, &two, ORDER);
    assert_eq!(
        (second.replayed(), second.session()),
        (true, first.session())
    );
    send(&world, &two, r#"{"amount":1,"currency":"USD"}"#).expect(409, "idempotency_key_reused");
}

#[test]
fn a_retry_in_the_grace_of_a_roll_is_a_replay_by_either_secret() {
    let world = World::new();
    let old = world.key();
    let first = send(&world, &old, ORDER);
    let new = world.roll(&old, 60);
    for key in [&old, &new] {
        let answer = send(&world, key, ORDER);
        assert_eq!(
            (answer.replayed(), answer.session()),
            (true, first.session())
        );
    }
}

#[test]
fn basic_and_bearer_reach_the_same_record() {
    use base64::Engine;
    let world = World::new();
    let key = world.key();
    let first = send(&world, &key, ORDER);
    let user = base64::prelude::BASE64_STANDARD.encode(format!("{}:", key.secret));
    let request = world.post(CREATE).json(ORDER).idempotent("order_1");
    let answer = request
        .header("Authorization", format!("Basic {user}"))
        .send();
    assert_eq!(
        (answer.replayed(), answer.session()),
        (true, first.session())
    );
}
