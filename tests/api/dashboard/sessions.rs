//! Payment sessions, with money as its currency writes it.

use atlas::domain::key::Mode;
use serde_json::json;

use super::operator::{Operator, asking};
use crate::world::{MILLISECOND, World};

/// The ids of the rows at a place.
fn listed(operator: &Operator<'_>, path: &str) -> Vec<String> {
    let rows = operator.rows(path, "sessions");
    let id = |row: &super::html::Html| row.attribute("id").expect("an id").to_owned();
    rows.iter().map(id).collect()
}

fn of(mode: &str, account: &str) -> String {
    asking(
        "/dashboard/sessions",
        &[("mode", mode), ("account", account)],
    )
}

#[test]
fn money_is_shown_by_the_currency_s_own_exponent() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for (amount, currency, shown) in [
        (500, "JPY", "¥500"),
        (1_234, "KWD", "1.234 KWD"),
        (4_990, "USD", "$49.90"),
        (5, "USD", "$0.05"),
        (5, "KWD", "0.005 KWD"),
        (1, "JPY", "¥1"),
    ] {
        let body = json!({"amount": amount, "currency": currency}).to_string();
        let id = world.order_of(&key, &body).send().session();
        let page = operator.page(&format!("/dashboard/sessions/{id}")).text();
        assert!(page.contains(shown), "{shown} in {page}");
        let rows = operator.rows(&of("test", "default"), "sessions");
        let row = rows.iter().find(|row| row.attribute("id") == Some(&id));
        let row = row.expect("a row").text();
        assert!(row.contains(shown), "{shown} in {row}");
    }
}

#[test]
fn one_session_is_shown_as_it_was_made() {
    let world = World::new();
    let key = world.key();
    let body = json!({
        "amount": 4990, "currency": "usd", "external_id": "order-77",
        "description": "Two shirts", "metadata": {"colour": "blue"},
    });
    let id = world.order_of(&key, &body.to_string()).send().session();
    let world = world.restart();
    let operator = Operator::of(&world);
    let page = operator.page(&format!("/dashboard/sessions/{id}")).text();
    let parts = [
        id.as_str(),
        "$49.90",
        "USD",
        "order-77",
        "Two shirts",
        "colour",
        "blue",
    ];
    for part in parts {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(page.contains("requires_payment_method"), "{page}");
}

#[test]
fn accounts_and_modes_are_kept_apart() {
    let world = World::new();
    let (shop, other) = (
        world.key_of("shop", Mode::Test),
        world.key_of("other", Mode::Test),
    );
    let one = world.order(&shop).send().session();
    let two = world.order(&other).send().session();
    let operator = Operator::of(&world);
    assert_eq!(listed(&operator, &of("test", "shop")), [one]);
    assert_eq!(listed(&operator, &of("test", "other")), [two]);
    for path in [of("live", "shop"), of("test", "default")] {
        let page = operator.page(&path);
        let rows = page.find("sessions").map(|table| table.all("tbody"));
        let rows = rows.unwrap_or_default();
        assert!(rows.iter().all(|rows| !rows.holds("sess_")), "{path}");
    }
}

#[test]
fn a_replay_makes_no_second_session() {
    let world = World::new();
    let key = world.key();
    for _ in 0..3 {
        world.order(&key).idempotent("order_1").send();
    }
    let operator = Operator::of(&world);
    assert_eq!(listed(&operator, &of("test", "default")).len(), 1);
}

#[test]
fn fifty_stand_on_a_page_newest_first_and_before_leads_on() {
    let world = World::new();
    let key = world.key();
    let mut made = Vec::new();
    for _ in 0..120 {
        made.push(world.order(&key).send().session());
        world.advance(MILLISECOND);
    }
    made.reverse();
    let operator = Operator::of(&world);
    let mut path = of("test", "default");
    for expected in made.chunks(50) {
        let page = operator.page(&path);
        assert_eq!(listed(&operator, &path), expected);
        let next = page
            .links()
            .into_iter()
            .find(|link| link.contains("before="));
        assert_eq!(next.is_some(), expected.len() == 50, "{path}");
        path = next.unwrap_or_default();
    }
}

#[test]
fn a_session_that_there_is_not_is_404() {
    let world = World::new();
    let operator = Operator::of(&world);
    for id in ["sess_none", "sess_000000000000000000000000", "%00", "x"] {
        let request = world.get(&format!("/dashboard/sessions/{id}"));
        let answer = request.header("Cookie", operator.cookie()).send();
        answer.expect(404, "session_not_found");
    }
}

#[test]
fn nonsense_in_a_query_does_no_harm() {
    let world = World::new();
    world.order(&world.key()).send();
    let operator = Operator::of(&world);
    for query in [
        [("mode", "prod")],
        [("account", "a b")],
        [("before", "x")],
        [("before", "")],
    ] {
        let path = asking("/dashboard/sessions", &query);
        let status = operator.get(&path).send().status;
        assert!(matches!(status, 200 | 400 | 404), "{query:?}: {status}");
    }
}
