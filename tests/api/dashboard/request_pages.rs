//! What the page of a request says of how it came and went.

use super::operator::Operator;
use crate::world::World;

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
