//! What the rate-limit headers say (contract, section 4).

use std::time::Duration;

use atlas::domain::key::OwnLimits;

use crate::world::{CREATE, HOUR, MIDNIGHT, MILLISECOND, NOON, ORDER, Response, SECOND, World};

fn own(per_minute: u32, per_day: u32) -> OwnLimits {
    OwnLimits {
        per_minute: Some(per_minute),
        per_day: Some(per_day),
        concurrent: None,
    }
}

/// Limit, remaining and reset.
fn trio(answer: &Response) -> (u64, u64, u64) {
    (
        answer.number("x-ratelimit-limit"),
        answer.remaining(),
        answer.number("x-ratelimit-reset"),
    )
}

#[test]
fn the_first_request_of_a_key_shows_the_minute_less_one() {
    let world = World::new();
    let answer = world.order(&world.key()).send();
    assert_eq!(trio(&answer), (1_000, 999, NOON + 60));
    assert_eq!(answer.scope(), "minute");
}

#[test]
fn limits_of_every_size_show_themselves_less_one() {
    let world = World::new();
    for limit in [1, 2, 7, 59, 61, 999, 100_000, 1_000_000] {
        let answer = world.probe(&world.key_with(own(limit, 10_000_000))).send();
        let expected = (limit.into(), u64::from(limit) - 1, NOON + 60);
        assert_eq!(trio(&answer), expected, "{limit}");
    }
}

#[test]
fn the_headers_of_the_draft_show_all_limits() {
    let world = World::new();
    let key = world.key();
    let answer = world.order(&key).send();
    let policy = "\"minute\";q=1000;w=60, \"day\";q=100000;w=86400, \
                  \"concurrency\";q=50;qu=\"concurrent-requests\"";
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    let limits = answer.header("ratelimit").expect("RateLimit").to_owned();
    let (minute, day) = limits.split_once(", ").expect("two limits");
    assert!(minute.starts_with("\"minute\";r=999;t="), "{limits}");
    assert_eq!(day, "\"day\";r=99999;t=43200");
    let second = world.order(&key).send();
    assert_eq!(
        (second.remaining_of("minute"), second.remaining_of("day")),
        (998, 99_998)
    );
}

#[test]
fn the_policy_names_the_limits_of_the_very_key() {
    let world = World::new();
    let key = world.key_with(OwnLimits {
        per_minute: Some(7),
        per_day: Some(80),
        concurrent: Some(9),
    });
    let answer = world.order(&key).send();
    let policy = "\"minute\";q=7;w=60, \"day\";q=80;w=86400, \
                  \"concurrency\";q=9;qu=\"concurrent-requests\"";
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    assert_eq!(
        (answer.remaining_of("minute"), answer.remaining_of("day")),
        (6, 79)
    );
}

#[test]
fn remaining_counts_down_to_nothing_and_then_comes_the_refusal() {
    let world = World::with(|settings| settings.limits.per_minute = 5);
    let key = world.key();
    for expected in [4, 3, 2, 1, 0] {
        let answer = world.order(&key).send();
        assert_eq!((answer.status, answer.remaining()), (201, expected));
    }
    for _ in 0..2 {
        let refused = world.order(&key).send();
        refused.expect_limit("minute");
        assert_eq!(refused.remaining(), 0);
    }
}

#[test]
fn a_refusal_says_by_which_limit_and_when_to_come_again() {
    let world = World::new();
    let key = world.key_with(own(1, 100));
    world.order(&key).send();
    let refused = world.order(&key).send();
    refused.expect_limit("minute");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(refused.json()["error"]["limit"], "minute");
    assert_eq!(refused.json()["error"]["retry_after"], 60);
    assert_eq!(refused.number("retry-after"), 60);
    assert_eq!(trio(&refused), (1, 0, NOON + 60));
}

