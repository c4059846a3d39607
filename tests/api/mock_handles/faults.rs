//! `/_mock/faults`: rules by which requests fail.

use atlas::domain::key::Mode;
use serde_json::{Value, json};

use super::{ask, counts, fault, mock, sessions, tell};
use crate::world::{CREATE, Key, ORDER, World};

const FAULTS: &str = "/_mock/faults";

fn orders(world: &World, key: &Key, count: usize) -> Vec<u16> {
    (0..count).map(|_| world.order(key).send().status).collect()
}

fn delete(world: &World, path: &str) -> Value {
    let answer = world.request("DELETE", path).send();
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

#[test]
fn a_rule_is_made_told_and_removed() {
    let world = mock();
    let key = world.key();
    assert_eq!(ask(&world, FAULTS), json!({ "object": "list", "data": [] }));
    let plain = tell(&world, FAULTS, r#"{"fault":"delay=500ms,status=503"}"#);
    assert_eq!(plain.status, 201);
    let id = plain.text("id");
    assert!(id.starts_with("flt_"), "{id}");
    let expected = json!({
        "id": id, "object": "fault", "fault": "delay=500ms; status=503", "method": null, "path": null, "key": null,
        "times": null, "share": 1.0, "seed": 0, "matched": 0, "applied": 0,
    });
    assert_eq!(plain.json(), expected);
    let body = json!({
        "fault": "drop-before", "method": "post", "path": "/functions/v1/*", "key": key.secret, "times": 3,
        "share": 0.25, "seed": 7,
    });
    let narrow = tell(&world, FAULTS, &body.to_string()).json();
    let expected = json!({
        "id": narrow["id"], "object": "fault", "fault": "drop-before", "method": "POST", "path": "/functions/v1/*",
        "key": key.id.to_string(), "times": 3, "share": 0.25, "seed": 7, "matched": 0, "applied": 0,
    });
    assert_eq!(narrow, expected);
    assert_eq!(ask(&world, FAULTS)["data"], json!([plain.json(), narrow]));
    let path = format!("{FAULTS}/{id}");
    assert_eq!(delete(&world, &path), plain.json());
    world
        .request("DELETE", &path)
        .send()
        .expect(404, "fault_not_found");
    let unknown = world.request("DELETE", "/_mock/faults/nonsense").send();
    unknown.expect(404, "fault_not_found");
    assert_eq!(ask(&world, FAULTS)["data"], json!([narrow]));
    assert_eq!(delete(&world, FAULTS), json!({ "deleted": 1 }));
    assert_eq!(delete(&world, FAULTS), json!({ "deleted": 0 }));
}

#[test]
fn a_rule_hits_every_request_that_it_is_for_until_it_is_removed() {
    let world = mock();
    let key = world.key();
    let id = fault(&world, r#"{"fault":"status=503"}"#);
    assert_eq!(orders(&world, &key, 3), [503; 3]);
    assert_eq!((counts(&world, &id), sessions(&world)), ((3, 3), 0));
    delete(&world, &format!("{FAULTS}/{id}"));
    assert_eq!(orders(&world, &key, 2), [201; 2]);
}

#[test]
fn a_rule_with_times_hits_so_often() {
    let world = mock();
    let key = world.key();
    let id = fault(&world, r#"{"fault":"status=503","times":2}"#);
    assert_eq!(orders(&world, &key, 4), [503, 503, 201, 201]);
    assert_eq!(counts(&world, &id), (4, 2));
}

#[test]
fn a_rule_is_for_its_method_path_and_key_only() {
    let world = mock();
    let (key, other) = (world.key(), world.key());
    fault(&world, r#"{"fault":"status=500","method":"GET"}"#);
    assert_eq!(orders(&world, &key, 1), [201]);
    assert_eq!(world.probe(&key).send().status, 500);
    delete(&world, FAULTS);
    fault(
        &world,
        &format!(r#"{{"fault":"status=500","path":"{CREATE}"}}"#),
    );
    assert_eq!(orders(&world, &key, 1), [500]);
    assert_eq!(world.probe(&key).send().status, 404);
    let spelt = CREATE.replace('-', "%2D");
    let spelt = world.post(&spelt).key(&key).json(ORDER).send();
    assert_eq!(spelt.status, 500, "however the path is spelt");
    delete(&world, FAULTS);
    fault(
        &world,
        r#"{"fault":"status=500","path":"/functions/v1/sess*"}"#,
    );
    assert_eq!(orders(&world, &key, 1), [201]);
    assert_eq!(world.probe(&key).send().status, 500);
    for named in [&key.secret, &key.id.to_string()] {
        delete(&world, FAULTS);
        fault(
            &world,
            &format!(r#"{{"fault":"status=500","key":"{named}"}}"#),
        );
        assert_eq!(orders(&world, &key, 1), [500]);
        assert_eq!(orders(&world, &other, 1), [201]);
    }
}

#[test]
fn the_first_rule_that_hits_counts_and_the_header_before_all_rules() {
    let world = mock();
    let key = world.key();
    let first = fault(&world, r#"{"fault":"status=501","times":1}"#);
    let second = fault(&world, r#"{"fault":"status=502"}"#);
    let by_header = world
        .order(&key)
        .header("X-Atlas-Mock", "status=418")
        .send();
    assert_eq!(by_header.status, 418);
    assert_eq!(orders(&world, &key, 3), [501, 502, 502]);
    assert_eq!(
        (counts(&world, &first), counts(&world, &second)),
        ((3, 1), (2, 2))
    );
}

#[test]
fn a_share_hits_the_same_requests_for_the_same_seed() {
    let world = mock();
    let key = world.key();
    let sequence = |seed: u64| {
        delete(&world, FAULTS);
        fault(
            &world,
            &format!(r#"{{"fault":"status=503","share":0.5,"seed":{seed}}}"#),
        );
        orders(&world, &key, 40)
    };
    let (first, second, other) = (sequence(7), sequence(7), sequence(8));
    assert_eq!(first, second);
    assert_ne!(first, other);
    let hit = first.iter().filter(|status| **status == 503).count();
    assert!((10..=30).contains(&hit), "{hit} of 40");
    delete(&world, FAULTS);
    fault(&world, r#"{"fault":"status=503","share":0}"#);
    assert_eq!(orders(&world, &key, 5), [201; 5]);
}

#[test]
fn a_rule_for_a_secret_that_was_never_seen_waits_for_its_first_use() {
    let world = mock();
    fault(&world, r#"{"fault":"status=503","key":"sk_test_xxx"}"#);
    let order = |secret: &str| {
        let request = world.post(CREATE).bearer(secret);
        request.json(crate::world::ORDER).send().status
    };
    assert_eq!([order("sk_test_xxx"), order("sk_test_yyy")], [503, 201]);
}

#[test]
fn a_rule_that_can_t_be_is_refused_with_the_member_that_is_wrong() {
    let world = mock();
    let live = world.key_of("default", Mode::Live);
    let of_key = |key: &str| format!(r#"{{"fault":"status=503","key":"{key}"}}"#);
    for (body, param) in [
        (r#"{"fault":"status=200"}"#.to_owned(), "fault"),
        (r#"{"fault":"status=503; drop-before"}"#.to_owned(), "fault"),
        (r#"{"fault":"status=503","times":0}"#.to_owned(), "times"),
        (r#"{"fault":"status=503","share":2}"#.to_owned(), "share"),
        (r#"{"fault":"status=503","path":"x"}"#.to_owned(), "path"),
        (of_key("sk_live_xxx"), "key"),
        (of_key(&live.secret), "key"),
        (of_key(&live.id.to_string()), "key"),
        (of_key("key_00000000000000000000"), "key"),
        (of_key("sk_test_"), "key"),
        (of_key("nonsense"), "key"),
    ] {
        let answer = tell(&world, FAULTS, &body);
        answer.expect(400, "parameter_invalid");
        assert_eq!(answer.param().as_deref(), Some(param), "{body}");
    }
    tell(&world, FAULTS, "{}").expect(400, "parameter_missing");
    assert_eq!(ask(&world, FAULTS)["data"], json!([]));
}

#[test]
fn there_is_room_for_a_hundred_rules() {
    let world = mock();
    let body = r#"{"fault":"status=503","share":0}"#;
    let first = fault(&world, body);
    (1..100).for_each(|_| drop(fault(&world, body)));
    let refused = tell(&world, FAULTS, body);
    refused.expect(400, "parameter_invalid");
    delete(&world, &format!("{FAULTS}/{first}"));
    fault(&world, body);
}

#[test]
fn a_request_that_a_real_limit_refuses_does_not_use_a_rule_up() {
    let world = mock();
    let key = world.key();
    let id = fault(&world, r#"{"fault":"status=503","times":1}"#);
    tell(
        &world,
        "/_mock/limits",
        &format!(r#"{{"key":"{}","minute":0}}"#, key.id),
    );
    world.order(&key).send().expect_limit("minute");
    assert_eq!(counts(&world, &id), (1, 0));
    tell(
        &world,
        "/_mock/limits",
        &format!(r#"{{"key":"{}","minute":9}}"#, key.id),
    );
    assert_eq!(orders(&world, &key, 2), [503, 201]);
}

#[test]
fn a_decline_that_was_asked_for_is_kept_under_its_key_as_a_real_one_is() {
    let world = mock();
    let key = world.key();
    let order = || world.order(&key).idempotent("order_1");
    let declining = || order().header("X-Atlas-Mock", "status=402");
    let first = declining().send();
    first.expect(402, "payment_failed");
    assert!(!first.replayed());
    assert_eq!(first.header("idempotency-key"), Some("order_1"));
    for again in [declining().send(), order().send()] {
        assert_eq!((again.status, again.replayed()), (402, true));
        assert_eq!(again.body, first.body);
    }
    let other = world.order_of(&key, r#"{"amount":1,"currency":"USD"}"#);
    let other = other
        .idempotent("order_1")
        .header("X-Atlas-Mock", "status=402");
    other.send().expect(409, "idempotency_key_reused");
    // What was done before stays done, and without a key nothing is kept.
    let done = world.order(&key).idempotent("order_2").send();
    let declined = world.order(&key).idempotent("order_2");
    let declined = declined.header("X-Atlas-Mock", "status=402").send();
    assert_eq!((declined.body, declined.status), (done.body, 201));
    let unnamed = world.order(&key).header("X-Atlas-Mock", "status=402");
    unnamed.send().expect(402, "payment_failed");
    assert_eq!(sessions(&world), 1);
}

#[test]
fn a_429_that_was_asked_for_spends_nothing() {
    let world = mock();
    let key = world.key();
    let before = world.probe(&key).send();
    for asked in ["status=429", "rate-limit=minute"] {
        let refused = world.order(&key).header("X-Atlas-Mock", asked).send();
        refused.expect_limit("minute");
    }
    let after = world.probe(&key).send();
    for scope in ["minute", "day"] {
        let fell = before.remaining_of(scope) - after.remaining_of(scope);
        assert_eq!(fell, 1, "{scope}");
    }
}

#[test]
fn a_429_that_was_asked_for_spends_nothing_of_a_buyer_s_either() {
    let world = mock();
    let made = world.order(&world.key()).send();
    let (path, secret) = (
        format!("/functions/v1/sessions/{}", made.session()),
        made.text("client_secret"),
    );
    let read = || world.get(&path).bearer(&secret);
    let before = read().send().remaining();
    for asked in [
        "status=429",
        "rate-limit=minute",
        "rate-limit=day",
        "rate-limit=concurrency",
    ] {
        let refused = read().header("X-Atlas-Mock", asked).send();
        refused.expect_limit("address");
        assert_eq!(refused.remaining(), 0, "{asked}");
    }
    assert_eq!(read().send().remaining(), before - 1);
}
