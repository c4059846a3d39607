//! What outlives the server: events that have not arrived, and what is known of them.

use atlas::domain::delivery::DeliveryState;

use super::receiver::{Answer, Receiver};
use super::shop::{Shop, happens};
use crate::world::{MILLISECOND, SECOND, World};

#[test]
fn what_has_not_arrived_is_sent_after_a_restart() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let event = shop.happens();
    shop.tried(event, 1);
    let shop = shop.restart();
    assert_eq!(shop.delivery(event).attempts.len(), 1);
    shop.receiver.answer(Answer::Status(200));
    shop.advance(300);
    assert_eq!(shop.tried(event, 2).state(), DeliveryState::Delivered);
    let hits = shop.receiver.wait_for(2);
    assert_eq!(hits[0].body, hits[1].body);
    assert!(super::delivery::signed_at(&hits[1], &shop.secret).is_some());
}

#[test]
fn what_has_arrived_is_not_sent_again() {
    let shop = Shop::new();
    let event = shop.happens();
    shop.tried(event, 1);
    let shop = shop.restart();
    assert_eq!(shop.delivery(event).state(), DeliveryState::Delivered);
    let other = shop.happens();
    let hits = shop.receiver.wait_for(2);
    assert_eq!(hits[1].event(), other.to_string());
}

#[test]
fn an_attempt_without_an_answer_is_cut_by_the_stop_and_made_again_by_the_start() {
    let shop = Shop::with(|settings| settings.shutdown_timeout = 50 * MILLISECOND);
    shop.receiver.answer(Answer::Silence);
    let event = shop.happens();
    shop.receiver.wait_for(1);
    let shop = shop.restart();
    shop.receiver.wait_for(2);
    assert!(shop.delivery(event).attempts.is_empty(), "none has ended");
}

#[test]
fn an_attempt_under_way_may_end_before_the_stop() {
    let shop = Shop::with(|settings| settings.webhook_timeout = 2 * SECOND);
    shop.receiver.answer(Answer::Silence);
    let event = shop.happens();
    shop.receiver.wait_for(1);
    let shop = shop.restart();
    assert_eq!(shop.delivery(event).attempts.len(), 1, "it was noted");
}

#[test]
fn an_endpoint_given_at_the_start_goes_on_after_a_restart() {
    let receiver = Receiver::new();
    let url = receiver.url().parse().expect("a URL");
    let world = World::with(move |settings| settings.webhook = vec![Clone::clone(&url)]);
    receiver.answer(Answer::Status(500));
    let kind = atlas::domain::event::EventType::DisputeLost;
    let event = happens(&world, "anybody", kind).expect("it is told everything");
    receiver.wait_for(1);
    let world = world.restart();
    world.advance(crate::world::HOUR);
    world.app.wake_deliveries();
    let hits = receiver.wait_for(2);
    assert_eq!(hits[1].event(), event.to_string());
}

#[test]
fn no_secret_of_an_endpoint_is_on_the_disk() {
    let shop = Shop::new();
    shop.happens();
    shop.receiver.wait_for(1);
    assert!(!shop.world.keeps(shop.secret.as_bytes()));
    assert!(!shop.world.keeps(&shop.secret.as_bytes()[6..]));
}

#[test]
fn events_are_kept_for_thirty_days() {
    let shop = Shop::new();
    let event = shop.happens();
    shop.tried(event, 1);
    shop.advance(30 * 86_400);
    let later = shop.happens();
    let known = |event| shop.world.app.event(&event).expect("read").is_some();
    assert!(known(event), "to the day");
    shop.advance(3_600);
    crate::world::eventually("the event is forgotten", || !known(event));
    assert!(known(later));
    let page = shop.world.app.deliveries(None).expect("read");
    let left: Vec<_> = page.rows.iter().map(|(one, _)| one.event).collect();
    assert_eq!(left, [later]);
}
