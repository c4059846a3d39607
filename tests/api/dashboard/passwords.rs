//! Getting in by a password, and how guessing is slowed.

use std::time::Duration;

use super::operator::{Operator, cookie, cookie_of, form, goes_to, page_of, set_password};
use crate::world::{Request, Response, World};

const PASSWORD: &str = "correct horse battery";

fn attempt(world: &World, password: &str) -> Request {
    form(world, "/dashboard/login", &[("password", password)])
}

/// The answer to a program, whose refusal has a code.
fn told(world: &World, password: &str) -> Response {
    let request = world.post("/dashboard/login");
    let request = request.header("Origin", format!("http://{}", world.address));
    let request = request.header("Content-Type", super::operator::FORM);
    let body = super::operator::encoded(&[("password", password)]);
    request.body(body).send()
}

fn with_password() -> World {
    let world = World::new();
    set_password(&world, Some(PASSWORD));
    world
}

#[test]
fn the_right_password_lets_in() {
    let world = with_password();
    let answer = attempt(&world, PASSWORD).send();
    assert_eq!(goes_to(&answer), "/dashboard/keys");
    let (_, session, _) = cookie_of(&answer).expect("a cookie");
    let inside = world.get("/dashboard/sessions");
    let inside = inside.header("Cookie", cookie(&world, &session));
    assert_eq!(inside.send().status, 200);
}

#[test]
fn any_other_does_not() {
    let world = with_password();
    let long = "x".repeat(1_025);
    for password in ["", "correct horse batter", "Correct horse battery", &long] {
        let answer = told(&world, password);
        answer.expect(401, "password_wrong");
        assert_eq!(cookie_of(&answer), None);
    }
    page_of(&attempt(&world, "correct horse").send(), 401);
}

#[test]
fn where_none_is_set_none_is_right() {
    let world = World::new();
    for password in ["", PASSWORD] {
        told(&world, password).expect(401, "password_wrong");
    }
    set_password(&world, Some(PASSWORD));
    set_password(&world, None);
    told(&world, PASSWORD).expect(401, "password_wrong");
}

#[test]
fn after_five_tries_in_a_minute_the_right_one_is_refused_too_and_works_after_the_wait() {
    let world = with_password();
    for _ in 0..5 {
        told(&world, "a wrong password").expect(401, "password_wrong");
    }
    let refused = told(&world, PASSWORD);
    refused.expect(429, "rate_limit_exceeded");
    let page = attempt(&world, PASSWORD).send();
    page_of(&page, 429);
    world.advance(Duration::from_secs(page.number("retry-after")));
    assert_eq!(attempt(&world, PASSWORD).send().status, 303);
}

#[test]
fn one_address_does_not_slow_another_and_an_ipv6_network_is_one() {
    let world = World::with(|settings| {
        settings.trusted_proxy = vec!["127.0.0.1/32".parse().expect("a range")];
    });
    set_password(&world, Some(PASSWORD));
    let from = |address: &str, password: &str| {
        let request = attempt(&world, password);
        request.header("X-Forwarded-For", address).send().status
    };
    for n in 1..=5 {
        assert_eq!(from(&format!("2001:db8:1:2::{n}"), "a wrong password"), 401);
    }
    assert_eq!(from("2001:db8:1:2::6", PASSWORD), 429);
    assert_eq!(from("2001:db8:1:3::1", PASSWORD), 303);
    assert_eq!(from("203.0.113.7", PASSWORD), 303);
}

#[test]
fn a_link_still_lets_in_where_passwords_are_refused() {
    let world = with_password();
    for _ in 0..6 {
        attempt(&world, "a wrong password").send();
    }
    assert!(Operator::of(&world).is_in());
}

#[test]
fn one_goes_on_to_where_one_wanted_to_go() {
    let world = with_password();
    let page = world.get("/dashboard/login?next=/dashboard/requests");
    let page = page_of(&page.header("Accept", "text/html").send(), 200);
    let next = page.field("next").expect("the form knows it");
    let fields = [("password", PASSWORD), ("next", next.as_str())];
    let answer = form(&world, "/dashboard/login", &fields).send();
    assert_eq!(goes_to(&answer), "/dashboard/requests");
}

#[test]
fn nobody_is_led_away_by_next() {
    let places = [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/functions/v1",
        "/dashboardevil",
        " //evil.example",
        "",
    ];
    for few in places.chunks(4) {
        let world = with_password();
        for next in few {
            let fields = [("password", PASSWORD), ("next", next)];
            let answer = form(&world, "/dashboard/login", &fields).send();
            assert_eq!(goes_to(&answer), "/dashboard/keys", "{next:?}");
        }
    }
}

#[test]
fn next_adds_no_header() {
    let world = with_password();
    let next = "/dashboard/keys\r\nSet-Cookie: evil=1";
    let fields = [("password", PASSWORD), ("next", next)];
    let answer = form(&world, "/dashboard/login", &fields).send();
    assert!(goes_to(&answer).starts_with("/dashboard/"));
    let (name, ..) = cookie_of(&answer).expect("the one cookie");
    assert_ne!(name, "evil");
}

#[test]
fn setting_or_removing_the_password_ends_every_session() {
    let world = World::new();
    for password in [Some(PASSWORD), Some("another password"), None] {
        let (one, two) = (Operator::of(&world), Operator::of(&world));
        set_password(&world, password);
        assert!(!one.is_in() && !two.is_in());
    }
}

#[test]
fn a_password_outlives_a_restart_and_is_nowhere_on_disk() {
    let world = with_password().restart();
    assert_eq!(attempt(&world, PASSWORD).send().status, 303);
    assert!(!world.keeps(PASSWORD.as_bytes()));
}
