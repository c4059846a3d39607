//! Rolling: a new secret for the same key (contract, section 2).

use std::time::Duration;

use atlas::app::keys::{KeyAnswer, KeyChange, KeyCommand};
use atlas::domain::key::Mode;

use crate::world::{MILLISECOND, World, new_key};

#[test]
fn a_roll_without_grace_ends_the_old_secret_at_once() {
    let world = World::new();
    let old = world.key();
    let new = world.roll(&old, 0);
    assert_eq!(old.id, new.id);
    assert_ne!(old.secret, new.secret);
    world.order(&old).send().expect(401, "api_key_expired");
    assert_eq!(world.order(&new).send().status, 201);
    let world = world.restart();
    assert_eq!(world.order(&old).send().status, 401);
    assert_eq!(world.order(&new).send().status, 201);
}

#[test]
fn a_rolled_secret_works_until_its_grace_is_over() {
    let world = World::new();
    let old = world.key();
    let new = world.roll(&old, 60);
    assert_eq!(world.order(&old).send().status, 201);
    assert_eq!(world.order(&new).send().status, 201);
    world.advance(Duration::from_secs(60) - MILLISECOND);
    assert_eq!(world.order(&old).send().status, 201);
    world.advance(MILLISECOND);
    world.order(&old).send().expect(401, "api_key_expired");
    assert_eq!(world.order(&new).send().status, 201);
}

#[test]
fn every_secret_of_a_key_rolled_twice_has_its_own_grace() {
    let world = World::new();
    let first = world.key();
    let second = world.roll(&first, 60);
    let third = world.roll(&second, 120);
    for key in [&first, &second, &third] {
        assert_eq!(world.order(key).send().status, 201);
    }
    world.advance(Duration::from_secs(60));
    world.order(&first).send().expect(401, "api_key_expired");
    assert_eq!(world.order(&second).send().status, 201);
    world.advance(Duration::from_secs(60));
    assert_eq!(world.order(&second).send().status, 401);
    assert_eq!(world.order(&third).send().status, 201);
}

#[test]
fn many_rolls_do_not_shorten_the_grace_of_the_first_secret() {
    let world = World::new();
    let first = world.key();
    let mut last = first.clone();
    for _ in 0..12 {
        last = world.roll(&last, 3_600);
    }
    assert_eq!(world.order(&last).send().status, 201);
    assert_eq!(world.order(&first).send().status, 201);
}

#[test]
fn limits_go_on_over_a_roll_as_if_nothing_had_happened() {
    let world = World::new();
    let old = world.key();
    assert_eq!(world.order(&old).send().remaining(), 999);
    let new = world.roll(&old, 60);
    assert_eq!(world.order(&new).send().remaining(), 998);
    assert_eq!(world.order(&old).send().remaining(), 997);
    assert_eq!(world.report(&new).used_today, 3);
}

#[test]
fn a_retry_after_a_roll_is_a_replay() {
    let world = World::new();
    let old = world.key();
    let first = world.order(&old).idempotent("order_1").send();
    let new = world.roll(&old, 0);
    let retry = world.order(&new).idempotent("order_1").send();
    assert_eq!((retry.replayed(), retry.session()), (true, first.session()));
}

#[test]
fn revoking_ends_the_secrets_in_their_grace_too() {
    let world = World::new();
    let old = world.key();
    let new = world.roll(&old, 3_600);
    world.revoke(&new);
    world.order(&old).send().expect(401, "api_key_revoked");
    world.order(&new).send().expect(401, "api_key_revoked");
}

#[test]
fn an_old_secret_in_its_grace_can_not_be_imported() {
    let world = World::new();
    let old = world.key();
    world.roll(&old, 60);
    let again = world.import(&old.secret, new_key("thief", Mode::Test));
    assert!(matches!(again, KeyAnswer::Failed(_)));
    assert_eq!(world.order(&old).send().status, 201);
}

#[test]
fn old_secrets_can_be_ended_before_their_grace_is_over() {
    let world = World::new();
    let first = world.key();
    let second = world.roll(&first, 3_600);
    let third = world.roll(&second, 7_200);
    assert_eq!(world.report(&third).old_secrets_work_until.len(), 2);
    let change = KeyChange {
        end_old_secrets: true,
        ..KeyChange::default()
    };
    let report = world.update(&third, change);
    assert_eq!(report.old_secrets_work_until, [""; 0]);
    for old in [&first, &second] {
        world.order(old).send().expect(401, "api_key_expired");
    }
    assert_eq!(world.order(&third).send().status, 201);
}

#[test]
fn an_old_secret_is_not_said_to_outlive_its_key() {
    let world = World::new();
    let key = world.key_for(60);
    let ends = world.report(&key).expires_at.expect("an end");
    let answer = world.manage(KeyCommand::Roll {
        id: key.id,
        grace_seconds: 3_600,
    });
    let KeyAnswer::Secret(made) = answer else {
        panic!("no secret");
    };
    assert_eq!(made.old_secret_works_until, Some(ends.clone()));
    assert_eq!(world.report(&key).old_secrets_work_until, [ends]);
}
