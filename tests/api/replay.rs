//! Replay (contract, section 3).

use crate::world::World;

#[test]
fn a_repeated_request_gets_the_same_bytes_and_says_so() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_12345").send();
    let second = world.order(&key).idempotent("order_12345").send();
    assert_eq!((first.status, first.replayed()), (201, false));
    assert_eq!((second.status, second.replayed()), (201, true));
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("idempotency-key"), Some("order_12345"));
}
