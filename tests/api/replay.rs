//! Replay (contract, section 3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atlas::domain::key::{Mode, OwnLimits};

use crate::world::{CREATE, HOUR, MILLISECOND, ORDER, Response, SECOND, World};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_repeated_request_gets_the_same_bytes_and_says_so() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_12345").send();
    let second = world.order(&key).idempotent("order_12345").send();
    assert_eq!((first.status, first.replayed()), (201, false));
    assert_eq!((second.status, second.replayed()), (201, true));
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("idempotency-key"), Some("order_12345"));
    assert_eq!(second.header("idempotency-key"), Some("order_12345"));
}

/// All headers but those that speak of the very request.
fn lasting_headers(answer: &Response) -> BTreeMap<&str, &str> {
    let passing = ["date", "x-request-id", "idempotent-replayed", "ratelimit"];
    let headers = answer.headers.iter();
    headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !passing.contains(name) && !name.starts_with("x-ratelimit-"))
        .collect()
}

#[test]
fn a_replay_has_the_headers_of_the_first_answer_but_the_fresh_ones() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    world.advance(HOUR);
    let second = world.order(&key).idempotent("order_1").send();
    assert_eq!(lasting_headers(&first), lasting_headers(&second));
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_ne!(
        first.number("x-ratelimit-reset"),
        second.number("x-ratelimit-reset")
    );
    assert!(second.number("x-ratelimit-reset") > world.now());
}

#[test]
fn a_replay_echoes_the_request_id_of_the_replay() {
    let world = World::new();
    let key = world.key();
    for id in ["first", "second"] {
        let request = world.order(&key).idempotent("order_1");
        let answer = request.header("X-Request-Id", id).send();
        assert_eq!(answer.header("x-request-id"), Some(id));
    }
}

#[test]
fn a_replay_spends_quota_as_any_request() {
    let world = World::new();
    let key = world.key();
    for expected in [999, 998, 997] {
        let answer = world.order(&key).idempotent("order_1").send();
        assert_eq!(answer.remaining(), expected);
    }
    assert_eq!(world.report(&key).used_today, 3);
}

#[test]
fn ten_retries_get_ten_replays() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    for _ in 0..10 {
        let retry = world.order(&key).idempotent("order_1").send();
        assert_eq!(
            (retry.status, retry.replayed(), &retry.body),
            (201, true, &first.body)
        );
    }
}

#[test]
fn a_replay_lives_below_24_hours_and_is_dead_at_24_hours() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    world.advance(DAY - MILLISECOND);
    let last = world.order(&key).idempotent("order_1").send();
    assert_eq!((last.replayed(), &last.body), (true, &first.body));
    world.advance(MILLISECOND);
    let fresh = world.order(&key).idempotent("order_1").send();
    assert_eq!((fresh.status, fresh.replayed()), (201, false));
    assert_ne!(fresh.session(), first.session());
}

#[test]
fn a_dead_key_is_new_for_another_request_and_lives_24_hours_again() {
    let world = World::new();
    let key = world.key();
    world.order(&key).idempotent("order_1").send().session();
    world.advance(DAY);
    let other = r#"{"amount":1,"currency":"EUR"}"#;
    let fresh = world.order_of(&key, other).idempotent("order_1").send();
    assert_eq!((fresh.status, fresh.replayed()), (201, false));
    world.advance(DAY - MILLISECOND);
    let replay = world.order_of(&key, other).idempotent("order_1").send();
    assert_eq!((replay.replayed(), replay.body), (true, fresh.body));
}

#[test]
fn a_replay_does_not_lengthen_the_life_of_its_key() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    world.advance(HOUR * 23);
    assert!(world.order(&key).idempotent("order_1").send().replayed());
    world.advance(HOUR);
    assert_ne!(
        world.order(&key).idempotent("order_1").send().session(),
        first.session()
    );
}

#[test]
fn the_lifetime_is_a_setting() {
    let world = World::with(|settings| settings.idempotency_lifetime = SECOND * 2);
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    world.advance(Duration::from_millis(1_900));
    assert_eq!(
        world.order(&key).idempotent("order_1").send().body,
        first.body
    );
    world.advance(Duration::from_millis(200));
    let fresh = world.order(&key).idempotent("order_1").send();
    assert!(!fresh.replayed());
    assert_ne!(fresh.session(), first.session());
}

