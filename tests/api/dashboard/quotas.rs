//! What the dashboard spends of whose quota.

use super::operator::Operator;
use super::rooms::House;
use crate::world::World;

#[test]
fn whoever_is_in_is_not_counted() {
    let world = World::new();
    let operator = Operator::of(&world);
    let left = operator.get("/dashboard/keys").send().remaining();
    for _ in 0..100 {
        let answer = operator.get("/dashboard/keys").send();
        assert_eq!((answer.status, answer.scope()), (200, "address"));
        assert_eq!(answer.remaining(), left);
    }
}

#[test]
fn a_stranger_spends_from_his_address_and_holds_up_nobody_who_is_in() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let stranger = |path: &str| world.get(path).send();
    let left = stranger("/dashboard/keys").remaining();
    for expected in (0..left).rev() {
        let answer = stranger("/dashboard/keys");
        answer.expect(401, "login_required");
        assert_eq!(answer.remaining(), expected);
    }
    for path in ["/dashboard/keys", "/dashboard/login", "/dashboard/nothing"] {
        stranger(path).expect_limit("address");
    }
    assert!(operator.is_in());
    let answer = world.order(&key).send();
    assert_eq!((answer.status, answer.remaining()), (201, 999));
}

#[test]
fn assets_cost_nothing() {
    let world = World::with(|settings| settings.per_address = 2);
    for _ in 0..5 {
        let answer = world.get("/dashboard/assets/atlas.css").send();
        assert_eq!((answer.status, answer.remaining()), (200, 2));
    }
    for _ in 0..3 {
        world.get("/dashboard/keys").send();
    }
    assert_eq!(world.get("/dashboard/assets/atlas.js").send().status, 200);
}

#[test]
fn looking_at_a_key_touches_none_of_its_numbers() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let used = house.world.report(&house.key).used_today;
    for path in house.pages() {
        operator.page(&path);
    }
    assert_eq!(house.world.report(&house.key).used_today, used);
}
