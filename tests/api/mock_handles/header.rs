//! `X-Atlas-Mock`: one request fails as its header says.

use super::{is_cut, mock, sessions};
use crate::world::{Key, NOON, ORDER, Request, World};

fn with(request: Request, value: &str) -> Request {
    request.header("X-Atlas-Mock", value)
}

/// What is left of the minute and the day, without spending any of it.
fn left(world: &World, key: &Key) -> (u32, u32) {
    let entry = world.app.key(&key.id).expect("the key is known");
    let standing = entry.limiter.standing(world.app.clock.now());
    (standing.minute.remaining, standing.day.remaining)
}

#[test]
fn a_status_is_answered_in_the_contract_s_one_shape() {
    let world = mock();
    let key = world.key();
    let api = "api_error";
    let request = "invalid_request_error";
    for (status, kind, code) in [
        (400, request, "simulated_fault"),
        (401, "authentication_error", "invalid_api_key"),
        (402, "card_error", "payment_failed"),
        (403, request, "simulated_fault"),
        (404, request, "session_not_found"),
        (409, "idempotency_error", "idempotency_key_in_use"),
        (418, request, "simulated_fault"),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (500, api, "internal_error"),
        (502, api, "simulated_fault"),
        (503, api, "storage_unavailable"),
        (599, api, "simulated_fault"),
    ] {
        let answer = with(world.order(&key), &format!("status={status}")).send();
        answer.expect(status, code);
        let error = &answer.json()["error"];
        assert_eq!(error["type"], kind, "{status}");
        let decline = (status == 402).then_some("generic_decline");
        assert_eq!(error["decline_code"].as_str(), decline, "{status}");
    }
    assert_eq!(
        (sessions(&world), left(&world, &key)),
        (0, (989, 99_989)),
        "each but the one over its limit has spent one"
    );
}

#[test]
fn a_status_is_not_kept_so_the_same_key_runs_afterwards() {
    let world = mock();
    let key = world.key();
    let order = world.order(&key).idempotent("order_1");
    for status in [409, 500, 503] {
        let answer = with(order.clone(), &format!("status={status}")).send();
        assert_eq!((answer.status, answer.replayed()), (status, false));
    }
    let first = order.send();
    assert_eq!(
        (first.status, first.replayed(), sessions(&world)),
        (201, false, 1)
    );
    let failed = with(order.clone(), "status=503").send();
    assert_eq!((failed.status, failed.replayed()), (503, false));
    assert!(order.send().replayed());
}

#[test]
fn what_the_header_can_t_mean_is_refused_and_nothing_done() {
    let world = mock();
    let key = world.key();
    for value in [
        "",
        "nonsense",
        "status=200",
        "status=503;",
        "status=503; drop-before",
        "status=503, rate-limit=day",
        "drop-before; rate-limit=minute",
        "delay=5m 1s",
        "delay=2",
        "rate-limit=address",
        "delay=1s; delay=1s",
        "status=503\u{e9}",
    ] {
        let answer = with(world.order(&key), value).send();
        answer.expect(400, "parameter_invalid");
        assert_eq!(answer.param().as_deref(), Some("X-Atlas-Mock"), "{value}");
    }
    assert_eq!(sessions(&world), 0);
}

#[test]
fn directives_are_taken_together_also_from_two_lines() {
    let world = mock();
    let key = world.key();
    for value in ["delay=0s; status=503", "status=503,delay=1ms"] {
        let answer = with(world.order(&key), value).send();
        answer.expect(503, "storage_unavailable");
    }
    let twice = with(with(world.order(&key), "delay=1ms"), "status=500");
    twice.send().expect(500, "internal_error");
    let contradicting = with(with(world.order(&key), "status=503"), "status=500");
    contradicting.send().expect(400, "parameter_invalid");
}

#[test]
fn a_limit_refuses_as_it_would_and_nothing_is_spent() {
    let world = mock();
    let key = world.key();
    for (scope, limit, wait, reset) in [
        ("minute", 1_000, 60, NOON + 60),
        ("day", 100_000, 43_200, NOON + 43_200),
        ("concurrency", 50, 1, NOON + 1),
    ] {
        let answer = with(world.order(&key), &format!("rate-limit={scope}")).send();
        answer.expect_limit(scope);
        assert_eq!(answer.number("retry-after"), wait, "{scope}");
        assert_eq!(answer.number("x-ratelimit-limit"), limit, "{scope}");
        assert_eq!(answer.number("x-ratelimit-reset"), reset, "{scope}");
        if scope != "concurrency" {
            assert_eq!(answer.remaining_of(scope), 0);
        }
    }
    assert_eq!(left(&world, &key), (1_000, 100_000));
    assert_eq!((world.report(&key).used_today, sessions(&world)), (0, 0));
    assert_eq!(world.order(&key).send().remaining(), 999);
}

#[test]
fn faults_meet_reads_and_unknown_paths_of_a_key_as_well() {
    let world = mock();
    let key = world.key();
    let session = world.order(&key).send().session();
    let read = with(world.look_up(&key, &session), "status=500").send();
    read.expect(500, "internal_error");
    let nowhere = with(world.get("/nowhere").key(&key), "status=503").send();
    nowhere.expect(503, "storage_unavailable");
    let body = with(world.post("/nowhere").key(&key), "status=503").json(ORDER);
    body.send().expect(503, "storage_unavailable");
}

#[test]
fn a_buyer_s_request_fails_on_purpose_too_and_the_repeat_is_a_replay() {
    let world = mock();
    let key = world.key();
    let session = world.order(&key).send().json();
    let text = |name: &str| session[name].as_str().expect("text").to_owned();
    let path = format!("/functions/v1/confirm-payment/{}", text("id"));
    let confirm = || {
        let request = world.post(&path).bearer(&text("client_secret"));
        request
            .json(r#"{"token_id":"tok_visa"}"#)
            .idempotent("pay_1")
    };
    is_cut(&confirm().header("X-Atlas-Mock", "drop-after-commit"));
    let again = confirm().send();
    assert_eq!((again.status, again.replayed()), (200, true));
    let limited = confirm().header("X-Atlas-Mock", "rate-limit=minute").send();
    limited.expect(429, "rate_limit_exceeded");
}
