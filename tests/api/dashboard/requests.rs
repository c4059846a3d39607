//! The log of requests: what a row says, filters, pages, and how much is kept.

use std::collections::HashSet;

use atlas::app::keys::KeyChange;
use atlas::domain::key::OwnLimits;

use super::html::Html;
use super::operator::{Operator, asking, detail_path};
use crate::world::{CREATE, Connection, Key, World, eventually};

const UNLIMITED: OwnLimits = OwnLimits {
    per_minute: Some(1_000_000),
    per_day: Some(1_000_000),
    concurrent: None,
};

fn listed(operator: &Operator<'_>, query: &[(&str, &str)]) -> Vec<Html> {
    operator.rows(&asking("/dashboard/requests", query), "requests")
}

#[test]
fn a_row_says_what_came_of_a_request() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let order = world.order(&key).idempotent("order_1");
    let id = order.header("X-Request-Id", "mine-1").send();
    assert_eq!(id.status, 201);
    let row = operator.request_with("mine-1");
    for part in ["POST", CREATE, "201", "order_1"] {
        assert!(row.text().contains(part), "{part} in {}", row.text());
    }
    let masked = format!("sk_test_...{}", &key.secret[40..]);
    let names = ["A key", &masked, &key.id.to_string()];
    assert!(names.iter().any(|name| row.holds(name)), "{}", row.text());
    assert!(!row.text().to_lowercase().contains("replay"));
}

#[test]
fn a_replay_and_a_refusal_are_told_with_the_limit_that_refused() {
    let world = World::new();
    let key = world.key_with(OwnLimits {
        per_minute: Some(2),
        ..OwnLimits::default()
    });
    let operator = Operator::of(&world);
    let order = |id: &str| {
        let order = world.order(&key).idempotent("order_1");
        order.header("X-Request-Id", id).send().status
    };
    assert_eq!(
        [order("first"), order("second"), order("third")],
        [201, 201, 429]
    );
    let replayed = operator.request_with("second").text();
    assert!(replayed.to_lowercase().contains("replay"), "{replayed}");
    let refused = operator.request_with("third").text();
    assert!(
        refused.contains("429") && refused.contains("minute"),
        "{refused}"
    );
}

#[test]
fn the_newest_stands_first_and_the_dashboard_is_not_in_it() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for n in 0..3 {
        world.order(&key).idempotent(&format!("order_{n}")).send();
        operator.request_with(&format!("order_{n}"));
    }
    let rows = listed(&operator, &[]);
    assert_eq!(rows.len(), 3);
    for (row, n) in rows.iter().zip([2, 1, 0]) {
        assert!(row.holds(&format!("order_{n}")), "{}", row.text());
    }
}

#[test]
fn a_filter_leaves_what_fits_and_keeps_what_was_asked() {
    let world = World::new();
    let (one, two) = (world.key(), world.key());
    let operator = Operator::of(&world);
    let id = |key: &Key| key.id.to_string();
    world
        .order(&one)
        .idempotent("a")
        .header("X-Request-Id", "first")
        .send();
    world.probe(&one).header("X-Request-Id", "second").send();
    world
        .order_of(&two, "{}")
        .header("X-Request-Id", "third")
        .send();
    world
        .order(&two)
        .idempotent("b")
        .header("X-Request-Id", "fourth")
        .send();
    world.get("/nowhere").header("X-Request-Id", "fifth").send();
    for request in ["first", "second", "third", "fourth", "fifth"] {
        operator.request_with(request);
    }
    let (one, two) = (id(&one), id(&two));
    for (query, expected) in [
        (&[("key", one.as_str())][..], &["second", "first"][..]),
        (&[("key", two.as_str())], &["fourth", "third"]),
        (&[("status", "201")], &["fourth", "first"]),
        (&[("status", "4xx")], &["fifth", "third", "second"]),
        (&[("status", "4XX")], &["fifth", "third", "second"]),
        (&[("status", "Refused")], &["fifth", "third", "second"]),
        (&[("status", "400")], &["third"]),
        (&[("status", "5xx")], &[]),
        (&[("path", "/nowhere")], &["fifth"]),
        (&[("path", CREATE)], &["fourth", "third", "first"]),
        (&[("idempotency_key", "b")], &["fourth"]),
        (&[("key", one.as_str()), ("status", "201")], &["first"]),
        (
            &[
                ("key", ""),
                ("status", ""),
                ("path", ""),
                ("idempotency_key", "a"),
            ],
            &["first"],
        ),
    ] {
        let rows = listed(&operator, query);
        assert_eq!(rows.len(), expected.len(), "{query:?}");
        for (row, id) in rows.iter().zip(expected) {
            assert!(row.holds(id), "{query:?}: {id} in {}", row.text());
        }
    }
}

