//! What the page of a request says of how it came and went.

use std::time::Duration;

use super::operator::Operator;
use crate::world::{CREATE, World};

/// Uses up what is kept whole of this second and of the next hour.
fn too_many(world: &World, is_of_key: bool) {
    let later = world.app.clock.now().plus(Duration::from_secs(3_600));
    let takes = || world.app.requests.has_room_for_whole(is_of_key, later);
    while takes() {}
}

#[test]
fn a_body_in_which_something_is_masked_is_shown_whole() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let body = r#"{"amount":1,"currency":"USD","number":"4242424242424242"}"#;
    world.order_of(&key, body).idempotent("order_1").send();
    let page = operator.detail_of("order_1");
    let text = page.text();
    assert!(
        text.contains("...4242") && !text.contains("Cut here"),
        "{text}"
    );
}

#[test]
fn a_fault_that_was_asked_for_is_named() {
    let world = World::with(|settings| settings.mock = true);
    let key = world.key();
    let operator = Operator::of(&world);
    let order = world.order(&key).idempotent("order_1");
    let order = order.header("X-Atlas-Mock", "truncate-body;status=503");
    order.start().connection.wait_for_end();
    let page = operator.detail_of("order_1");
    assert!(
        page.text().contains("status=503; truncate-body"),
        "{}",
        page.text()
    );
    world.order(&key).idempotent("order_2").send();
    assert!(
        !operator
            .detail_of("order_2")
            .text()
            .contains("Fault asked for")
    );
}

#[test]
fn of_too_many_within_a_second_the_list_has_all_and_headers_and_bodies_are_left_out() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    world.order(&key).idempotent("before").send();
    too_many(&world, true);
    let order = world.order(&key).idempotent("after");
    assert_eq!(order.send().status, 201);
    assert!(operator.detail_of("before").find("brief").is_none());
    let page = operator.detail_of("after");
    let is_told = page.text().contains("too many came within its second");
    assert!(is_told && page.text().contains("201"), "{}", page.text());
    assert!(page.find("curl").is_none() && !page.text().contains("4990"));
}

#[test]
fn strangers_use_up_nothing_of_what_is_kept_of_keys() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    too_many(&world, false);
    let stranger = world.post(CREATE).header("X-Request-Id", "stranger");
    assert_eq!(stranger.send().status, 401);
    world.order(&key).idempotent("order_1").send();
    let stranger = operator.request_with("stranger");
    let stranger = operator.page(&super::operator::detail_path(&stranger));
    assert!(stranger.find("brief").is_some(), "{}", stranger.text());
    assert!(operator.detail_of("order_1").find("curl").is_some());
}

#[test]
fn the_mock_keeps_every_request_whole() {
    let world = World::with(|settings| settings.mock = true);
    let key = world.key();
    let operator = Operator::of(&world);
    too_many(&world, true);
    world.order(&key).idempotent("order_1").send();
    let page = operator.detail_of("order_1");
    assert!(page.find("brief").is_none() && page.find("curl").is_some());
}
