//! The list of keys: what a row says, filters, order, pages.

use std::collections::HashSet;
use std::time::Duration;

use atlas::app::keys::NewKey;
use atlas::domain::key::{Mode, OwnLimits};

use super::operator::{Operator, asking};
use crate::world::{HOUR, Key, SECOND, World, new_key};

fn named(world: &World, name: &str, account: &str, mode: Mode) -> Key {
    world.create(NewKey {
        name: name.parse().expect("a name"),
        ..new_key(account, mode)
    })
}

/// The ids of the rows that a query shows.
fn listed(operator: &Operator<'_>, query: &[(&str, &str)]) -> Vec<String> {
    let rows = operator.rows(&asking("/dashboard/keys", query), "keys");
    let id = |row: &super::html::Html| row.attribute("id").expect("an id").to_owned();
    rows.iter().map(id).collect()
}

fn ids(keys: &[&Key]) -> Vec<String> {
    keys.iter().map(|key| key.id.to_string()).collect()
}

#[test]
fn the_first_run_shows_how_to_make_a_key_and_the_second_shows_it() {
    let world = World::new();
    let operator = Operator::of(&world);
    let page = operator.page("/dashboard/keys");
    let first_run = page.id("first-run");
    let form = first_run.all("form").into_iter().next().expect("a form");
    assert_eq!(form.attribute("action"), Some("/dashboard/keys/new"));
    assert!(form.field("once").is_some_and(|once| !once.is_empty()));
    let key = world.key();
    let page = operator.page("/dashboard/keys");
    assert!(page.find("first-run").is_none() && page.find("filter").is_some());
    assert_eq!(listed(&operator, &[]), ids(&[&key]));
}

#[test]
fn a_row_says_what_one_wants_to_know_of_a_key() {
    let world = World::new();
    let key = world.create(NewKey {
        name: "Shop server".parse().expect("a name"),
        limits: OwnLimits {
            per_day: Some(8),
            ..OwnLimits::default()
        },
        ..new_key("shop-1", Mode::Test)
    });
    let operator = Operator::of(&world);
    world.order(&key).send();
    world.order(&key).send();
    let row = operator.rows("/dashboard/keys", "keys").remove(0);
    let masked = format!("sk_test_...{}", &key.secret[40..]);
    for part in ["Shop server", "shop-1", &masked] {
        assert!(row.text().contains(part), "{part} in {}", row.text());
    }
    assert!(row.says("active"), "{}", row.text());
    let bars = [row.all("meter"), row.all("progress")].concat();
    let bar = bars.first().expect("a bar of today's requests");
    assert_eq!(
        (bar.attribute("value"), bar.attribute("max")),
        (Some("2"), Some("8"))
    );
    let links = row.links();
    assert!(
        links.contains(&format!("/dashboard/keys/{}", key.id)),
        "{links:?}"
    );
}

#[test]
fn live_and_test_are_told_in_words() {
    let world = World::new();
    let (test, live) = (world.key(), world.key_of("default", Mode::Live));
    let operator = Operator::of(&world);
    for (key, mode, other) in [(&test, "test", "live"), (&live, "live", "test")] {
        let rows = operator.rows("/dashboard/keys", "keys");
        let mut rows = rows.into_iter();
        let id = key.id.to_string();
        let row = rows
            .find(|row| row.attribute("id") == Some(&id))
            .expect("a row");
        assert!(row.says(mode) && !row.says(other), "{}", row.text());
        let page = operator.page(&format!("/dashboard/keys/{id}"));
        assert!(page.all("main")[0].says(mode), "{mode}");
    }
}

#[test]
fn the_state_of_a_key_is_told_in_words() {
    let world = World::new();
    let (active, revoked, expired) = (world.key(), world.key(), world.key_for(60));
    world.revoke(&revoked);
    world.advance(Duration::from_secs(60));
    let operator = Operator::of(&world);
    for (key, state) in [
        (&active, "active"),
        (&revoked, "revoked"),
        (&expired, "expired"),
    ] {
        assert_eq!(listed(&operator, &[("state", state)]), ids(&[key]));
        let row = &operator.rows(&asking("/dashboard/keys", &[("state", state)]), "keys")[0];
        assert!(row.says(state), "{}", row.text());
    }
}

