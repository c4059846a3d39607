//! `delay`: a request that is slow as a real one is: it has its place, and has done nothing yet. Tests end the wait by
//! moving the clock beyond it.

use atlas::app::Standing;

use super::{all_slots_come_back, fault, mock, running, sessions, standing_of, tell};
use crate::http2::wire::{Client, DATA, END_STREAM, RST_STREAM, over_tls};
use crate::world::{CREATE, Held, Key, ORDER, Request, World, eventually};

fn slow(world: &World, key: &Key) -> Held {
    slowly(world, key, world.order(key))
}

fn slowly(world: &World, key: &Key, request: Request) -> Held {
    let request = request.header("X-Atlas-Mock", "delay=5m");
    let before = running(world, key);
    let held = request.start();
    eventually("it runs", || running(world, key) > before);
    held
}

/// The same under an idempotency key, which it has taken once this returns: a slot comes first.
fn slowly_once(world: &World, key: &Key, request: Request, name: &str) -> Held {
    let held = slowly(world, key, request);
    let has_it = || matches!(standing_of(world, name), Standing::Running);
    eventually("it has its place", has_it);
    held
}

fn pass_five_minutes(world: &World) {
    let answer = tell(world, "/_mock/clock", r#"{"advance":"5m"}"#);
    assert_eq!(answer.status, 200);
}

#[test]
fn of_fifty_one_slow_requests_the_last_finds_no_slot() {
    let world = mock();
    let key = world.key();
    let held: Vec<Held> = (0..50).map(|_| slow(&world, &key)).collect();
    let refused = world.order(&key).header("X-Atlas-Mock", "delay=5m").send();
    refused.expect_limit("concurrency");
    assert_eq!((sessions(&world), running(&world, &key)), (0, 50));
    assert_eq!(world.order(&world.key()).send().status, 201);
    pass_five_minutes(&world);
    for one in held {
        assert_eq!(one.finish().status, 201);
    }
    all_slots_come_back(&world, &key);
    assert_eq!(world.order(&key).send().status, 201);
}

#[test]
fn while_a_delayed_request_runs_its_repetition_is_told_to_wait() {
    let world = mock();
    let key = world.key();
    let order = || world.order(&key).idempotent("slow");
    let held = slowly_once(&world, &key, order(), "slow");
    let early = order().send();
    early.expect(409, "idempotency_key_in_use");
    assert_eq!(early.header("retry-after"), Some("1"));
    let other = world.order_of(&key, r#"{"amount":1,"currency":"USD"}"#);
    let other = other.idempotent("slow").send();
    other.expect(409, "idempotency_key_reused");
    let spelt = r#"{ "currency": "USD", "amount": 4990 }"#;
    let spelt = world.order_of(&key, spelt).idempotent("slow").send();
    spelt.expect(409, "idempotency_key_in_use");
    pass_five_minutes(&world);
    let first = held.finish();
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (201, None)
    );
    let late = order().send();
    assert_eq!(late.header("idempotent-replayed"), Some("true"));
    assert_eq!((late.body, sessions(&world)), (first.body, 1));
}

#[test]
fn a_client_that_hangs_up_in_a_delay_does_not_stop_its_operation() {
    let world = mock();
    let key = world.key();
    let order = || world.order(&key).idempotent("slow");
    slowly_once(&world, &key, order(), "slow")
        .connection
        .reset();
    // The server has heard of that before it hears of this.
    for _ in 0..20 {
        order().send().expect(409, "idempotency_key_in_use");
    }
    assert_eq!((sessions(&world), running(&world, &key)), (0, 1));
    pass_five_minutes(&world);
    all_slots_come_back(&world, &key);
    let late = order().send();
    assert_eq!(
        (late.status, late.replayed(), sessions(&world)),
        (201, true, 1)
    );
}

#[test]
fn nor_does_a_stream_that_is_reset() {
    let world = World::with(|settings| {
        settings.mock = true;
        over_tls(settings);
    });
    let key = world.key();
    let bearer = format!("Bearer {}", key.secret);
    let head = |path| {
        vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
            ("authorization", &bearer),
            ("content-type", "application/json"),
            ("idempotency-key", "slow"),
        ]
    };
    let mut client = Client::to(world.address, &[]);
    client.ask(
        1,
        0,
        &[head(CREATE), vec![("x-atlas-mock", "delay=5m")]].concat(),
    );
    client.say(DATA, END_STREAM, 1, ORDER.as_bytes());
    let has_it = || matches!(standing_of(&world, "slow"), Standing::Running);
    eventually("it has its place", has_it);
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    client.say(RST_STREAM, 0, 1, &CANCEL);
    let mut ask = |stream, path, body: &str| {
        client.ask(stream, 0, &head(path));
        client.say(DATA, END_STREAM, stream, body.as_bytes());
        client.status_of(stream)
    };
    assert_eq!(ask(3, CREATE, ORDER), Ok(409));
    assert_eq!(ask(5, "/_mock/clock", r#"{"advance":"5m"}"#), Ok(200));
    all_slots_come_back(&world, &key);
    assert_eq!((ask(7, CREATE, ORDER), sessions(&world)), (Ok(201), 1));
}

#[test]
fn a_short_delay_passes_by_itself() {
    let world = mock();
    let key = world.key();
    let answer = world
        .order(&key)
        .header("X-Atlas-Mock", "delay=10ms")
        .send();
    assert_eq!(answer.status, 201);
}

#[test]
fn a_wait_is_not_over_before_the_clock_is_moved_so_far() {
    let world = mock();
    let key = world.key();
    let held = slow(&world, &key);
    tell(&world, "/_mock/clock", r#"{"advance":"299s"}"#);
    tell(&world, "/_mock/clock", r#"{"advance":"999ms"}"#);
    assert_eq!((sessions(&world), running(&world, &key)), (0, 1));
    tell(&world, "/_mock/clock", r#"{"advance":"1ms"}"#);
    assert_eq!(held.finish().status, 201);
}

#[test]
fn what_is_done_after_the_wait_is_done_at_that_time() {
    let world = mock();
    let key = world.key();
    let held = slow(&world, &key);
    pass_five_minutes(&world);
    let made = held.finish();
    assert_eq!(made.text("created_at"), "2026-11-25T12:05:00.000Z");
}

#[test]
fn a_server_that_is_told_to_stop_waits_no_longer() {
    let world = mock();
    let key = world.key();
    let held = slow(&world, &key);
    let world = world.restart();
    let made = held.finish();
    assert_eq!(made.status, 201);
    assert_eq!(world.look_up(&key, &made.session()).send().status, 200);
}

#[test]
fn a_rule_can_be_slow_too() {
    let world = mock();
    let key = world.key();
    fault(&world, r#"{"fault":"delay=5m; status=503","times":1}"#);
    let held = world.order(&key).start();
    eventually("it runs", || running(&world, &key) == 1);
    pass_five_minutes(&world);
    held.finish().expect(503, "storage_unavailable");
    assert_eq!(world.order(&key).send().status, 201);
}

#[test]
fn a_request_that_fails_slowly_holds_its_key_as_well() {
    let world = mock();
    let key = world.key();
    fault(&world, r#"{"fault":"delay=5m; status=500","times":1}"#);
    let order = || world.order(&key).idempotent("slow");
    let held = order().start();
    let has_it = || matches!(standing_of(&world, "slow"), Standing::Running);
    eventually("it has its place", has_it);
    order().send().expect(409, "idempotency_key_in_use");
    pass_five_minutes(&world);
    held.finish().expect(500, "internal_error");
    assert_eq!(order().send().status, 201);
}
