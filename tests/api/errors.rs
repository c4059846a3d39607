//! The one shape of errors, request ids, and paths and methods (contract, section 1).

use std::collections::HashSet;

use atlas::domain::key::{Mode, OwnLimits};

use crate::world::{CREATE, HOUR, ORDER, Request, Response, World};

#[track_caller]
fn expect_row(answer: &Response, status: u16, kind: &str, code: &str) {
    answer.expect(status, code);
    assert_eq!(answer.json()["error"]["type"], kind, "{code}");
    let message = answer.json()["error"]["message"].to_string();
    assert!(
        message.len() > 12,
        "{code}: {message} does not say what to do next"
    );
}

#[test]
fn invalid_requests_are_told_what_is_wrong() {
    let world = World::new();
    let key = world.key();
    let post = |body: &str| world.order_of(&key, body);
    let rows = [
        (400, "invalid_json", None, post("{")),
        (
            400,
            "parameter_missing",
            Some("currency"),
            post(r#"{"amount":1}"#),
        ),
        (
            400,
            "parameter_invalid",
            Some("amount"),
            post(r#"{"amount":0,"currency":"USD"}"#),
        ),
        (
            400,
            "idempotency_key_invalid",
            None,
            post(ORDER).idempotent(""),
        ),
        (400, "authorization_invalid", None, post(ORDER).key(&key)),
        (404, "session_not_found", None, world.probe(&key)),
        (
            404,
            "route_not_found",
            None,
            world.get("/functions/v1/nothing").key(&key),
        ),
        (
            405,
            "method_not_allowed",
            None,
            world.request("PUT", CREATE).key(&key).json(ORDER),
        ),
        (413, "request_too_large", None, post(&" ".repeat(70_000))),
        (
            415,
            "unsupported_media_type",
            None,
            world.post(CREATE).key(&key).body(ORDER),
        ),
    ];
    for (status, code, param, request) in rows {
        let answer = request.send();
        expect_row(&answer, status, "invalid_request_error", code);
        assert_eq!(answer.param().as_deref(), param, "{code}");
    }
}

#[test]
fn bad_keys_are_told_apart_only_when_the_whole_secret_matched() {
    let world = World::new();
    let (revoked, expired) = (world.key(), world.key_for(60));
    world.revoke(&revoked);
    world.advance(HOUR);
    let rows = [
        ("invalid_api_key", world.post(CREATE).json(ORDER)),
        ("api_key_revoked", world.order(&revoked)),
        ("api_key_expired", world.order(&expired)),
    ];
    for (code, request) in rows {
        let answer = request.send();
        expect_row(&answer, 401, "authentication_error", code);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{code}");
    }
}

#[test]
fn a_reused_idempotency_key_is_an_idempotency_error() {
    let world = World::new();
    let key = world.key();
    world.order(&key).idempotent("order_1").send();
    let other = world.order_of(&key, r#"{"amount":1,"currency":"USD"}"#);
    let answer = other.idempotent("order_1").send();
    expect_row(&answer, 409, "idempotency_error", "idempotency_key_reused");
}

#[test]
fn every_limit_refuses_as_a_rate_limit_error_that_names_it() {
    let world = World::with(|settings| settings.per_address = 1);
    let limits = |per_minute, per_day, concurrent| {
        world.key_with(OwnLimits {
            per_minute,
            per_day,
            concurrent,
        })
    };
    let minute = limits(Some(1), None, None);
    let day = limits(None, Some(1), None);
    let concurrency = limits(None, None, Some(1));
    let held = world.hold(&concurrency);
    let stranger = world.post(CREATE).json(ORDER);
    for request in [world.probe(&minute), world.probe(&day), stranger.clone()] {
        assert_ne!(request.send().status, 429);
    }
    let rows: [(&str, Request); 4] = [
        ("minute", world.probe(&minute)),
        ("day", world.probe(&day)),
        ("concurrency", world.probe(&concurrency)),
        ("address", stranger),
    ];
    for (limit, request) in rows {
        let answer = request.send();
        expect_row(&answer, 429, "rate_limit_error", "rate_limit_exceeded");
        assert_eq!(answer.json()["error"]["limit"], limit);
        assert_eq!(
            answer.json()["error"]["retry_after"],
            answer.number("retry-after")
        );
        assert_eq!(answer.scope(), limit);
    }
    assert_eq!(held.finish().status, 201);
}

#[test]
fn what_the_server_can_not_do_is_an_api_error() {
    let world = World::new();
    let live = world.key_of("default", Mode::Live);
    let answer = world.order(&live).send();
    expect_row(&answer, 503, "api_error", "live_mode_unavailable");
    let full = World::with(|settings| settings.min_free_disk = u64::MAX);
    let answer = full.order(&full.key()).idempotent("order_1").send();
    expect_row(&answer, 503, "api_error", "storage_unavailable");
}

#[test]
fn no_message_tells_a_secret_or_a_path_of_the_machine() {
    let world = World::new();
    let key = world.key();
    let full = World::with(|settings| settings.min_free_disk = u64::MAX);
    let full_key = full.key();
    let requests = [
        (&world, &key, world.order_of(&key, "{")),
        (&world, &key, world.order(&key).key(&key)),
        (
            &world,
            &key,
            world.post(&format!("/{}", key.secret)).key(&key),
        ),
        (
            &world,
            &key,
            world.get("/functions/v1/../../etc/passwd").key(&key),
        ),
        (&full, &full_key, full.order(&full_key)),
    ];
    for (world, key, request) in requests {
        let answer = request.send();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status >= 400, "{request:?}");
        assert!(!text.contains(&key.secret[8..]), "{text}");
        assert!(
            !text.contains(&world.directory.path().display().to_string()),
            "{text}"
        );
        assert!(!text.contains(".rs"), "{text}");
    }
}

#[test]
fn unknown_paths_get_404_with_and_without_a_key() {
    let world = World::new();
    let key = world.key();
    let paths = [
        "/",
        "/favicon.ico",
        "/functions/v1",
        "/functions/v1/",
        "/functions/v1/sessions",
        "/functions/v1/create-session/",
        "/functions/v1/create-session/x",
        "/functions/v1/Create-Session",
        "/create-session",
        "/functions/v1/%2e%2e/create-session",
        "/%00",
    ];
    for path in paths {
        for method in ["GET", "POST"] {
            for request in [
                world.request(method, path),
                world.request(method, path).key(&key),
            ] {
                let answer = request.send();
                let code = answer.code();
                assert_eq!(
                    (answer.status, code.as_str()),
                    (404, "route_not_found"),
                    "{method} {path}"
                );
            }
        }
    }
}

#[test]
fn a_wrong_method_gets_405_with_those_allowed() {
    let world = World::new();
    let key = world.key();
    let session = world.order(&key).send().session();
    let read = format!("/functions/v1/sessions/{session}");
    let rows = [
        (
            CREATE,
            "POST",
            ["GET", "PUT", "PATCH", "DELETE", "PROPFIND"],
        ),
        (
            read.as_str(),
            "GET",
            ["POST", "PUT", "TRACE", "DELETE", "PROPFIND"],
        ),
    ];
    for (path, allowed, methods) in rows {
        for method in methods {
            let answer = world.request(method, path).key(&key).send();
            answer.expect(405, "method_not_allowed");
            let allow = answer.header("allow").expect("Allow");
            let names: Vec<&str> = allow.split(',').map(str::trim).collect();
            assert!(names.contains(&allowed), "{method} {path}: {allow}");
            assert!(!names.contains(&method), "{method} {path}: {allow}");
        }
    }
}

#[test]
fn options_gets_204_on_every_path_of_the_api() {
    let world = World::new();
    for path in [CREATE, "/functions/v1/sessions/sess_none"] {
        let answer = world.request("OPTIONS", path).send();
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
    }
}

#[test]
fn head_has_the_headers_and_no_body() {
    let world = World::new();
    let key = world.key();
    let session = world.order(&key).send().session();
    let read = format!("/functions/v1/sessions/{session}");
    let rows: [(&str, &[u16]); 3] = [(CREATE, &[405]), ("/nothing", &[404]), (&read, &[200, 405])];
    for (path, statuses) in rows {
        let held = world
            .request("HEAD", path)
            .key(&key)
            .header("Connection", "close")
            .start();
        let answer = held.finish();
        assert!(
            statuses.contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        assert!(answer.body.is_empty());
    }
}

#[test]
fn no_byte_follows_the_headers_of_an_answer_to_head() {
    let world = World::new();
    let key = world.key();
    let mut connection = crate::world::Connection::to(world.address);
    assert_eq!(
        connection
            .send(&world.request("HEAD", "/nothing").key(&key))
            .status,
        404
    );
    assert_eq!(connection.send(&world.order(&key)).status, 201);
}

#[test]
fn a_client_s_request_id_is_echoed() {
    let world = World::new();
    let key = world.key();
    let visible: String = (0x21..=0x7e_u8).map(char::from).collect();
    for id in ["a", "req-1", visible.as_str(), "x".repeat(128).as_str()] {
        for request in [world.order(&key), world.get("/nothing"), world.post(CREATE)] {
            let answer = request.header("X-Request-Id", id).send();
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
    }
}

#[test]
fn a_request_id_that_can_not_be_echoed_is_replaced() {
    let world = World::new();
    let key = world.key();
    let long = "x".repeat(129);
    let ids: [&[u8]; 6] = [
        b"",
        b"  ",
        b"a b",
        b"a\tb",
        "clé".as_bytes(),
        long.as_bytes(),
    ];
    for id in ids {
        let answer = world.order(&key).header("X-Request-Id", id).send();
        let given = answer.header("x-request-id").expect("a request id");
        assert!(given.starts_with("req_"), "{id:?}: {given}");
    }
}

#[test]
fn every_request_without_an_id_gets_one_of_its_own() {
    let world = World::new();
    let key = world.key();
    let ids: HashSet<String> = (0..50)
        .map(|_| {
            let answer = world.probe(&key).send();
            answer.header("x-request-id").expect("an id").to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 50);
    assert!(
        ids.iter().all(|id| id.starts_with("req_") && id.len() > 12),
        "{ids:?}"
    );
}
