//! `/_mock/reset`: all is as at the start, but for keys and the clock.

use atlas::domain::key::OwnLimits;
use serde_json::json;

use super::{ask, fault, mock, sessions, tell, told};
use crate::world::{HOUR, Key, NOON, World};

fn reset(world: &World) {
    let answer = tell(world, "/_mock/reset", "{}");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "reset": true }))
    );
}

/// Leaves traces wherever some can be left.
fn use_everything(world: &World, key: &Key) -> String {
    let order = world.order(key).idempotent("order_1");
    let session = order.send().session();
    assert!(order.send().replayed());
    fault(world, r#"{"fault":"status=503","share":0}"#);
    let limits = format!(
        r#"{{"key":"{}","minute":5,"day":6,"concurrency":7}}"#,
        key.id
    );
    assert_eq!(tell(world, "/_mock/limits", &limits).status, 200);
    for _ in 0..10 {
        world.get("/functions/v1/sessions/x").send();
    }
    told(world, "", 12);
    session
}

fn as_at_the_start(world: &World, key: &Key, session: &str) {
    assert_eq!((sessions(world), world.report(key).used_today), (0, 0));
    assert_eq!(ask(world, "/_mock/faults")["data"], json!([]));
    assert_eq!(ask(world, "/_mock/requests")["data"], json!([]));
    let limits = tell(
        world,
        "/_mock/limits",
        &format!(r#"{{"key":"{}"}}"#, key.id),
    )
    .json();
    for (name, whole) in [("minute", 1_000), ("day", 100_000), ("concurrency", 50)] {
        assert_eq!(limits[name]["remaining"], whole, "{name}");
    }
    let stranger = world.get("/functions/v1/sessions/x").send();
    assert_eq!((stranger.scope(), stranger.remaining()), ("address", 59));
    world
        .look_up(key, session)
        .send()
        .expect(404, "session_not_found");
    let order = world.order(key).idempotent("order_1").send();
    assert!(!order.replayed() && order.session() != session);
}

#[test]
fn whatever_came_of_requests_is_gone() {
    let world = mock();
    let key = world.key();
    let session = use_everything(&world, &key);
    reset(&world);
    as_at_the_start(&world, &key, &session);
    let log = told(&world, "", 3);
    let numbers: Vec<_> = log.iter().map(|entry| entry["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
}

#[test]
fn what_is_gone_stays_gone_over_a_restart() {
    let world = mock();
    let key = world.key();
    let session = use_everything(&world, &key);
    reset(&world);
    let world = world.restart();
    as_at_the_start(&world, &key, &session);
    let world = world.restart();
    assert_eq!(sessions(&world), 1);
    assert!(world.order(&key).idempotent("order_1").send().replayed());
}

#[test]
fn keys_and_the_clock_stay() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        per_minute: Some(7),
        ..OwnLimits::default()
    });
    let revoked = world.key();
    world.revoke(&revoked);
    tell(&world, "/_mock/clock", r#"{"advance":"48h"}"#);
    reset(&world);
    assert_eq!(world.now(), NOON + 48 * 3_600);
    assert_eq!(world.probe(&key).send().number("x-ratelimit-limit"), 7);
    world.probe(&revoked).send().expect(401, "api_key_revoked");
    assert_eq!(world.keys().len(), 2);
}

#[test]
fn a_request_that_runs_goes_on_and_keeps_its_slot() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        concurrent: Some(1),
        ..OwnLimits::default()
    });
    let held = world.hold(&key);
    reset(&world);
    world.probe(&key).send().expect_limit("concurrency");
    assert_eq!(held.finish().status, 201);
    assert_eq!(
        (world.probe(&key).send().status, sessions(&world)),
        (404, 1)
    );
}

#[test]
fn the_day_of_a_key_begins_anew_also_later_that_day() {
    let world = mock();
    let key = world.key_with(OwnLimits {
        per_day: Some(3),
        ..OwnLimits::default()
    });
    for _ in 0..3 {
        let status = || world.probe(&key).send().status;
        assert_eq!(
            [status(), status(), status(), status()],
            [404, 404, 404, 429]
        );
        reset(&world);
        world.advance(HOUR);
    }
    let charted = world.app.last_days(
        &world.app.key(&key.id).expect("a key"),
        world.app.clock.now(),
    );
    let charted = charted.expect("the store reads");
    assert!(charted.iter().all(|(_, outcomes)| outcomes.total() == 0));
}

#[test]
fn a_reset_is_asked_for_with_an_object() {
    let world = mock();
    let key = world.key();
    world.order(&key).send();
    tell(&world, "/_mock/reset", "[]").expect(400, "invalid_json");
    tell(&world, "/_mock/reset", "").expect(400, "invalid_json");
    assert_eq!(sessions(&world), 1);
}

#[test]
fn a_reset_takes_no_members() {
    let world = mock();
    assert_eq!(world.order(&world.key()).send().status, 201);
    let refused = tell(&world, "/_mock/reset", r#"{"clock":true}"#);
    refused.expect(400, "parameter_invalid");
    assert_eq!(refused.param().as_deref(), Some("clock"));
    assert_eq!(sessions(&world), 1);
}
