//! Sessions whose time is over: who is told, and that nobody waits for it.

use atlas::app::webhooks::EndpointCommand;
use atlas::domain::event::EventType;
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::shop::{Shop, add, happens, manage};
use crate::world::{HOUR, Key, World, eventually};

/// Names of the events that arrived.
fn kinds(receiver: &Receiver) -> Vec<String> {
    let of = |event: Value| event["type"].as_str().expect("a type").to_owned();
    let hits = receiver.hits();
    hits.iter().map(|hit| of(hit.json())).collect()
}

fn count(receiver: &Receiver, kind: &str) -> usize {
    kinds(receiver)
        .iter()
        .filter(|found| *found == kind)
        .count()
}

/// A session that can be paid for an hour.
fn open_session(world: &World, key: &Key) -> Value {
    let body = r#"{"amount":4990,"currency":"USD","expires":3600}"#;
    world.order_of(key, body).send().json()
}

fn time_goes_by(world: &World, hours: u32) {
    world.advance(HOUR * hours);
    world.app.wake_deliveries();
}

/// The buyer's bank asks for something.
fn challenge(world: &World, session: &Value) {
    let path = format!(
        "/functions/v1/confirm-payment/{}",
        session["id"].as_str().expect("an id")
    );
    let secret = session["client_secret"].as_str().expect("a secret");
    let answer = world.post(&path).bearer(secret);
    let answer = answer
        .json(r#"{"token_id":"tok_threeDSecure2Required"}"#)
        .send();
    assert_eq!(answer.json()["status"], "requires_action");
}

fn listening(world: &World, events: &[EventType]) -> Receiver {
    let receiver = Receiver::new();
    add(world, "default", &receiver.url(), events).expect("an endpoint");
    receiver
}

#[test]
fn a_crowd_of_sessions_that_end_together_is_told_and_other_events_go_on() {
    let world = World::with(|settings| settings.limits.per_minute = 10_000);
    let key = world.key();
    let receiver = listening(
        &world,
        &[EventType::SessionExpired, EventType::PaymentCaptured],
    );
    const CROWD: usize = 700;
    for _ in 0..CROWD {
        open_session(&world, &key);
    }
    happens(&world, "default", EventType::PaymentCaptured).expect("told");
    time_goes_by(&world, 2);
    eventually("each is told", || {
        count(&receiver, "session.expired") == CROWD
    });
    assert_eq!(count(&receiver, "payment.captured"), 1);
}

#[test]
fn who_asks_later_is_told_of_what_ends_later_and_not_of_what_has_ended() {
    let world = World::new();
    let key = world.key();
    open_session(&world, &key);
    world.advance(HOUR * 2);
    open_session(&world, &key);
    let challenged = open_session(&world, &key);
    challenge(&world, &challenged);
    let receiver = listening(
        &world,
        &[EventType::SessionExpired, EventType::PaymentCanceled],
    );
    world.advance(HOUR * 2);
    eventually("they are told", || {
        world.app.wake_deliveries();
        count(&receiver, "session.expired") == 2
    });
    eventually("the payment too", || {
        count(&receiver, "payment.canceled") == 1
    });
}

#[test]
fn a_payment_that_is_given_up_with_its_session_is_told_to_who_asked_for_that_alone() {
    let world = World::new();
    let key = world.key();
    let receiver = listening(&world, &[EventType::PaymentCanceled]);
    let session = open_session(&world, &key);
    challenge(&world, &session);
    time_goes_by(&world, 2);
    receiver.wait_for(1);
    assert_eq!(kinds(&receiver), ["payment.canceled"]);
}

#[test]
fn an_endpoint_that_is_found_at_a_start_is_told_of_sessions_that_were_there() {
    let world = World::new();
    let key = world.key();
    open_session(&world, &key);
    let receiver = listening(&world, &[EventType::SessionExpired]);
    let world = world.restart();
    world.advance(HOUR * 2);
    eventually("it is told", || {
        world.app.wake_deliveries();
        count(&receiver, "session.expired") == 1
    });
}

#[test]
fn an_endpoint_that_hangs_stands_in_nobody_elses_way() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Silence);
    for _ in 0..40 {
        shop.happens();
    }
    let other = Receiver::new();
    add(&shop.world, "other", &other.url(), &[]).expect("an endpoint");
    happens(&shop.world, "other", EventType::PaymentCaptured).expect("told");
    other.wait_for(1);
}

#[test]
fn what_is_due_while_an_endpoint_is_paused_is_sent_when_it_goes_on() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let event = shop.happens();
    shop.tried(event, 1);
    let id = shop.endpoint;
    manage(&shop.world, EndpointCommand::Pause { id, paused: true });
    shop.receiver.answer(Answer::Status(200));
    shop.advance(400);
    manage(&shop.world, EndpointCommand::Pause { id, paused: false });
    assert!(shop.tried(event, 2).due().is_none());
}

#[test]
fn an_event_that_a_test_asks_for_is_about_what_it_says() {
    let world = World::new();
    let key = world.key();
    for (kind, object, status) in [
        ("payment.canceled", "payment_intent", "canceled"),
        (
            "payment.requires_action",
            "payment_intent",
            "requires_action",
        ),
        ("payment.refunded", "payment_intent", "refunded"),
        ("payment.failed", "payment_intent", "failed"),
        ("session.expired", "payment_session", "canceled"),
        ("session.canceled", "payment_session", "canceled"),
        ("refund.succeeded", "refund", "succeeded"),
        ("dispute.created", "payment_intent", "captured"),
    ] {
        let body = json!({"event_type": kind}).to_string();
        let answer = world
            .post("/functions/v1/test-webhooks")
            .key(&key)
            .json(&body)
            .send();
        let told = &answer.json()["data"]["object"];
        assert_eq!(
            (&told["object"], &told["status"]),
            (&json!(object), &json!(status)),
            "{kind}"
        );
    }
}
