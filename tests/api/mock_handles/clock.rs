//! `/_mock/clock`: time goes as far forward as it is told, and what depends on it follows.

use std::time::Duration;

use atlas::app::Standing;
use atlas::domain::key::OwnLimits;

use super::{ask, mock, sessions, standing_of, tell};
use crate::world::{HOUR, NOON, World};

const CLOCK: &str = "/_mock/clock";
const DAY: u64 = 86_400;

#[track_caller]
fn shows(world: &World, now: &str, ahead: u64) {
    let clock = ask(world, CLOCK);
    assert_eq!(
        clock,
        serde_json::json!({ "now": now, "ahead_seconds": ahead })
    );
}

#[track_caller]
fn moved(world: &World, body: &str) {
    let answer = tell(world, CLOCK, body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.json());
    assert_eq!(answer.json(), ask(world, CLOCK), "{body}");
}

#[test]
fn the_clock_goes_forward_by_a_length_of_time_or_to_a_time() {
    let world = mock();
    shows(&world, "2026-11-25T12:00:00.000Z", 0);
    for (body, now, ahead) in [
        (r#"{"advance":"24h"}"#, "2026-11-26T12:00:00.000Z", DAY),
        (
            r#"{"advance":"1m 30s"}"#,
            "2026-11-26T12:01:30.000Z",
            DAY + 90,
        ),
        (r#"{"advance":30}"#, "2026-11-26T12:02:00.000Z", DAY + 120),
        (r#"{"advance":"60"}"#, "2026-11-26T12:03:00.000Z", DAY + 180),
        (r#"{"advance":0}"#, "2026-11-26T12:03:00.000Z", DAY + 180),
        (
            r#"{"set":"2026-11-27T13:00:00+01:00"}"#,
            "2026-11-27T12:00:00.000Z",
            2 * DAY,
        ),
        (
            r#"{"set":"2026-11-27T12:00:00Z"}"#,
            "2026-11-27T12:00:00.000Z",
            2 * DAY,
        ),
    ] {
        moved(&world, body);
        shows(&world, now, ahead);
    }
}

#[test]
fn the_clock_does_not_go_back_nor_beyond_the_year_3000_nor_where_it_is_not_clear() {
    let world = mock();
    for (body, param) in [
        (r#"{"set":"2026-11-25T11:59:59Z"}"#, "set"),
        (r#"{"set":"1969-12-31T23:00:00Z"}"#, "set"),
        (r#"{"set":"3001-01-01T00:00:00Z"}"#, "set"),
        (r#"{"set":"2026-11-26"}"#, "set"),
        (r#"{"set":"2026-11-26T12:00:00"}"#, "set"),
        (r#"{"set":1795694400}"#, "set"),
        (r#"{"advance":"1 fortnight"}"#, "advance"),
        (r#"{"advance":-1}"#, "advance"),
        (r#"{"advance":1.5}"#, "advance"),
        (r#"{"advance":true}"#, "advance"),
        (r#"{"advance":"1000y"}"#, "advance"),
        (r#"{"advance":18446744073709551615}"#, "advance"),
        (r#"{"advance":"1h","set":"2026-11-26T12:00:00Z"}"#, "set"),
    ] {
        let answer = tell(&world, CLOCK, body);
        answer.expect(400, "parameter_invalid");
        assert_eq!(answer.param().as_deref(), Some(param), "{body}");
    }
    tell(&world, CLOCK, "{}").expect(400, "parameter_missing");
    tell(&world, CLOCK, "[]").expect(400, "invalid_json");
    assert_eq!(world.now(), NOON);
}

#[test]
fn an_idempotency_key_is_new_a_day_later_and_its_record_gone_when_that_is_said() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    let first = order.send().session();
    moved(&world, r#"{"advance":"23h 59m 59s"}"#);
    assert!(order.send().replayed());
    moved(&world, r#"{"advance":"1s"}"#);
    let second = order.send();
    assert!(!second.replayed() && second.session() != first);
    moved(&world, r#"{"advance":"25h"}"#);
    let standing = standing_of(&world, "order_1");
    assert!(matches!(standing, Standing::Unknown), "{standing:?}");
    assert_eq!(sessions(&world), 2);
}

#[test]
fn the_next_minute_and_the_next_day_begin_when_the_clock_says_so() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        per_minute: Some(2),
        per_day: Some(3),
        ..OwnLimits::default()
    });
    let status = || world.probe(&key).send().status;
    assert_eq!([status(), status(), status()], [404, 404, 429]);
    moved(&world, r#"{"advance":"1m"}"#);
    assert_eq!(status(), 404);
    world.probe(&key).send().expect_limit("day");
    moved(&world, r#"{"set":"2026-11-26T00:00:00Z"}"#);
    assert_eq!([status(), status(), status()], [404, 404, 429]);
}

#[test]
fn a_key_expires_when_the_clock_says_so() {
    let world = mock();
    let key = world.key_for(3_600);
    assert_eq!(world.probe(&key).send().status, 404);
    moved(&world, r#"{"advance":"1h"}"#);
    world.probe(&key).send().expect(401, "api_key_expired");
}

#[test]
fn a_kept_directory_goes_on_from_where_its_clock_was_moved_to() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    let first = order.send();
    moved(&world, r#"{"advance":"400h"}"#);
    let world = world.restart_set_back(HOUR * 400);
    assert_eq!(world.now(), NOON + 400 * 3_600);
    let second = world.order(&key).idempotent("order_1").send();
    assert_ne!(second.session(), first.session());
}

/// The reset of a limit then has a digit more than the law of every answer allows, so this is read without the law.
#[test]
fn limits_are_counted_in_the_year_3000_too() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        per_minute: Some(2),
        ..OwnLimits::default()
    });
    assert_eq!(world.probe(&key).send().status, 404);
    world
        .post(CLOCK)
        .json(r#"{"set":"3000-12-31T23:00:00Z"}"#)
        .start()
        .connection
        .read_any("POST");
    let status = || world.probe(&key).start().connection.read_any("GET").status;
    assert_eq!([status(), status(), status()], [404, 404, 429]);
    world.advance(Duration::from_secs(60));
    assert_eq!(status(), 404);
}
