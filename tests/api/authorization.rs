//! Who a request comes from (contract, sections 1, 2 and 4).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::world::{CREATE, HOUR, Key, ORDER, Request, World, secret_like};

fn with_authorization(world: &World, value: &str) -> Request {
    let request = world.post(CREATE).json(ORDER);
    request.header("Authorization", value)
}

fn basic(world: &World, user_and_password: &str) -> Request {
    let encoded = BASE64_STANDARD.encode(user_and_password);
    with_authorization(world, &format!("Basic {encoded}"))
}

/// A secret that differs from this one in its last character.
fn mistyped(key: &Key) -> String {
    let last = if key.secret.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &key.secret[..key.secret.len() - 1])
}

#[test]
fn the_scheme_is_taken_in_any_case_with_any_number_of_spaces() {
    let world = World::new();
    let key = world.key();
    for scheme in [
        "Bearer ",
        "bearer ",
        "BEARER ",
        "bEaReR ",
        "Bearer  ",
        "Bearer     ",
    ] {
        let answer = with_authorization(&world, &format!("{scheme}{}", key.secret)).send();
        assert_eq!(answer.status, 201, "{scheme:?}");
    }
}

#[test]
fn the_header_is_named_in_any_case() {
    let world = World::new();
    let key = world.key();
    for name in ["authorization", "AUTHORIZATION"] {
        let bearer = format!("Bearer {}", key.secret);
        let answer = world.post(CREATE).json(ORDER).header(name, bearer).send();
        assert_eq!(answer.status, 201, "{name}");
    }
}

#[test]
fn the_secret_is_case_sensitive() {
    let world = World::new();
    let key = world.key();
    let (prefix, rest) = key.secret.split_at(8);
    let wrongs = [
        key.secret.to_uppercase(),
        key.secret.to_lowercase(),
        format!("{prefix}{}", rest.to_uppercase()),
        format!("{prefix}{}", rest.to_lowercase()),
    ];
    for wrong in wrongs {
        let answer = world.post(CREATE).json(ORDER).bearer(&wrong).send();
        assert_eq!(
            (answer.status, answer.code()),
            (401, "invalid_api_key".to_owned()),
            "{wrong}"
        );
    }
}

#[test]
fn a_missing_malformed_or_unknown_key_gets_401_in_one_wording() {
    let world = World::new();
    let secret = world.key().secret;
    let unknown = World::new().key().secret;
    let missing = world.post(CREATE).json(ORDER).send();
    let message = missing.expect(401, "invalid_api_key").json()["error"]["message"].clone();
    let values = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {secret} extra"),
        format!("Bearer {secret},"),
        format!("Bearer \"{secret}\""),
        format!("Bearer{secret}"),
        format!("Foo {secret}"),
        secret,
        format!("Bearer {unknown}"),
        "Bearer sk_test_".to_owned(),
        "Bearer sk_test_short".to_owned(),
        format!("Bearer sk_test_{}", "a".repeat(4_000)),
        "Bearer pk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "Bearer clé".to_owned(),
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
        "Digest username=\"a\"".to_owned(),
    ];
    for value in values {
        let answer = with_authorization(&world, &value).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_api_key"),
            "{value}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{value}");
        assert_eq!(answer.json()["error"]["message"], message, "{value}");
        assert_eq!(
            answer.json()["error"]["type"],
            "authentication_error",
            "{value}"
        );
    }
}

#[test]
fn bytes_outside_utf_8_are_a_wrong_key() {
    let world = World::new();
    let request = world.post(CREATE).json(ORDER);
    let answer = request
        .header("Authorization", b"Bearer sk_test_\xff\xfe")
        .send();
    answer.expect(401, "invalid_api_key");
}

#[test]
fn two_authorization_headers_are_refused_in_either_order() {
    let world = World::new();
    let key = world.key();
    let good = format!("Bearer {}", key.secret);
    for (first, second) in [
        (good.as_str(), "Bearer bad"),
        ("Bearer bad", &good),
        (&good, &good),
    ] {
        let request = with_authorization(&world, first).header("Authorization", second);
        let answer = request.idempotent("order_1").send();
        answer.expect(400, "authorization_invalid");
    }
    assert!(!world.order(&key).idempotent("order_1").send().replayed());
}

#[test]
fn basic_takes_the_key_as_user_name_with_an_empty_password() {
    let world = World::new();
    let key = world.key();
    assert_eq!(
        basic(&world, &format!("{}:", key.secret)).send().status,
        201
    );
    let encoded = BASE64_STANDARD.encode(format!("{}:", key.secret));
    for scheme in ["basic ", "BASIC ", "Basic  "] {
        let answer = with_authorization(&world, &format!("{scheme}{encoded}")).send();
        assert_eq!(answer.status, 201, "{scheme:?}");
    }
}

#[test]
fn basic_with_a_wrong_key_or_user_gets_401() {
    let world = World::new();
    let key = world.key();
    let users = [
        format!("{}:", mistyped(&key)),
        format!(":{}", key.secret),
        format!("someone:{}", key.secret),
        ":".to_owned(),
        String::new(),
    ];
    for user in users {
        let answer = basic(&world, &user).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_api_key"),
            "{user}"
        );
    }
}

#[test]
fn a_key_in_the_query_string_is_never_read() {
    let world = World::new();
    let key = world.key();
    for name in [
        "api_key",
        "key",
        "access_token",
        "authorization",
        "Authorization",
    ] {
        let path = format!("{CREATE}?{name}={}", key.secret);
        let answer = world.post(&path).json(ORDER).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_api_key"),
            "{name}"
        );
    }
    assert_eq!(world.report(&key).last_used_at, None);
}

#[test]
fn a_nearly_right_key_is_answered_as_any_unknown_one() {
    let world = World::new();
    let key = world.key();
    let random = &key.secret[8..37];
    let last = if key.secret[37..].starts_with('x') {
        "y"
    } else {
        "x"
    };
    let wrongs = [
        mistyped(&key),
        secret_like(&format!("{random}{last}")),
        secret_like(random),
    ];
    let plain = |secret: &str| {
        let request = world
            .post(CREATE)
            .json(ORDER)
            .header("X-Request-Id", "same");
        request.bearer(secret).send()
    };
    let unknown = plain(&World::new().key().secret);
    for wrong in wrongs {
        let answer = plain(&wrong);
        assert_eq!(
            (answer.status, &answer.body),
            (401, &unknown.body),
            "{wrong}"
        );
    }
}

#[test]
fn a_revoked_key_is_told_so_only_when_the_whole_secret_matches() {
    let world = World::new();
    let key = world.key();
    world.revoke(&key);
    world.order(&key).send().expect(401, "api_key_revoked");
    let answer = with_authorization(&world, &format!("Bearer {}", mistyped(&key))).send();
    answer.expect(401, "invalid_api_key");
}

#[test]
fn an_expired_key_is_told_so_only_when_the_whole_secret_matches() {
    let world = World::new();
    let key = world.key_for(3_600);
    world.advance(HOUR);
    world.order(&key).send().expect(401, "api_key_expired");
    let answer = with_authorization(&world, &format!("Bearer {}", mistyped(&key))).send();
    answer.expect(401, "invalid_api_key");
}
