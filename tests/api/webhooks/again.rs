//! "Send again": one more attempt, at once.

use atlas::domain::delivery::DeliveryState;
use atlas::domain::id::{EndpointId, EventId};

use super::receiver::Answer;
use super::shop::{Shop, block_on, manage};
use crate::world::{World, eventually};

const UNDER_WAY: &str = "It is being sent right now";

fn resend(world: &World, event: EventId, endpoint: EndpointId) -> Result<(), String> {
    block_on(world.app.resend(&event, &endpoint))
}

/// The same after an attempt that was noted a moment ago and may not have let go of the delivery yet.
fn resend_after(shop: &Shop, event: EventId) {
    let mut answer = Ok(());
    eventually("the attempt has ended", || {
        answer = resend(&shop.world, event, shop.endpoint);
        answer != Err(UNDER_WAY.to_owned())
    });
    answer.expect("sent");
}

#[test]
fn what_has_arrived_is_sent_once_more() {
    let shop = Shop::new();
    let event = shop.happens();
    shop.tried(event, 1);
    resend_after(&shop, event);
    let delivery = shop.tried(event, 2);
    assert!(delivery.attempts[1].by_hand && !delivery.attempts[0].by_hand);
    let hits = shop.receiver.wait_for(2);
    assert_eq!(hits[0].body, hits[1].body);
}

#[test]
fn a_failure_by_hand_leaves_the_schedule_as_it_was() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let event = shop.happens();
    let due = shop.tried(event, 1).due();
    shop.advance(60);
    resend_after(&shop, event);
    let delivery = shop.tried(event, 2);
    assert_eq!((delivery.due(), delivery.attempts[1].by_hand), (due, true));
    shop.advance(240);
    assert!(!shop.tried(event, 3).attempts[2].by_hand);
}

#[test]
fn a_success_by_hand_ends_the_schedule() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let event = shop.happens();
    shop.tried(event, 1);
    shop.receiver.answer(Answer::Status(200));
    resend_after(&shop, event);
    let delivery = shop.tried(event, 2);
    assert_eq!(
        (delivery.due(), delivery.state()),
        (None, DeliveryState::Delivered)
    );
}

#[test]
fn what_is_under_way_is_not_sent_beside_itself() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Silence);
    let event = shop.happens();
    shop.receiver.wait_for(1);
    let refused = resend(&shop.world, event, shop.endpoint);
    assert_eq!(refused, Err(UNDER_WAY.to_owned()));
    assert_eq!(shop.delivery(event).again_at, None);
}

#[test]
fn what_can_t_be_sent_is_refused_with_a_reason() {
    use atlas::app::webhooks::EndpointCommand::{Pause, Remove};
    let shop = Shop::new();
    let (event, id) = (shop.happens(), shop.endpoint);
    shop.tried(event, 1);
    let never = EventId::new(shop.world.clock.now(), [b'0'; 24]);
    let refused = |event, says: &str| {
        let why = resend(&shop.world, event, id).expect_err("refused");
        assert!(why.contains(says), "{why}");
    };
    refused(never, "not kept");
    manage(&shop.world, Pause { id, paused: true });
    refused(event, "paused");
    manage(&shop.world, Pause { id, paused: false });
    shop.world
        .advance(std::time::Duration::from_secs(30 * 86_400));
    refused(event, "not kept");
    manage(&shop.world, Remove { id });
    refused(event, "gone");
}