/// Sends so many cheap requests on one connection, the last of them with this id.
fn send_many(world: &World, key: &Key, count: usize, last: &str) {
    let mut connection = Connection::to(world.address);
    for _ in 1..count {
        connection.send(&world.probe(key));
    }
    connection.send(&world.probe(key).header("X-Request-Id", last));
}

#[test]
fn the_last_thousand_are_kept_on_twenty_pages() {
    let world = World::new();
    let key = world.key_with(UNLIMITED);
    let operator = Operator::of(&world);
    world.order(&key).idempotent("the_first").send();
    let first = detail_path(&operator.request_with("the_first"));
    send_many(&world, &key, 1_004, "the_last");
    operator.request_with("the_last");
    let mut numbers = HashSet::new();
    for page in 1..=20 {
        let rows = listed(&operator, &[("page", &page.to_string())]);
        assert_eq!(rows.len(), 50, "page {page}");
        numbers.extend(rows.iter().map(detail_path));
    }
    assert_eq!(numbers.len(), 1_000);
    let beyond = operator.get("/dashboard/requests?page=21").send();
    assert!(matches!(beyond.status, 200 | 404));
    let gone = world.get(&first).header("Cookie", operator.cookie());
    gone.send().expect(404, "request_not_found");
}

#[test]
fn strangers_push_no_request_of_a_key_out() {
    let world = World::with(|settings| settings.per_address = 1_000_000);
    let key = world.key();
    let operator = Operator::of(&world);
    world.order(&key).idempotent("mine").send();
    let mine = detail_path(&operator.request_with("mine"));
    let mut connection = Connection::to(world.address);
    for n in 0..1_100 {
        let stranger = world
            .get("/nowhere")
            .header("X-Request-Id", format!("noise-{n}"));
        connection.send(&stranger.bearer("sk_test_guess"));
    }
    eventually("the last stranger is seen", || {
        let rows = listed(&operator, &[("path", "/nowhere")]);
        rows.iter().any(|row| row.holds("noise-1099"))
    });
    let id = key.id.to_string();
    let rows = listed(&operator, &[("key", &id)]);
    assert!(rows.len() == 1 && rows[0].holds("mine"));
    operator.page(&mine);
}

#[test]
fn a_detail_shows_headers_bodies_and_a_curl_line() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let order = world.order(&key).idempotent("order_1");
    let made = order.header("User-Agent", "shop/1.0").send();
    let page = operator.detail_of("order_1");
    for part in [
        "shop/1.0",
        "4990",
        &made.session(),
        made.header("x-request-id").expect("an id"),
        "requires_payment_method",
        "order_1",
    ] {
        assert!(page.text().contains(part), "{part} in {}", page.text());
    }
    let curl = page.id("curl").exact_text();
    for part in ["curl", CREATE, "4990", "Idempotency-Key", "order_1"] {
        assert!(
            curl.to_lowercase().contains(&part.to_lowercase()),
            "{part} in {curl}"
        );
    }
    assert!(!curl.contains(&key.secret[8..40]), "{curl}");
}

#[test]
fn a_reused_key_is_shown_with_the_members_that_differ() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let first = r#"{"amount":4990,"currency":"USD","external_id":"a"}"#;
    let second = r#"{"amount":5990,"currency":"USD","metadata":{"note":"x"}}"#;
    let send = |body: &str, id: &str| {
        let order = world.order_of(&key, body).idempotent("order_1");
        order.header("X-Request-Id", id).send()
    };
    assert_eq!(send(first, "first").status, 201);
    send(second, "second").expect(409, "idempotency_key_reused");
    let differences = operator.detail_of("second").id("differences").text();
    for member in ["amount", "external_id", "metadata"] {
        assert!(differences.contains(member), "{member} in {differences}");
    }
    assert!(!differences.contains("currency"), "{differences}");
    assert!(operator.detail_of("first").find("differences").is_none());
}

