//! When an event is tried again, and when no more.

use std::time::Duration;

use atlas::domain::delivery::DeliveryState;

use super::delivery::signed_at;
use super::receiver::Answer;
use super::shop::Shop;
use crate::world::{HOUR, MILLISECOND, NOON};

const MINUTE: Duration = Duration::from_secs(60);

/// When the next attempt is due, from noon on.
fn due(delivery: &atlas::domain::delivery::Delivery) -> Option<Duration> {
    let noon = Duration::from_secs(NOON);
    delivery
        .due()
        .map(|due| Duration::from_millis(due.millis()) - noon)
}

#[test]
fn an_event_is_tried_at_once_and_then_5_min_30_min_2_h_and_24_h_after_that() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(503));
    let event = shop.happens();
    let mut now = Duration::ZERO;
    let schedule = [5 * MINUTE, 30 * MINUTE, 2 * HOUR, 24 * HOUR];
    for (attempts, next) in (1..).zip(schedule) {
        let delivery = shop.tried(event, attempts);
        assert_eq!(due(&delivery), Some(next));
        assert_eq!(delivery.state(), DeliveryState::Retrying);
        shop.advance((next - now).as_secs());
        now = next;
    }
    let delivery = shop.tried(event, 5);
    assert_eq!(
        (due(&delivery), delivery.state()),
        (None, DeliveryState::Failed)
    );
    let hits = shop.receiver.wait_for(5);
    for hit in &hits {
        assert_eq!(hit.body, hits[0].body, "the same bytes each time");
        assert_eq!(
            hit.header("x-atlas-delivery"),
            hits[0].header("x-atlas-delivery")
        );
        assert!(signed_at(hit, &shop.secret).is_some());
    }
}

#[test]
fn no_attempt_is_made_before_its_time() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let first = shop.happens();
    shop.tried(first, 1);
    shop.world.advance(5 * MINUTE - MILLISECOND);
    // What is due comes in order, so the first would have been begun before the second.
    let second = shop.happens();
    shop.tried(second, 1);
    assert_eq!(shop.delivery(first).attempts.len(), 1);
    shop.world.advance(MILLISECOND);
    shop.world.app.wake_deliveries();
    shop.tried(first, 2);
}

#[test]
fn success_ends_it() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let event = shop.happens();
    shop.tried(event, 1);
    shop.receiver.answer(Answer::Status(200));
    shop.advance(300);
    assert_eq!(shop.tried(event, 2).state(), DeliveryState::Delivered);
    shop.advance(48 * 3_600);
    let other = shop.happens();
    let hits = shop.receiver.wait_for(3);
    assert_eq!(hits[2].event(), other.to_string());
}

#[test]
fn an_event_may_be_sent_later() {
    let shop = Shop::new();
    let kind = atlas::domain::event::EventType::PaymentCaptured;
    let mut outgoing = super::shop::announce(&shop.world, "default", kind).expect("wanted");
    let now = shop.world.clock.now();
    outgoing.due = now.plus(HOUR);
    super::shop::block_on(shop.world.app.send_event(&outgoing, now)).expect("kept");
    let other = shop.happens();
    let hits = shop.receiver.wait_for(1);
    assert_eq!(hits[0].event(), other.to_string());
    shop.advance(3_600);
    let hits = shop.receiver.wait_for(2);
    assert_eq!(hits[1].event(), outgoing.event.id.to_string());
}

#[test]
fn one_that_never_answers_does_not_hold_up_the_others() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Silence);
    let stuck: Vec<_> = (0..40).map(|_| shop.happens()).collect();
    let other = super::receiver::Receiver::new();
    super::shop::add(&shop.world, "other", &other.url(), &[]).expect("an endpoint");
    let kind = atlas::domain::event::EventType::PaymentFailed;
    super::shop::happens(&shop.world, "other", kind).expect("wanted");
    other.wait_for(1);
    let untried = |event: &&_| shop.delivery(**event).attempts.is_empty();
    assert_eq!(stuck.iter().filter(untried).count(), 40);
    assert!(shop.receiver.hits().len() <= 4, "and gets few at once");
}
