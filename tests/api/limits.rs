//! How requests are counted (contract, section 4).

use std::time::Duration;

use atlas::app::keys::{Change, KeyChange};
use atlas::domain::key::OwnLimits;

use crate::world::{
    CREATE, HOUR, Held, Key, MIDNIGHT, MILLISECOND, ORDER, Response, SECOND, World, at_once,
    eventually,
};

const MINUTE: Duration = Duration::from_secs(60);

fn per_minute(limit: u32) -> OwnLimits {
    OwnLimits {
        per_minute: Some(limit),
        ..OwnLimits::default()
    }
}

fn per_day(limit: u32) -> OwnLimits {
    OwnLimits {
        per_day: Some(limit),
        ..OwnLimits::default()
    }
}

fn concurrent(limit: u32) -> OwnLimits {
    OwnLimits {
        concurrent: Some(limit),
        ..OwnLimits::default()
    }
}

/// How many of so many requests in a row are admitted.
fn admitted(world: &World, key: &Key, sent: usize) -> usize {
    let answers = (0..sent).map(|_| world.probe(key).send());
    answers.filter(|answer| answer.status != 429).count()
}

#[test]
fn a_thousand_a_minute_are_admitted_and_no_more() {
    let world = World::new();
    let key = world.key();
    assert_eq!(admitted(&world, &key, 1_300), 1_000);
    assert_eq!(world.report(&key).used_today, 1_000);
}

#[test]
fn a_minute_after_the_first_request_all_are_admitted_again() {
    let world = World::new();
    let key = world.key_with(per_minute(10));
    assert_eq!(admitted(&world, &key, 12), 10);
    world.advance(MINUTE - MILLISECOND);
    assert_eq!(admitted(&world, &key, 12), 0);
    world.advance(MILLISECOND);
    assert_eq!(admitted(&world, &key, 12), 10);
}

#[test]
fn no_window_of_a_minute_admits_more_than_the_limit() {
    let world = World::new();
    let key = world.key_with(per_minute(10));
    for window in 0..5 {
        let mut sum = 0;
        for _ in 0..20 {
            sum += admitted(&world, &key, 2);
            world.advance(SECOND * 3);
        }
        assert!((1..=10).contains(&sum), "window {window} admitted {sum}");
    }
}

#[test]
fn two_windows_worth_do_not_arrive_back_to_back() {
    let world = World::new();
    let key = world.key_with(per_minute(60));
    assert_eq!(admitted(&world, &key, 1), 1);
    world.advance(SECOND * 59);
    assert_eq!(admitted(&world, &key, 61), 59);
    world.advance(SECOND);
    assert_eq!(admitted(&world, &key, 60), 2);
}

#[test]
fn a_window_starts_with_the_first_request_after_the_last_one_ended() {
    let world = World::new();
    let key = world.key_with(per_minute(2));
    assert_eq!(admitted(&world, &key, 2), 2);
    world.advance(SECOND * 100);
    assert_eq!(admitted(&world, &key, 3), 2);
    world.advance(SECOND * 59);
    assert_eq!(admitted(&world, &key, 1), 0);
    world.advance(SECOND);
    assert_eq!(admitted(&world, &key, 3), 2);
}

#[test]
fn a_refused_request_spends_nothing_of_minute_or_day() {
    let world = World::new();
    let key = world.key_with(per_minute(5));
    assert_eq!(admitted(&world, &key, 505), 5);
    assert_eq!(world.report(&key).used_today, 5);
    world.advance(MINUTE);
    let answer = world.order(&key).send();
    assert_eq!(
        (answer.remaining(), answer.remaining_of("day")),
        (4, 99_994)
    );
}

#[test]
fn a_request_refused_by_the_day_spends_nothing_of_the_minute() {
    let world = World::new();
    let key = world.key_with(per_day(2));
    for _ in 0..10 {
        world.probe(&key).send();
    }
    let refused = world.probe(&key).send();
    refused.expect_limit("day");
    assert_eq!(refused.remaining_of("minute"), 998);
}

