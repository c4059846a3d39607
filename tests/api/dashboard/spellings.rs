//! Paths in other spellings: what is routed to a place is guarded, counted and kept as that place.

use super::operator::{FORM, Operator, encoded, goes_to, page_of, set_password};
use super::rooms::House;
use crate::world::{Request, World};

const PASSWORD: &str = "correct horse battery";

/// Other spellings of a path that are routed alike.
fn spellings(path: &str) -> Vec<String> {
    vec![
        path.replacen("/d", "/%64", 1),
        path.replacen("dashboard", "%64%61shboar%64", 1),
        path.replacen("ash", "%61s%68", 1),
    ]
}

#[test]
fn every_place_is_guarded_in_every_spelling() {
    let house = House::new();
    for place in house.places() {
        for path in spellings(&place) {
            let foreign = house.world.get(&path).host(Some("evil.example"));
            foreign.send().expect(421, "host_not_allowed");
            let stranger = house.world.get(&path);
            stranger.send().expect(401, "login_required");
            let keyed = house.world.get(&path).key(&house.key);
            keyed.send().expect(401, "login_required");
            let person = house.world.get(&path).header("Accept", "text/html");
            let log_in = goes_to(&person.send());
            assert!(log_in.starts_with("/dashboard/login"), "{path}: {log_in}");
        }
    }
}

#[test]
fn the_log_in_and_the_assets_are_guarded_in_every_spelling() {
    let house = House::new();
    for place in ["login", "login?token=x", "assets/atlas.css"] {
        for path in spellings(&format!("/dashboard/{place}")) {
            let foreign = house.world.get(&path).host(Some("evil.com"));
            foreign.send().expect(421, "host_not_allowed");
        }
    }
    for path in spellings("/dashboard/login") {
        let page = house.world.get(&path).header("Accept", "text/html");
        page_of(&page.send(), 200);
    }
}

#[test]
fn one_who_is_in_is_in_under_every_spelling() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for place in house.pages() {
        for path in spellings(&place) {
            operator.page(&path);
        }
    }
}

/// A log-in as a page of `origin` would send it, with an API key besides.
fn log_in(house: &House, path: &str, host: &str, origin: &str) -> Request {
    let request = house.world.post(path).host(Some(host)).key(&house.key);
    let request = request.header("Origin", origin);
    let request = request.header("Content-Type", FORM);
    request.body(encoded(&[("password", PASSWORD)]))
}

#[test]
fn a_log_in_of_a_foreign_page_is_refused_and_kept_nowhere_whatever_its_spelling() {
    let house = House::new();
    set_password(&house.world, Some(PASSWORD));
    let address = house.world.address.to_string();
    let mut paths = spellings("/dashboard/login");
    paths.push("/dashboard/login".to_owned());
    for path in &paths {
        let foreign = log_in(&house, path, "evil.com", "http://evil.com");
        foreign.send().expect(421, "host_not_allowed");
        let foreign = log_in(&house, path, &address, "http://evil.com");
        foreign.send().expect(403, "origin_not_allowed");
    }
    let ours = log_in(&house, &paths[0], &address, &format!("http://{address}"));
    assert_eq!(goes_to(&ours.send()), "/dashboard/keys");
    let operator = Operator::of(&house.world);
    house
        .world
        .probe(&house.key)
        .header("X-Request-Id", "last")
        .send();
    operator.request_with("last");
    for row in operator.rows("/dashboard/requests", "requests") {
        assert!(
            !row.holds("login") && !row.holds("log%69n"),
            "{}",
            row.text()
        );
    }
}

#[test]
fn a_monitor_spends_nothing_and_is_kept_nowhere_whatever_its_spelling() {
    let world = World::new();
    let key = world.key();
    for path in ["/healthz", "/h%65althz", "/%72eadyz"] {
        let answer = world.get(path).key(&key).send();
        assert_eq!((answer.status, answer.scope()), (200, "address"), "{path}");
    }
    assert_eq!(world.probe(&key).send().remaining(), 999);
    let operator = Operator::of(&world);
    operator.request_with("sess_none");
    let rows = operator.rows("/dashboard/requests", "requests");
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_slash_that_is_escaped_parts_nothing() {
    let world = World::new();
    let operator = Operator::of(&world);
    for path in [
        "/dashboard%2Flogin",
        "/dashboard%2flogin",
        "/x%2F..%2Fdashboard/login",
    ] {
        let request = world.get(path).header("Cookie", operator.cookie());
        request.send().expect(404, "route_not_found");
    }
}