#[test]
fn every_answer_to_a_key_speaks_of_the_key() {
    let world = World::new();
    let key = world.key();
    let post = || world.post(CREATE).key(&key);
    let path = "/functions/v1/sessions/sess_none";
    let requests = [
        (201, post().json(ORDER).idempotent("order_1")),
        (201, post().json(ORDER).idempotent("order_1")),
        (
            409,
            post()
                .json(r#"{"amount":1,"currency":"USD"}"#)
                .idempotent("order_1"),
        ),
        (400, post().json("{")),
        (400, post().json(r#"{"amount":1}"#)),
        (400, post().json(ORDER).idempotent("")),
        (404, world.get(path).key(&key)),
        (405, world.request("DELETE", CREATE).key(&key)),
        (413, post().json(&" ".repeat(70_000))),
        (415, post().body(ORDER)),
    ];
    for (n, (status, request)) in (1..).zip(requests) {
        let answer = request.send();
        assert_eq!(
            (answer.status, answer.remaining()),
            (status, 1_000 - n),
            "{status}"
        );
        assert_eq!(answer.remaining_of("day"), 100_000 - n, "{status}");
    }
}

#[test]
fn a_stranger_sees_the_numbers_of_the_address() {
    let world = World::new();
    let key = world.key();
    world.order(&key).send();
    let answer = world.post(CREATE).json(ORDER).send();
    assert_eq!((answer.status, answer.scope()), (401, "address"));
    assert_eq!(
        (answer.number("x-ratelimit-limit"), answer.remaining()),
        (60, 59)
    );
    let reset = answer.number("x-ratelimit-reset");
    assert!((NOON..=NOON + 60).contains(&reset), "{reset}");
    assert_eq!(world.order(&key).send().remaining(), 998);
}

#[test]
fn the_limit_with_fewer_remaining_is_the_one_shown() {
    let world = World::new();
    let (minute, day) = (world.key_with(own(5, 10)), world.key_with(own(10, 5)));
    let answer = world.order(&minute).send();
    assert_eq!(
        (answer.scope(), trio(&answer)),
        ("minute", (5, 4, NOON + 60))
    );
    let answer = world.order(&day).send();
    assert_eq!((answer.scope(), trio(&answer)), ("day", (5, 4, MIDNIGHT)));
}

#[test]
fn the_limit_that_refused_is_the_one_shown() {
    let world = World::new();
    let key = world.key_with(own(5, 6));
    for _ in 0..5 {
        assert_eq!(world.order(&key).send().status, 201);
    }
    let refused = world.order(&key).send();
    refused.expect_limit("minute");
    assert_eq!(trio(&refused), (5, 0, NOON + 60));
    world.advance(SECOND * 60);
    assert_eq!(world.order(&key).send().status, 201);
    let refused = world.order(&key).send();
    refused.expect_limit("day");
    assert_eq!(trio(&refused), (6, 0, MIDNIGHT));
    assert_eq!(refused.number("retry-after"), MIDNIGHT - world.now());
}

#[test]
fn the_day_is_reset_at_midnight_utc() {
    let world = World::new();
    let key = world.key_with(own(1_000, 10));
    for hours in [0, 5, 6] {
        world.advance(HOUR * hours);
        let reset = world.order(&key).send().number("x-ratelimit-reset");
        assert_eq!((reset, reset % 86_400), (MIDNIGHT, 0), "{hours}");
    }
    world.advance(HOUR);
    let reset = world.order(&key).send().number("x-ratelimit-reset");
    assert_eq!(reset, MIDNIGHT + 86_400);
}

#[test]
fn reset_is_rounded_up_to_whole_seconds() {
    let world = World::new();
    world.advance(MILLISECOND);
    let answer = world.order(&world.key()).send();
    assert_eq!(answer.number("x-ratelimit-reset"), NOON + 61);
}

#[test]
fn the_minute_is_whole_again_when_reset_says_so() {
    let world = World::new();
    for (before, pause, then) in [(1, 0, 0), (1, 30, 5), (1, 59, 9), (9, 59, 1), (4, 20, 6)] {
        let key = world.key_with(own(10, 1_000));
        for _ in 0..before {
            world.probe(&key).send();
        }
        world.advance(SECOND * pause);
        let mut last = world.probe(&key).send();
        for _ in 1..then {
            last = world.probe(&key).send();
        }
        let wait = last.number("x-ratelimit-reset") - world.now();
        world.advance(Duration::from_secs(wait));
        let answer = world.probe(&key).send();
        assert_eq!(answer.remaining(), 9, "{before}, {then} after {pause} s");
    }
}

#[test]
fn reset_is_never_in_the_past() {
    let world = World::new();
    let key = world.key_with(own(10, 1_000));
    for step in [0, 1, 59, 60, 61, 3_600, 86_400, 7 * 86_400] {
        world.advance(SECOND * step);
        let reset = world.probe(&key).send().number("x-ratelimit-reset");
        assert!(
            (world.now()..=world.now() + 86_400).contains(&reset),
            "{step}: {reset}"
        );
    }
}

#[test]
fn a_request_at_retry_after_is_admitted() {
    for (limit, step) in [(1, 7), (2, 311), (7, 1_013), (60, 499), (90, 1_999)] {
        let world = World::new();
        let key = world.key_with(own(limit, 100_000));
        for round in 0..12 {
            let refused = refusal(&world, || world.probe(&key).send());
            world.advance(Duration::from_secs(refused.number("retry-after")));
            let answer = world.probe(&key).send();
            assert_eq!(answer.status, 404, "limit {limit}, round {round}");
            world.advance(MILLISECOND * step);
        }
    }
}

/// Sends until it is refused.
fn refusal(world: &World, send: impl Fn() -> Response) -> Response {
    for _ in 0..1_000 {
        let answer = send();
        if answer.status == 429 {
            answer.expect_limit("minute");
            assert!(answer.number("x-ratelimit-reset") <= world.now() + 121);
            return answer;
        }
    }
    panic!("a thousand were admitted");
}

#[test]
fn retry_after_is_not_longer_than_needed() {
    let world = World::new();
    let key = world.key_with(own(1, 100));
    world.probe(&key).send();
    let wait = world.probe(&key).send().number("retry-after");
    world.advance(SECOND * u32::try_from(wait - 1).expect("seconds"));
    world.probe(&key).send().expect_limit("minute");
    world.advance(SECOND);
    assert_eq!(world.probe(&key).send().status, 404);
}