#[test]
fn replays_are_byte_identical_after_a_restart() {
    let world = World::new();
    let key = world.key();
    let orders = ["order_1", "order_2", "order_3"];
    let firsts = orders.map(|order| world.order(&key).idempotent(order).send());
    let world = world.restart();
    for (order, first) in orders.iter().zip(firsts) {
        let replay = world.order(&key).idempotent(order).send();
        assert_eq!((replay.status, replay.replayed()), (201, true), "{order}");
        assert_eq!(replay.body, first.body, "{order}");
        assert_eq!(replay.header("content-type"), first.header("content-type"));
    }
}

#[test]
fn a_restart_does_not_change_when_a_key_dies() {
    let world = World::new();
    let key = world.key();
    world.order(&key).idempotent("order_1").send().session();
    world.advance(DAY - MILLISECOND);
    let world = world.restart();
    assert!(world.order(&key).idempotent("order_1").send().replayed());
    world.advance(MILLISECOND);
    assert!(!world.order(&key).idempotent("order_1").send().replayed());
}

#[test]
fn a_clock_set_back_never_revives_or_kills_a_record() {
    let world = World::new();
    let key = world.key();
    let old = world.order(&key).idempotent("old").send();
    world.advance(DAY);
    let young = world.order(&key).idempotent("young").send();
    let renewed = world.order(&key).idempotent("old").send();
    let world = world.restart_set_back(HOUR * 12);
    assert_eq!(
        world.order(&key).idempotent("young").send().body,
        young.body
    );
    assert_eq!(
        world.order(&key).idempotent("old").send().body,
        renewed.body
    );
    assert_ne!(renewed.session(), old.session());
}

#[test]
fn a_dead_record_stays_dead_when_the_clock_is_set_back() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    world.advance(DAY);
    world.probe(&key).send();
    let world = world.restart_set_back(HOUR);
    let fresh = world.order(&key).idempotent("order_1").send();
    assert!(!fresh.replayed());
    assert_ne!(fresh.session(), first.session());
}

#[test]
fn a_mistake_can_be_mended_and_sent_again_with_the_same_key() {
    let world = World::new();
    let key = world.key();
    let post = || world.post(CREATE).key(&key);
    let mistakes = [
        (400, post().json(r#"{"amount":-5,"currency":"USD"}"#)),
        (400, post().json(r#"{"amount":4990}"#)),
        (400, post().json("{")),
        (401, world.post(CREATE).json(ORDER)),
        (
            404,
            world.post("/functions/v1/nothing").key(&key).json(ORDER),
        ),
        (405, world.request("PUT", CREATE).key(&key).json(ORDER)),
        (413, post().json(&" ".repeat(70_000))),
        (415, post().header("Content-Type", "text/plain").body(ORDER)),
    ];
    for (number, (status, mistake)) in mistakes.into_iter().enumerate() {
        let order = format!("order_{number}");
        assert_eq!(mistake.idempotent(&order).send().status, status, "{order}");
        let mended = world.order(&key).idempotent(&order).send();
        assert_eq!(
            (mended.status, mended.replayed()),
            (201, false),
            "after {status}"
        );
    }
}

#[test]
fn a_429_is_not_stored() {
    let world = World::new();
    let key = world.key_with(OwnLimits {
        per_minute: Some(1),
        ..OwnLimits::default()
    });
    world.probe(&key).send();
    let refused = world.order(&key).idempotent("order_1").send();
    refused.expect_limit("minute");
    world.advance(Duration::from_secs(refused.number("retry-after")));
    let answer = world.order(&key).idempotent("order_1").send();
    assert_eq!((answer.status, answer.replayed()), (201, false));
}

#[test]
fn a_503_is_not_stored() {
    let floor = Arc::new(AtomicU64::new(u64::MAX));
    let setting = Arc::clone(&floor);
    let world = World::with(move |s| s.min_free_disk = setting.load(Ordering::SeqCst));
    let key = world.key();
    let full = world.order(&key).idempotent("order_1").send();
    full.expect(503, "storage_unavailable");
    floor.store(0, Ordering::SeqCst);
    let world = world.restart();
    let answer = world.order(&key).idempotent("order_1").send();
    assert_eq!((answer.status, answer.replayed()), (201, false));
}

#[test]
fn the_refusal_of_live_mode_is_not_stored() {
    let world = World::new();
    let live = world.key_of("default", Mode::Live);
    for _ in 0..2 {
        let answer = world.order(&live).idempotent("order_1").send();
        answer.expect(503, "live_mode_unavailable");
        assert!(!answer.replayed());
    }
}
