//! What is counted of deliveries.

use super::receiver::Answer;
use super::shop::Shop;
use crate::metrics::{counted, sample, those};
use crate::world::{SECOND, eventually};

#[test]
fn webhooks_are_counted_by_attempt_and_what_waits_is_late_from_when_it_is_due() {
    let shop = Shop::new();
    let world = &shop.world;
    // Rows of one commit come one by one: an attempt may be noted before the outbox is.
    let waits = |count: f64, late: f64| {
        let names = ["outbox_deliveries", "oldest_due_seconds"];
        let both = || names.map(|name| sample(world, &format!("atlas_webhook_{name}")));
        eventually("so many wait", || both() == [count, late]);
    };
    waits(0.0, 0.0);
    shop.receiver.answer(Answer::Status(503));
    let event = shop.happens();
    shop.tried(event, 1);
    waits(1.0, 0.0);
    shop.receiver.answer(Answer::Status(200));
    shop.advance(300);
    shop.tried(event, 2);
    waits(0.0, 0.0);
    let attempts = [
        (r#"outcome="delivered""#, 1.0),
        (r#"outcome="refused""#, 1.0),
    ];
    let counted = counted(world, "atlas_webhook_attempts_total", 2.0);
    assert_eq!(counted, those(&attempts));
    let times = "atlas_webhook_attempt_duration_seconds_count";
    assert_eq!(sample(world, times), 2.0);

    // One that is never answered is due for as long as it is under way.
    shop.receiver.answer(Answer::Silence);
    shop.happens();
    eventually("it is sent", || shop.receiver.hits().len() == 3);
    world.advance(90 * SECOND);
    waits(1.0, 90.0);
}
