//! What every answer of the dashboard carries, and its files. The headers themselves are checked by the client on each
//! answer that it reads.

use super::operator::{Operator, body_of, follow, link};
use super::rooms::House;
use crate::world::World;

const ASSETS: [(&str, &str); 3] = [
    ("atlas.css", "text/css"),
    ("atlas.js", "text/javascript"),
    ("icon.svg", "image/svg+xml"),
];

#[test]
fn every_page_error_and_way_out_carries_them() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for place in house.places() {
        if !place.contains("/events/") {
            operator.get(&place).send();
        }
        house.world.get(&place).send();
        house.world.request("PATCH", &place).send();
        house.world.request("OPTIONS", &place).send();
    }
    house.world.get("/favicon.ico").send();
    follow(&house.world, "x").send();
    follow(&house.world, &link(&house.world)).send();
    house.world.get("/dashboard/login").send();
    house.world.post("/dashboard/login").send();
    operator.post("/dashboard/logout", &[]);
}

#[test]
fn a_client_s_own_request_id_is_echoed() {
    let world = World::new();
    let operator = Operator::of(&world);
    let request = operator.get("/dashboard/keys");
    let answer = request.header("X-Request-Id", "mine-1").send();
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
}

#[test]
fn files_are_for_anybody_and_known_by_their_content() {
    let world = World::new();
    for (name, kind) in ASSETS {
        let path = format!("/dashboard/assets/{name}");
        let first = world.get(&path).send();
        assert_eq!(first.status, 200);
        let given = first.header("content-type").expect("Content-Type");
        assert!(given.starts_with(kind), "{given}");
        let etag = first.header("etag").expect("ETag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let again = world.get(&path).header("If-None-Match", &etag).send();
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), Some(etag.as_str()));
        let other = world.get(&path).header("If-None-Match", "\"x\"").send();
        assert_eq!((other.status, other.body), (200, first.body));
        let head = world.request("HEAD", &path).send();
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
}

#[test]
fn an_unknown_file_is_404_for_whoever_is_in() {
    let world = World::new();
    let operator = Operator::of(&world);
    for name in [
        "none.js",
        "",
        "../keys",
        "..%2f..%2fCargo.toml",
        "atlas.css/",
    ] {
        let answer = operator.get(&format!("/dashboard/assets/{name}")).send();
        assert_eq!(answer.status, 404, "{name}");
    }
}

#[test]
fn a_full_page_and_its_files_are_under_60_kilobytes() {
    let world = World::new();
    for _ in 0..60 {
        world.key();
    }
    let operator = Operator::of(&world);
    let files = ASSETS.map(|(name, _)| {
        let answer = world.get(&format!("/dashboard/assets/{name}")).send();
        answer.body.len()
    });
    let page = operator.source("/dashboard/keys").len();
    let whole = files.iter().sum::<usize>() + page;
    assert!(whole < 60 * 1_024, "{whole} bytes");
}

#[test]
fn no_page_asks_another_host_for_anything() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for path in house.pages() {
        let page = operator.page(&path);
        let names = ["script", "link", "img", "iframe", "object", "form"];
        for element in names.iter().flat_map(|name| page.all(name)) {
            for attribute in ["src", "href", "data", "action"] {
                let place = element.attribute(attribute).unwrap_or("/dashboard");
                assert!(place.starts_with("/dashboard"), "{path}: {place}");
            }
        }
    }
    let style = body_of(&house.world.get("/dashboard/assets/atlas.css").send());
    assert!(!style.contains("://") && !style.contains("@import"));
}