#[test]
fn an_admitted_request_spends_whatever_its_status() {
    let world = World::new();
    let key = world.key();
    let post = || world.post(CREATE).key(&key);
    let requests = [
        post().json("{"),
        post().json(r#"{"amount":0,"currency":"USD"}"#),
        post().json(ORDER).idempotent(""),
        post().json(&" ".repeat(70_000)),
        post().body(ORDER),
        world.probe(&key),
    ];
    for (n, request) in (1..).zip(requests) {
        let answer = request.send();
        assert!(
            answer.status >= 400 && answer.status != 429,
            "{}",
            answer.status
        );
        assert_eq!(world.report(&key).used_today, n, "after {}", answer.status);
    }
}

#[test]
fn the_day_ends_at_midnight_utc_and_the_next_begins_full() {
    let world = World::new();
    let key = world.key_with(per_day(3));
    assert_eq!(admitted(&world, &key, 5), 3);
    world.advance(HOUR * 12 - MILLISECOND);
    world.probe(&key).send().expect_limit("day");
    world.advance(MILLISECOND);
    let answer = world.probe(&key).send();
    assert_eq!((answer.status, answer.remaining_of("day")), (404, 2));
    assert_eq!(world.report(&key).used_today, 1);
    assert_eq!(admitted(&world, &key, 5), 2);
}

#[test]
fn a_day_counts_on_over_a_restart() {
    let world = World::new();
    let (key, full) = (world.key(), world.key_with(per_day(2)));
    assert_eq!(admitted(&world, &key, 40), 40);
    assert_eq!(admitted(&world, &full, 3), 2);
    let world = world.restart();
    assert_eq!(world.probe(&key).send().remaining_of("day"), 100_000 - 41);
    assert_eq!(world.report(&key).used_today, 41);
    world.probe(&full).send().expect_limit("day");
}

#[test]
fn a_restart_on_the_next_day_begins_with_a_full_day() {
    let world = World::new();
    let key = world.key_with(per_day(2));
    assert_eq!(admitted(&world, &key, 3), 2);
    world.advance(HOUR * 12);
    let world = world.restart();
    assert_eq!(admitted(&world, &key, 3), 2);
}

#[test]
fn a_clock_set_back_does_not_reopen_a_day() {
    let world = World::new();
    let key = world.key_with(per_day(2));
    assert_eq!(admitted(&world, &key, 3), 2);
    world.advance(HOUR * 24);
    assert_eq!(admitted(&world, &key, 3), 2);
    let world = world.restart_set_back(HOUR * 24);
    while world.now() < MIDNIGHT + 86_400 {
        assert_eq!(admitted(&world, &key, 3), 0);
        world.advance(HOUR);
    }
    assert_eq!(admitted(&world, &key, 3), 2);
}

#[test]
fn each_limit_can_be_set_for_the_server() {
    let world = World::with(|settings| {
        settings.limits.per_minute = 4;
        settings.limits.per_day = 6;
        settings.limits.concurrent = 1;
    });
    let key = world.key();
    let held = world.hold(&key);
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!(held.finish().status, 201);
    assert_eq!(admitted(&world, &key, 5), 3);
    world.advance(MINUTE);
    assert_eq!(admitted(&world, &key, 5), 2);
}

#[test]
fn own_limits_go_before_those_of_the_server() {
    let world = World::with(|settings| settings.limits.per_minute = 2);
    let (own, plain) = (world.key_with(per_minute(4)), world.key());
    assert_eq!(admitted(&world, &own, 6), 4);
    assert_eq!(admitted(&world, &plain, 6), 2);
}

#[test]
fn keys_of_one_account_have_separate_limits() {
    let world = World::new();
    let (one, two) = (world.key_with(per_minute(2)), world.key_with(per_minute(2)));
    assert_eq!(admitted(&world, &one, 3), 2);
    assert_eq!(admitted(&world, &two, 3), 2);
}

#[test]
fn a_changed_limit_is_in_force_at_once_and_keeps_the_count() {
    let world = World::new();
    let key = world.key();
    assert_eq!(admitted(&world, &key, 5), 5);
    let day = |change| KeyChange {
        per_day: Some(change),
        ..KeyChange::default()
    };
    world.update(&key, day(Change::To(3)));
    world.probe(&key).send().expect_limit("day");
    world.update(&key, day(Change::To(6)));
    let answer = world.probe(&key).send();
    assert_eq!(
        (answer.status, answer.scope(), answer.remaining()),
        (404, "day", 0)
    );
    world.update(&key, day(Change::Unset));
    assert_eq!(world.probe(&key).send().remaining_of("day"), 100_000 - 7);
}

#[test]
fn a_changed_minute_limit_does_not_open_a_new_window() {
    let world = World::new();
    let key = world.key_with(per_minute(3));
    assert_eq!(admitted(&world, &key, 4), 3);
    world.update(
        &key,
        KeyChange {
            per_minute: Some(Change::To(5)),
            ..KeyChange::default()
        },
    );
    assert!(admitted(&world, &key, 6) <= 2);
}

#[test]
fn a_changed_limit_of_requests_at_once_is_in_force_at_once() {
    let world = World::new();
    let key = world.key_with(concurrent(1));
    let held = world.hold(&key);
    world.probe(&key).send().expect_limit("concurrency");
    let at_once = |change| KeyChange {
        concurrent: Some(change),
        ..KeyChange::default()
    };
    world.update(&key, at_once(Change::To(2)));
    assert_eq!(world.probe(&key).send().status, 404);
    let second = world.hold(&key);
    world.update(&key, at_once(Change::To(1)));
    assert_eq!(second.finish().status, 201);
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!(held.finish().status, 201);
    assert_eq!(world.probe(&key).send().status, 404);
}

#[test]
fn slots_are_counted_over_a_roll() {
    let world = World::new();
    let key = world.key_with(concurrent(1));
    let held = world.hold(&key);
    let rolled = world.roll(&key, 60);
    world.probe(&rolled).send().expect_limit("concurrency");
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!(held.finish().status, 201);
    assert_eq!(world.probe(&rolled).send().status, 404);
}

#[test]
fn fifty_at_once_are_served_and_the_next_is_refused() {
    let world = World::new();
    let key = world.key();
    let held: Vec<Held> = (0..50).map(|_| world.hold(&key)).collect();
    let refused = world.order(&key).send();
    refused.expect_limit("concurrency");
    assert_eq!(refused.number("retry-after"), 1);
    assert_eq!(
        (refused.number("x-ratelimit-limit"), refused.remaining()),
        (50, 0)
    );
    assert!(refused.number("x-ratelimit-reset") >= world.now());
    assert_eq!(world.report(&key).used_today, 50);
    assert_eq!(world.order(&world.key()).send().status, 201);
    for one in held {
        assert_eq!(one.finish().status, 201);
    }
    let again: Vec<Held> = (0..50).map(|_| world.hold(&key)).collect();
    world.order(&key).send().expect_limit("concurrency");
    for one in again {
        assert_eq!(one.finish().status, 201);
    }
}

#[test]
fn a_slot_given_back_is_taken_by_the_next() {
    let world = World::new();
    let key = world.key_with(concurrent(2));
    let (one, two) = (world.hold(&key), world.hold(&key));
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!(one.finish().status, 201);
    assert_eq!(world.probe(&key).send().status, 404);
    assert_eq!(two.finish().status, 201);
}

#[test]
fn a_client_that_hangs_up_gives_its_slot_back() {
    let world = World::new();
    let key = world.key_with(concurrent(1));
    for round in 0..60 {
        let held = world.hold(&key);
        world.probe(&key).send().expect_limit("concurrency");
        match round % 2 {
            0 => held.connection.reset(),
            _ => drop(held),
        }
        eventually("the slot is free", || {
            world.probe(&key).send().status == 404
        });
    }
}

#[test]
fn a_body_that_never_comes_gives_its_slot_back() {
    let world = World::with(|settings| settings.body_timeout = Duration::from_millis(100));
    let key = world.key_with(concurrent(1));
    for _ in 0..3 {
        let mut held = world.order(&key).begin(ORDER.len() / 2);
        let late = held.connection.read("POST");
        assert!((400..500).contains(&late.status), "{}", late.status);
        assert_eq!(world.probe(&key).send().status, 404);
    }
}

#[test]
fn a_refused_idempotent_request_leaves_its_key_free() {
    let world = World::new();
    let key = world.key_with(concurrent(1));
    let held = world.hold(&key);
    let refused = world.order(&key).idempotent("order_1").send();
    refused.expect_limit("concurrency");
    assert_eq!(held.finish().status, 201);
    let answer = world.order(&key).idempotent("order_1").send();
    assert_eq!((answer.status, answer.replayed()), (201, false));
}

#[test]
fn many_at_once_never_pass_the_minute_or_the_day() {
    let world = World::with(|settings| settings.workers = 4);
    let limits = [(per_minute(20), "minute"), (per_day(20), "day")];
    for (limits, scope) in limits {
        let key = world.key_with(limits);
        let answers = at_once(&vec![world.probe(&key); 40]);
        let (refused, admitted): (Vec<Response>, Vec<Response>) =
            answers.into_iter().partition(|answer| answer.status == 429);
        assert_eq!(admitted.len(), 20, "{scope}");
        assert!(refused.iter().all(|answer| answer.scope() == scope));
        let mut left: Vec<u64> = admitted.iter().map(Response::remaining).collect();
        left.sort_unstable();
        assert_eq!(left, (0..20).collect::<Vec<u64>>(), "{scope}");
    }
}
