//! Secrets ended by forms: roll and revoke.

use super::key_forms::{once, order, path, secret};
use super::operator::{Operator, goes_to, page_of};
use crate::world::{HOUR, Key, MILLISECOND, Response, World};

fn roll(operator: &Operator<'_>, key: &Key, grace: &str) -> Response {
    let once = once(operator, &path(key, ""), "roll");
    operator.post(&path(key, "/roll"), &[("once", &once), ("grace", grace)])
}

#[test]
fn the_old_secret_works_until_the_chosen_grace_is_over() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let new = secret(&page_of(&roll(&operator, &key, "1h"), 200));
    assert_eq!(
        (
            order(&world, &key.secret).status,
            order(&world, &new).status
        ),
        (201, 201)
    );
    world.advance(HOUR - MILLISECOND);
    assert_eq!(order(&world, &key.secret).status, 201);
    world.advance(MILLISECOND);
    order(&world, &key.secret).expect(401, "api_key_expired");
    assert_eq!(order(&world, &new).status, 201);
}

#[test]
fn without_grace_the_old_secret_is_refused_at_once() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let new = secret(&page_of(&roll(&operator, &key, "0s"), 200));
    order(&world, &key.secret).expect(401, "api_key_expired");
    assert_eq!(order(&world, &new).status, 201);
}

#[test]
fn a_roll_sent_twice_rolls_once() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let once = once(&operator, &path(&key, ""), "roll");
    let fields = [("once", once.as_str()), ("grace", "0s")];
    let new = secret(&page_of(&operator.post(&path(&key, "/roll"), &fields), 200));
    let again = operator.post(&path(&key, "/roll"), &fields);
    let page = operator.page(&goes_to(&again));
    assert!(page.holds(
        "This form was sent twice; the secret was made once. If you did not see it, roll the key again."
    ));
    assert_eq!(order(&world, &new).status, 201);
}

#[test]
fn a_form_without_its_number_does_nothing_and_comes_back_with_one() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let (name, mode) = (("name", "Another"), ("mode", "test"));
    for (place, fields, form) in [
        ("/dashboard/keys/new".to_owned(), vec![name, mode], "create"),
        (path(&key, "/roll"), vec![("grace", "0s")], "roll"),
    ] {
        let page = page_of(&operator.post(&place, &fields), 400);
        assert!(page.holds("so nothing was done"), "{place}");
        let number = page.id(form).field("once");
        assert!(number.is_some_and(|once| !once.is_empty()), "{place}");
    }
    assert_eq!(order(&world, &key.secret).status, 201, "not rolled");
    assert_eq!(
        operator.rows("/dashboard/keys", "keys").len(),
        1,
        "not made"
    );
}

#[test]
fn a_grace_that_is_none_rolls_nothing() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for grace in ["", "soon", "-1h", "9999999d"] {
        page_of(&roll(&operator, &key, grace), 400);
        assert_eq!(order(&world, &key.secret).status, 201, "{grace}");
    }
}

#[test]
fn a_key_is_revoked_by_its_own_name_only_and_the_next_request_is_refused() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for name in ["", "a key", "Another key", &key.id.to_string()] {
        page_of(
            &operator.post(&path(&key, "/revoke"), &[("name", name)]),
            400,
        );
        assert_eq!(order(&world, &key.secret).status, 201, "{name}");
    }
    let answer = operator.post(&path(&key, "/revoke"), &[("name", "A key")]);
    assert_eq!(goes_to(&answer), path(&key, "?done=revoked"));
    order(&world, &key.secret).expect(401, "api_key_revoked");
    assert!(operator.page(&path(&key, "")).says("revoked"));
}

#[test]
fn a_revoked_key_stays_so_whatever_is_posted() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let once = once(&operator, &path(&key, ""), "roll");
    world.revoke(&key);
    let roll = [("once", once.as_str()), ("grace", "0s")];
    let update = [("name", "New"), ("expires", "never")];
    for (verb, fields) in [("/roll", roll), ("/update", update)] {
        let page = page_of(&operator.post(&path(&key, verb), &fields), 400);
        let alerts = page.all("p");
        let mut alerts = alerts
            .iter()
            .filter(|one| one.attribute("role") == Some("alert"));
        let said = alerts.next().expect("a reason").text();
        assert!(said.contains("revoked"), "{verb}: {said}");
    }
    order(&world, &key.secret).expect(401, "api_key_revoked");
}
