//! `/_mock/limits`: what is left of a key's limits is set, and both the window and the bucket behind it agree.

use atlas::domain::key::{Mode, OwnLimits};
use serde_json::json;

use super::{ask, mock, sessions, tell};
use crate::world::{CREATE, Key, MIDNIGHT, NOON, ORDER, Response, SECOND, World};

const LIMITS: &str = "/_mock/limits";

fn set(world: &World, key: &Key, what: &str) -> Response {
    let answer = tell(
        world,
        LIMITS,
        &format!(r#"{{"key":"{}",{what}}}"#, key.secret),
    );
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer
}

fn admitted(world: &World, key: &Key, sent: usize) -> usize {
    let answers = (0..sent).map(|_| world.probe(key).send());
    answers.filter(|answer| answer.status != 429).count()
}

#[test]
fn the_answer_tells_what_is_left_of_each() {
    let world = mock();
    let key = world.key();
    let expected = |minute: u32, day: u32, free: u32, reset: u64| {
        json!({
            "key": key.id.to_string(),
            "minute": { "limit": 1_000, "remaining": minute, "reset": reset },
            "day": { "limit": 100_000, "remaining": day, "reset": MIDNIGHT },
            "concurrency": { "limit": 50, "remaining": free },
        })
    };
    let untouched = set(&world, &key, r#""minute":null"#).json();
    assert_eq!(untouched, expected(1_000, 100_000, 50, NOON));
    let answer = set(&world, &key, r#""minute":3,"day":7,"concurrency":2"#).json();
    assert_eq!(answer, expected(3, 7, 2, NOON + 60));
    let by_id = format!(r#"{{"key":"{}"}}"#, key.id);
    assert_eq!(tell(&world, LIMITS, &by_id).json(), answer);
    let next = world.probe(&key).send();
    assert_eq!(
        (next.remaining_of("minute"), next.remaining_of("day")),
        (2, 6)
    );
}

#[test]
fn so_much_of_the_minute_is_left_and_then_nothing_until_it_is_over() {
    let world = mock();
    let key = world.key();
    set(&world, &key, r#""minute":3"#);
    assert_eq!(admitted(&world, &key, 5), 3);
    let refused = world.probe(&key).send();
    refused.expect_limit("minute");
    assert_eq!(refused.number("retry-after"), 60);
    world.advance(SECOND * 59);
    assert_eq!(admitted(&world, &key, 1), 0);
    world.advance(SECOND);
    assert_eq!(admitted(&world, &key, 1), 1);
}

#[test]
fn nothing_is_left_where_nothing_is_to_be() {
    let world = mock();
    for (what, scope, wait) in [
        (r#""minute":0"#, "minute", 60),
        (r#""day":0"#, "day", 43_200),
        (r#""concurrency":0"#, "concurrency", 1),
    ] {
        let key = world.key();
        set(&world, &key, what);
        let refused = world.order(&key).send();
        refused.expect_limit(scope);
        assert_eq!(refused.number("retry-after"), wait, "{scope}");
    }
    assert_eq!(sessions(&world), 0);
}

#[test]
fn all_of_the_minute_is_back_when_that_is_said() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        per_minute: Some(5),
        ..OwnLimits::default()
    });
    for _ in 0..3 {
        assert_eq!(admitted(&world, &key, 7), 5);
        set(&world, &key, r#""minute":5"#);
    }
}

#[test]
fn so_much_of_the_day_is_left_whatever_was_used_and_a_restart_knows_it() {
    let world = mock();
    let key = world.key();
    assert_eq!(admitted(&world, &key, 20), 20);
    set(&world, &key, r#""day":4"#);
    assert_eq!(admitted(&world, &key, 1), 1);
    let world = world.restart();
    assert_eq!(admitted(&world, &key, 5), 3);
    world.probe(&key).send().expect_limit("day");
    set(&world, &key, r#""day":100000"#);
    assert_eq!(admitted(&world, &key, 20), 20);
    assert_eq!(world.report(&key).used_today, 20);
    set(&world, &key, r#""day":1"#);
    assert_eq!(admitted(&world, &key, 3), 1);
    world.advance(SECOND * 43_200);
    assert_eq!(admitted(&world, &key, 5), 5);
}

#[test]
fn slots_stay_taken_until_it_is_said_again() {
    let world = mock();
    let key = world.key();
    set(&world, &key, r#""concurrency":1"#);
    let held = world.hold(&key);
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!(held.finish().status, 201);
    assert_eq!(admitted(&world, &key, 3), 3, "one after the other");
    let held = world.hold(&key);
    set(&world, &key, r#""concurrency":1"#);
    let second = world.hold(&key);
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!((held.finish().status, second.finish().status), (201, 201));
    set(&world, &key, r#""concurrency":50"#);
    let all: Vec<_> = (0..50).map(|_| world.hold(&key)).collect();
    let refused = world.probe(&key).send();
    refused.expect_limit("concurrency");
    assert_eq!(refused.number("x-ratelimit-limit"), 50);
    drop(all);
}

#[test]
fn a_limit_that_is_changed_leaves_taken_slots_taken() {
    use atlas::app::keys::{Change, KeyChange};
    let world = mock();
    let key = world.key();
    set(&world, &key, r#""concurrency":1"#);
    let change = KeyChange {
        concurrent: Some(Change::To(49)),
        ..KeyChange::default()
    };
    world.update(&key, change);
    world.probe(&key).send().expect_limit("concurrency");
}

#[test]
fn other_keys_are_left_alone() {
    let world = mock();
    let (key, other) = (world.key(), world.key());
    set(&world, &key, r#""minute":0,"day":0,"concurrency":0"#);
    assert_eq!(admitted(&world, &other, 3), 3);
}

#[test]
fn a_secret_that_was_never_seen_becomes_a_key() {
    let world = mock();
    let answer = tell(&world, LIMITS, r#"{"key":"sk_test_xxx","minute":1}"#);
    assert_eq!(answer.status, 200);
    let order = || world.post(CREATE).bearer("sk_test_xxx").json(ORDER).send();
    let (first, second) = (order(), order());
    assert_eq!(first.status, 201);
    second.expect_limit("minute");
    let known = world.keys().pop().expect("a key").id.to_string();
    assert_eq!(answer.text("key"), known);
}

#[test]
fn what_can_t_be_left_is_refused_and_nothing_is_changed() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        per_minute: Some(10),
        ..OwnLimits::default()
    });
    let live = world.key_of("default", Mode::Live);
    let of = |key: &str, what: &str| format!(r#"{{"key":"{key}"{what}}}"#);
    for (body, param) in [
        (of(&key.secret, r#","minute":11"#), "minute"),
        (of(&key.secret, r#","day":0,"minute":-1"#), "minute"),
        (of(&key.secret, r#","minute":0,"day":100001"#), "day"),
        (
            of(&key.secret, r#","minute":0,"concurrency":51"#),
            "concurrency",
        ),
        (of(&key.secret, r#","minute":"1""#), "minute"),
        (of(&key.secret, r#","minute":1.0"#), "minute"),
        (of("sk_test_new", r#","minute":1001"#), "minute"),
        (of("sk_live_xxx", ""), "key"),
        (of(&live.secret, r#","minute":0"#), "key"),
        (of(&live.id.to_string(), ""), "key"),
        (of("key_00000000000000000000", ""), "key"),
        (of("nonsense", ""), "key"),
    ] {
        let answer = tell(&world, LIMITS, &body);
        answer.expect(400, "parameter_invalid");
        assert_eq!(answer.param().as_deref(), Some(param), "{body}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&key.secret));
    }
    let nobody = tell(&world, LIMITS, r#"{"minute":1}"#);
    nobody.expect(400, "parameter_missing");
    assert_eq!(world.keys().len(), 2, "no key was made");
    assert_eq!(admitted(&world, &key, 12), 10);
    ask(&world, "/_mock/clock");
}
