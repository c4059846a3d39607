//! Who may use the handles: programs and pages of ours, without a key and without spending anything; and only where
//! there is a mock.

use atlas::domain::key::Mode;

use super::{ask, fault, mock, tell};
use crate::world::{CREATE, NOON, ORDER, World};

const HANDLES: [(&str, &str); 8] = [
    ("GET", "/_mock/clock"),
    ("POST", "/_mock/clock"),
    ("GET", "/_mock/faults"),
    ("POST", "/_mock/faults"),
    ("DELETE", "/_mock/faults"),
    ("GET", "/_mock/requests"),
    ("POST", "/_mock/limits"),
    ("POST", "/_mock/reset"),
];

#[test]
fn a_server_that_is_no_mock_has_no_handles() {
    let world = World::new();
    for (method, path) in HANDLES {
        let request = world.request(method, path).json(r#"{"advance":"1h"}"#);
        request.send().expect(404, "route_not_found");
        let request = request.key(&world.key());
        request.send().expect(404, "route_not_found");
    }
    assert_eq!(world.now(), NOON);
}

#[test]
fn a_server_that_is_no_mock_does_not_look_at_the_header() {
    let world = World::new();
    let key = world.key();
    for value in ["status=503", "drop-before", "rate-limit=day", "nonsense"] {
        let answer = world.order(&key).header("X-Atlas-Mock", value).send();
        assert_eq!(answer.status, 201, "{value}");
    }
}

#[test]
fn a_live_key_meets_no_fault_in_the_mock_either() {
    let world = mock();
    let live = world.key_of("default", Mode::Live);
    fault(&world, r#"{"fault":"status=500"}"#);
    for value in ["status=500", "drop-before", "rate-limit=day", "nonsense"] {
        let answer = world.order(&live).header("X-Atlas-Mock", value).send();
        answer.expect(503, "live_mode_unavailable");
    }
    world
        .order(&live)
        .send()
        .expect(503, "live_mode_unavailable");
    let stranger = world.post(CREATE).json(ORDER);
    let stranger = stranger.header("X-Atlas-Mock", "status=500");
    stranger.send().expect(401, "invalid_api_key");
}

#[test]
fn a_foreign_name_is_refused() {
    let world = mock();
    for (method, path) in HANDLES {
        for host in ["evil.example", "127.0.0.1.evil.example", "evil.example:80"] {
            let request = world.request(method, path).host(Some(host));
            let request = request.json(r#"{"advance":"1h"}"#);
            request.send().expect(421, "host_not_allowed");
        }
        for host in ["localhost:9", "127.0.0.1", "[::1]:80"] {
            let request = world.request(method, path).host(Some(host));
            assert_ne!(request.json("{}").send().status, 421, "{method} {path}");
        }
    }
    assert_eq!(world.now(), NOON);
}

#[test]
fn a_page_of_others_is_refused_and_one_of_ours_is_not() {
    let world = World::with(|settings| {
        settings.mock = true;
        settings.allow_origin = vec!["https://shop.example".parse().expect("an origin")];
    });
    let port = world.address.port();
    let foreign = [
        ("Origin", "https://evil.example".to_owned()),
        ("Origin", "https://shop.example".to_owned()),
        ("Origin", format!("http://localhost:{port}")),
        ("Origin", "null".to_owned()),
        ("Origin", String::new()),
        ("Sec-Fetch-Site", "cross-site".to_owned()),
        ("Sec-Fetch-Site", "same-site".to_owned()),
    ];
    for (method, path) in HANDLES {
        for (name, value) in &foreign {
            let request = world.request(method, path).header(name, value);
            let request = request.json(r#"{"advance":"1h"}"#);
            request.send().expect(403, "origin_not_allowed");
        }
    }
    assert_eq!(world.now(), NOON);
    let ours = format!("http://127.0.0.1:{port}");
    for (name, value) in [
        ("Origin", ours.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "none"),
    ] {
        let request = world.post("/_mock/clock").header(name, value);
        assert_eq!(
            request.json(r#"{"advance":1}"#).send().status,
            200,
            "{name}: {value}"
        );
    }
    let twice = world
        .get("/_mock/clock")
        .header("Origin", &ours)
        .header("Origin", &ours);
    twice.send().expect(403, "origin_not_allowed");
}

#[test]
fn what_is_posted_must_be_json() {
    let world = mock();
    for (method, path) in HANDLES {
        if method != "POST" {
            continue;
        }
        let form = world.post(path).body("advance=24h");
        form.send().expect(415, "unsupported_media_type");
        let form = form.header("Content-Type", "text/plain");
        form.send().expect(415, "unsupported_media_type");
        tell(&world, path, "{").expect(400, "invalid_json");
        tell(&world, path, "").expect(400, "invalid_json");
    }
    assert_eq!(world.now(), NOON);
}

#[test]
fn a_wrong_method_or_path_is_told() {
    let world = mock();
    for (method, path, allow) in [
        ("DELETE", "/_mock/clock", "GET, HEAD, POST, OPTIONS"),
        ("PUT", "/_mock/faults", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("GET", "/_mock/faults/flt_1", "DELETE, OPTIONS"),
        ("POST", "/_mock/requests", "GET, HEAD, OPTIONS"),
        ("GET", "/_mock/limits", "POST, OPTIONS"),
        ("GET", "/_mock/reset", "POST, OPTIONS"),
    ] {
        let answer = world.request(method, path).send();
        answer.expect(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
    for path in ["/_mock", "/_mock/", "/_mock/nothing", "/_mock/clock/"] {
        world.get(path).send().expect(404, "route_not_found");
    }
    assert_eq!(world.request("HEAD", "/_mock/clock").send().status, 200);
    let options = world.request("OPTIONS", "/_mock/clock").send();
    assert_eq!(
        (options.status, options.header("allow")),
        (204, Some("GET, HEAD, POST, OPTIONS"))
    );
}

#[test]
fn handles_spend_nothing_of_anybody_s_and_work_when_all_is_spent() {
    let world = World::with(|settings| {
        settings.mock = true;
        settings.per_address = 2;
    });
    let key = world.key();
    for _ in 0..5 {
        let answer = world.get("/_mock/clock").key(&key).send();
        assert_eq!((answer.scope(), answer.remaining()), ("address", 2));
        tell(&world, "/_mock/clock", r#"{"advance":-1}"#).expect(400, "parameter_invalid");
    }
    assert_eq!(world.report(&key).used_today, 0);
    let stranger = || world.get("/functions/v1/nothing").send().status;
    assert_eq!([stranger(), stranger(), stranger()], [404, 404, 429]);
    ask(&world, "/_mock/clock");
    assert_eq!(tell(&world, "/_mock/clock", r#"{"advance":1}"#).status, 200);
}
