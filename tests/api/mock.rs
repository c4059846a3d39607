//! The mock: the same server, which takes any test key (contract, sections 2 and 6).

use crate::world::{CREATE, ORDER, Response, World};

fn mock() -> World {
    World::with(|settings| settings.mock = true)
}

fn order(world: &World, secret: &str) -> Response {
    let request = world.post(CREATE).bearer(secret).json(ORDER);
    request.idempotent("order_1").send()
}

#[test]
fn any_well_formed_test_key_works_as_printed() {
    let world = mock();
    for rest in [
        "xxx".to_owned(),
        "a".to_owned(),
        "A_9".to_owned(),
        "x".repeat(247),
    ] {
        let answer = order(&world, &format!("sk_test_{rest}"));
        assert_eq!(answer.status, 201, "{rest}");
        assert_eq!(answer.scope(), "minute");
        assert_eq!(answer.remaining(), 999, "{rest}");
    }
}

#[test]
fn a_malformed_or_live_key_does_not() {
    let world = mock();
    let secrets = [
        "sk_test_".to_owned(),
        format!("sk_test_{}", "x".repeat(248)),
        "sk_test_a-b".to_owned(),
        "sk_test_é".to_owned(),
        "SK_TEST_xxx".to_owned(),
        "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        "pk_test_xxx".to_owned(),
    ];
    for secret in secrets {
        let answer = order(&world, &secret);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_api_key"),
            "{secret}"
        );
    }
}

#[test]
fn a_server_that_is_no_mock_takes_no_such_key() {
    let world = World::new();
    for secret in ["sk_test_xxx", "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx"] {
        order(&world, secret).expect(401, "invalid_api_key");
    }
}

#[test]
fn idempotency_is_as_real_as_elsewhere() {
    let world = mock();
    let first = order(&world, "sk_test_xxx");
    let second = order(&world, "sk_test_xxx");
    assert_eq!((second.replayed(), second.body), (true, first.body));
    let request = world.post(CREATE).bearer("sk_test_xxx");
    let other = request.json(r#"{"amount":1,"currency":"USD"}"#);
    other
        .idempotent("order_1")
        .send()
        .expect(409, "idempotency_key_reused");
}

#[test]
fn a_key_is_known_again_after_a_restart() {
    let world = mock();
    let first = order(&world, "sk_test_xxx");
    let world = world.restart();
    let second = order(&world, "sk_test_xxx");
    assert_eq!((second.replayed(), second.body), (true, first.body));
    assert!(!world.keeps(b"sk_test_xxx"));
}

#[test]
fn a_revoked_key_is_refused_by_the_mock_too() {
    let world = mock();
    let key = world.key();
    assert_eq!(order(&world, &key.secret).status, 201);
    world.revoke(&key);
    order(&world, &key.secret).expect(401, "api_key_revoked");
}
