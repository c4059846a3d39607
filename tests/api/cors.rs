//! Pages of other origins (contract, section 1).

use std::collections::HashSet;

use atlas::domain::key::OwnLimits;

use crate::world::{CREATE, ORDER, Request, Response, World};

const PAGE: &str = "http://x";

/// A world whose API may be called from [`PAGE`].
fn open_world() -> World {
    World::with(|settings| {
        settings.allow_origin = vec![
            PAGE.parse().expect("an origin"),
            "http://localhost:3000".parse().expect("an origin"),
        ];
        settings.per_address = 3;
    })
}

fn preflight(world: &World, origin: &str, method: &str) -> Request {
    let request = world.request("OPTIONS", CREATE).header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", method);
    request.header(
        "Access-Control-Request-Headers",
        "authorization,content-type,idempotency-key",
    )
}

/// The items of a header that is a list, in lower case.
fn list(answer: &Response, header: &str) -> HashSet<String> {
    let value = answer
        .header(header)
        .unwrap_or_else(|| panic!("{header} is missing"));
    value
        .split(',')
        .map(|item| item.trim().to_lowercase())
        .collect()
}

#[test]
fn no_origin_is_allowed_unless_one_is_named() {
    let world = World::new();
    let key = world.key();
    for origin in [PAGE, "http://localhost:3000", "null"] {
        for request in [world.order(&key), world.post(CREATE), world.get("/nothing")] {
            let answer = request.header("Origin", origin).send();
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
        }
        preflight(&world, origin, "POST")
            .send()
            .expect(403, "origin_not_allowed");
    }
}

#[test]
fn an_origin_that_is_not_named_gets_no_permission() {
    let world = open_world();
    let key = world.key();
    let origins = [
        "http://y",
        "https://x",
        "http://x:8080",
        "http://x.evil",
        "null",
        "http://X/",
    ];
    for origin in origins {
        let answer = world.order(&key).header("Origin", origin).send();
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
        let refused = preflight(&world, origin, "POST").send();
        refused.expect(403, "origin_not_allowed");
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
        assert_eq!(
            refused.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
}

#[test]
fn every_origin_that_is_named_is_allowed_by_its_own_name() {
    let world = open_world();
    let key = world.key();
    for origin in [PAGE, "http://localhost:3000"] {
        let answer = world.order(&key).header("Origin", origin).send();
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (201, Some(origin))
        );
        assert!(list(&answer, "vary").contains("origin"));
    }
}

#[test]
fn a_request_without_an_origin_gets_no_permission() {
    let world = open_world();
    let answer = world.order(&world.key()).send();
    assert!(matches!(
        answer.header("access-control-allow-origin"),
        None | Some(PAGE)
    ));
    assert_ne!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn errors_carry_the_permission_too() {
    let world = open_world();
    let key = world.key();
    let exhausted = world.key_with(OwnLimits {
        per_minute: Some(1),
        ..OwnLimits::default()
    });
    world.probe(&exhausted).send();
    world.order(&key).idempotent("order_1").send();
    let post = |body: &str| world.order_of(&key, body);
    let requests = [
        (400, post("{")),
        (400, post(ORDER).key(&key)),
        (400, post(ORDER).idempotent("")),
        (401, world.post(CREATE).json(ORDER)),
        (401, world.post(CREATE).json(ORDER).bearer("sk_test_bad")),
        (404, world.get("/nothing").key(&key)),
        (404, world.probe(&key)),
        (405, world.request("PUT", CREATE).key(&key)),
        (
            409,
            post(r#"{"amount":1,"currency":"USD"}"#).idempotent("order_1"),
        ),
        (413, post(&" ".repeat(70_000))),
        (415, world.post(CREATE).key(&key).body(ORDER)),
        (429, world.probe(&exhausted)),
        (429, world.post(CREATE).json(ORDER)),
    ];
    for (status, request) in requests {
        let answer = request.header("Origin", PAGE).send();
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(PAGE),
            "{status}"
        );
        assert!(
            answer.header("access-control-expose-headers").is_some(),
            "{status}"
        );
    }
}

#[test]
fn a_page_may_read_every_header_of_the_contract() {
    let world = open_world();
    let key = world.key();
    let exhausted = world.key_with(OwnLimits {
        per_minute: Some(1),
        ..OwnLimits::default()
    });
    world.probe(&exhausted).send();
    for request in [world.order(&key), world.probe(&exhausted)] {
        let answer = request.header("Origin", PAGE).send();
        let exposed = list(&answer, "access-control-expose-headers");
        let headers = [
            "x-request-id",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "x-ratelimit-scope",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "idempotency-key",
            "idempotent-replayed",
            "www-authenticate",
            "allow",
        ];
        for header in headers {
            assert!(exposed.contains(header), "{}: {header}", answer.status);
        }
    }
}

#[test]
fn a_preflight_is_answered_without_a_key() {
    let world = open_world();
    let answer = preflight(&world, PAGE, "POST").send();
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert!(list(&answer, "access-control-allow-methods").contains("post"));
    let allowed = list(&answer, "access-control-allow-headers");
    let headers = [
        "authorization",
        "content-type",
        "idempotency-key",
        "x-idempotency-key",
        "x-request-id",
        "x-atlas-publishable-key",
        "x-atlas-mock",
    ];
    for header in headers {
        assert!(allowed.contains(header), "{header}");
    }
}

#[test]
fn a_preflight_is_answered_while_the_key_is_exhausted() {
    let world = open_world();
    let exhausted = world.key_with(OwnLimits {
        per_minute: Some(1),
        ..OwnLimits::default()
    });
    world.probe(&exhausted).send();
    assert_eq!(preflight(&world, PAGE, "POST").send().status, 204);
    let refused = world.order(&exhausted).header("Origin", PAGE).send();
    refused.expect_limit("minute");
    assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));
}

#[test]
fn a_preflight_spends_nothing() {
    let world = open_world();
    let key = world.key();
    assert_eq!(world.order(&key).send().remaining(), 999);
    for _ in 0..20 {
        assert_eq!(preflight(&world, PAGE, "POST").send().status, 204);
        assert_eq!(preflight(&world, PAGE, "POST").key(&key).send().status, 204);
        preflight(&world, "http://y", "POST")
            .send()
            .expect(403, "origin_not_allowed");
        let dashboard = world.request("OPTIONS", "/dashboard/keys");
        let dashboard = dashboard.header("Origin", PAGE);
        let asked = dashboard.header("Access-Control-Request-Method", "POST");
        assert_eq!(asked.send().status, 401);
    }
    assert_eq!(world.order(&key).send().remaining(), 998);
    let stranger = world.post(CREATE).json(ORDER).send();
    assert_eq!((stranger.status, stranger.remaining()), (401, 2));
}

#[test]
fn a_plain_options_gets_204_without_a_permission() {
    let world = World::new();
    for request in [
        world.request("OPTIONS", CREATE),
        world.request("OPTIONS", CREATE).header("Origin", PAGE),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}