#[test]
fn only_the_order_of_members_makes_no_difference_inside_others() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let first = r#"{"amount":1,"currency":"USD","metadata":{"a":"1","b":"2"}}"#;
    let second = r#"{"metadata":{"b":"3","a":"1"},"currency":"USD","amount":1}"#;
    world.order_of(&key, first).idempotent("order_1").send();
    let answer = world.order_of(&key, second).idempotent("order_1");
    answer.send().expect(409, "idempotency_key_reused");
    let rows = || listed(&operator, &[("status", "409")]);
    eventually("the refusal is seen", || !rows().is_empty());
    let page = operator.page(&detail_path(&rows()[0]));
    let differences = page.id("differences").text();
    assert!(differences.contains("metadata"), "{differences}");
    for same in ["amount", "currency"] {
        assert!(!differences.contains(same), "{differences}");
    }
}

#[test]
fn what_differs_is_told_beside_numbers_that_are_masked() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let first = r#"{"amount":4990,"currency":"USD","cvc":123,"card":{"number":4242424242424242}}"#;
    let send = |body: &str, id: &str| {
        let order = world.order_of(&key, body).idempotent("order_1");
        order.header("X-Request-Id", id).send()
    };
    assert_eq!(send(first, "first").status, 201);
    let second = first.replace("4990", "5990");
    send(&second, "second").expect(409, "idempotency_key_reused");
    let differences = operator.detail_of("second").id("differences").text();
    assert!(differences.contains("5990"), "{differences}");
    for same in ["cvc", "card", "(body)"] {
        assert!(!differences.contains(same), "{same} in {differences}");
    }
}

#[test]
fn of_a_method_only_the_beginning_is_kept() {
    let world = World::new();
    let operator = Operator::of(&world);
    let method = "M".repeat(60_000);
    let request = world.request(&method, "/nowhere");
    request.header("X-Request-Id", "long").send();
    let detail = detail_path(&operator.request_with("long"));
    for path in ["/dashboard/requests", &detail] {
        let source = operator.source(path);
        assert!(source.contains(&method[..32]), "{path}");
        assert!(!source.contains(&method[..33]), "{path}");
    }
}

#[test]
fn a_key_that_was_renamed_is_found_and_shown_by_its_name_of_now() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    world.order(&key).header("X-Request-Id", "mine").send();
    let detail = detail_path(&operator.request_with("mine"));
    let name = Some("Shop server".parse().expect("a name"));
    let change = KeyChange {
        name,
        ..KeyChange::default()
    };
    world.update(&key, change);
    let found = listed(&operator, &[("key", "Shop server")]);
    assert_eq!(found.len(), 1);
    assert!(found[0].holds("Shop server"), "{}", found[0].text());
    assert!(listed(&operator, &[("key", "A key")]).is_empty());
    assert!(operator.page(&detail).holds("Shop server"));
}

#[test]
fn a_request_is_called_the_same_in_the_list_its_filter_and_the_chart() {
    let world = World::new();
    let key = world.key_with(OwnLimits {
        per_minute: Some(4),
        ..OwnLimits::default()
    });
    let operator = Operator::of(&world);
    let id = key.id.to_string();
    let send = |body: &str, id: &str| {
        let order = world.order_of(&key, body).idempotent("order_1");
        order.header("X-Request-Id", id).send().status
    };
    let order = crate::world::ORDER;
    assert_eq!(send("{}", "wrong"), 400);
    assert_eq!(send(order, "done"), 201);
    assert_eq!(send(order, "again"), 201);
    world.hold(&key).connection.reset();
    let of = |outcome: &str| listed(&operator, &[("key", &id), ("status", outcome)]);
    eventually("the client is gone", || !of("error").is_empty());
    assert_eq!(send(order, "over"), 429);
    operator.request_with("over");
    for (outcome, ids) in [
        ("ok", &["done"][..]),
        ("replayed", &["again"]),
        ("refused", &["over", "wrong"]),
    ] {
        let rows = of(outcome);
        assert_eq!(rows.len(), ids.len(), "{outcome}");
        for (row, id) in rows.iter().zip(ids) {
            assert!(row.holds(id), "{outcome}: {}", row.text());
            let is_called = row.text().contains(outcome);
            assert!(outcome == "ok" || is_called, "{}", row.text());
        }
    }
    let gone = of("error");
    assert!(
        gone.len() == 1 && gone[0].says("gone"),
        "{}",
        gone[0].text()
    );
    assert_eq!(of("4xx").len(), 2, "one that is gone was not refused");
    let page = operator.page(&format!("/dashboard/keys/{id}"));
    for chart in ["days", "hour"] {
        let rows = page.id(chart).all("tr");
        let last = rows.last().expect("a row").all("td");
        let counts: Vec<_> = last.iter().map(Html::text).collect();
        assert_eq!(counts, ["1", "1", "2", "1"], "{chart}");
    }
}