#[test]
fn a_filter_leaves_what_fits_and_keeps_what_was_asked() {
    let world = World::new();
    let one = named(&world, "Shop server", "shop", Mode::Test);
    world.advance(SECOND);
    let two = named(&world, "Shop worker", "shop", Mode::Live);
    world.advance(SECOND);
    let three = named(&world, "Staging", "staging", Mode::Test);
    let operator = Operator::of(&world);
    for (query, expected) in [
        (&[][..], &[&three, &two, &one][..]),
        (&[("mode", "test")], &[&three, &one]),
        (&[("mode", "live")], &[&two]),
        (&[("account", "shop")], &[&two, &one]),
        (&[("text", "Shop")], &[&two, &one]),
        (&[("text", "work")], &[&two]),
        (&[("mode", "test"), ("account", "shop")], &[&one]),
        (&[("text", "nothing of the kind")], &[]),
        (
            &[("mode", ""), ("account", ""), ("state", ""), ("text", "")],
            &[&three, &two, &one],
        ),
    ] {
        assert_eq!(listed(&operator, query), ids(expected), "{query:?}");
        let filter = operator
            .page(&asking("/dashboard/keys", query))
            .id("filter");
        for (name, value) in query {
            assert_eq!(filter.field(name).as_deref(), Some(*value), "{query:?}");
        }
    }
}

#[test]
fn nonsense_in_a_query_does_no_harm() {
    let world = World::new();
    world.key();
    let operator = Operator::of(&world);
    for query in [
        [("mode", "prod")],
        [("state", "\u{0}")],
        [("sort", "'; drop table keys")],
        [("page", "0")],
        [("page", "-1")],
        [("page", "99999999999999999999")],
        [("account", "a b")],
        [("unknown", "1")],
    ] {
        let status = operator
            .get(&asking("/dashboard/keys", &query))
            .send()
            .status;
        assert!(matches!(status, 200 | 400 | 404), "{query:?}: {status}");
    }
    for query in ["%ff", "mode=%zz", "&&&=&", "page=1&page=2"] {
        let status = operator
            .get(&format!("/dashboard/keys?{query}"))
            .send()
            .status;
        assert!(matches!(status, 200 | 400), "{query}: {status}");
    }
}

#[test]
fn the_list_is_sorted_as_one_likes() {
    let world = World::new();
    let busy = named(&world, "Charlie", "default", Mode::Test);
    world.advance(SECOND);
    let idle = named(&world, "alpha", "default", Mode::Test);
    world.advance(SECOND);
    let recent = named(&world, "Bravo", "default", Mode::Test);
    world.order(&busy).send();
    world.order(&busy).send();
    world.advance(HOUR);
    world.order(&recent).send();
    let operator = Operator::of(&world);
    for (sort, expected) in [
        ("created", [&recent, &idle, &busy]),
        ("used", [&recent, &busy, &idle]),
        ("today", [&busy, &recent, &idle]),
        ("name", [&idle, &recent, &busy]),
    ] {
        assert_eq!(
            listed(&operator, &[("sort", sort)]),
            ids(&expected),
            "{sort}"
        );
    }
}

#[test]
fn a_hundred_and_twenty_keys_take_three_pages() {
    let world = World::new();
    for _ in 0..120 {
        world.key();
    }
    let operator = Operator::of(&world);
    let pages = ["1", "2", "3"].map(|page| listed(&operator, &[("page", page)]));
    assert_eq!([50, 50, 20], pages.each_ref().map(Vec::len));
    let all: HashSet<_> = pages.concat().into_iter().collect();
    assert_eq!(all.len(), 120);
    assert_eq!(listed(&operator, &[]), pages[0]);
    let links = operator.page("/dashboard/keys?mode=test&page=2").links();
    let pages = ["page=1", "page=3"];
    for page in pages {
        let is_next = |link: &&String| link.contains(page) && link.contains("mode=test");
        assert!(
            links.iter().any(|link| is_next(&link)),
            "{page} in {links:?}"
        );
    }
}
