//! Names under which a browser may ask for the dashboard. Any other is a name that was bound to our address by someone
//! else.

use super::operator::{Operator, follow, link};
use super::rooms::{Attempt, House};

fn foreign() -> Vec<Option<&'static str>> {
    vec![
        Some(""),
        Some("evil.example"),
        Some("evil.example:8080"),
        Some("localhost.evil.example"),
        Some("127.0.0.1.evil.example"),
        Some("notlocalhost"),
    ]
}

/// What is no name at all.
const UNREADABLE: [&str; 3] = [
    "evil.example:localhost",
    "127.0.0.1@evil.example",
    "[::1].evil.example",
];

#[test]
fn our_own_names_and_addresses_are_answered() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST",
        "127.0.0.1",
        "127.0.0.1:9",
        "[::1]",
        "[::1]:8080",
        "10.0.0.7:8080",
        "foo.localhost",
        "foo.localhost:81",
    ] {
        let request = operator.get("/dashboard/keys").host(Some(host));
        assert_eq!(request.send().status, 200, "{host}");
    }
}

/// Without any name it is no HTTP/1.1, and the parser itself refuses it.
#[test]
fn a_request_without_a_name_gets_nothing() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let mut connection = operator
        .get("/dashboard/keys")
        .host(None)
        .start()
        .connection;
    let answer = connection.read_any("GET");
    assert_eq!((answer.status, answer.body.len()), (400, 0));
}

#[test]
fn every_place_refuses_a_foreign_name_whoever_asks() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let mut places = house.places();
    places.extend(
        ["login", "login?token=x", "assets/atlas.css"].map(|rest| format!("/dashboard/{rest}")),
    );
    for place in places {
        for host in foreign() {
            let request = house.world.get(&place).host(host);
            request.send().expect(421, "host_not_allowed");
            let request = request.header("Cookie", operator.cookie());
            request.send().expect(421, "host_not_allowed");
        }
        for host in UNREADABLE {
            let request = house.world.get(&place).host(Some(host));
            request.send().expect(400, "parameter_invalid");
        }
        let page = operator.get(&place).host(Some("evil.example")).send();
        assert_eq!((page.status, page.is_page()), (421, true), "{place}");
    }
}

#[test]
fn every_form_refuses_a_foreign_name_and_changes_nothing() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    let before = house.state();
    for (path, fields) in house.forms() {
        for host in foreign() {
            let attempt = Attempt {
                host: host.map(str::to_owned),
                origin: host.map(|host| format!("http://{host}")),
                ..good.clone()
            };
            let request = attempt.request(&house.world, &path, &fields);
            request.send().expect(421, "host_not_allowed");
            assert_eq!(house.state(), before, "{path}");
        }
        for host in UNREADABLE {
            let attempt = Attempt {
                host: Some(host.to_owned()),
                ..good.clone()
            };
            let request = attempt.request(&house.world, &path, &fields);
            request.send().expect(400, "parameter_invalid");
            assert_eq!(house.state(), before, "{path}");
        }
    }
    assert!(operator.is_in());
}

#[test]
fn a_link_followed_under_a_foreign_name_is_not_used_up() {
    let house = House::new();
    let token = link(&house.world);
    let foreign = follow(&house.world, &token).host(Some("evil.example"));
    assert_eq!(foreign.send().status, 421);
    assert_eq!(follow(&house.world, &token).send().status, 303);
}
