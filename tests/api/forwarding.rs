//! Requests that go upstream, where time matters: claims and kept answers live a day. What goes up and comes down
//! otherwise is said in `tests/upstream`, by the real process.

use std::time::Duration;

use atlas::app::claims::{ClaimAnswer, ClaimCommand};
use atlas::config::{Settings, UpstreamSettings};
use atlas::domain::claim::Settlement;
use atlas::domain::id::ClaimId;
use atlas::domain::key::Mode;
use serde_json::Value;

use crate::webhooks::receiver::{Answer, Receiver};
use crate::world::{HOUR, Key, MILLISECOND, Request, World};

const DAY: Duration = Duration::from_secs(86_400);
const ORDER: &str = r#"{"order":"a"}"#;

/// A world whose live requests go to this upstream, and a live key.
pub fn world_of(upstream: &Receiver, is_idempotent: bool) -> (World, Key) {
    let world = World::with(with_upstream(upstream, is_idempotent));
    let key = world.key_of("default", Mode::Live);
    (world, key)
}

fn with_upstream(upstream: &Receiver, is_idempotent: bool) -> impl Fn(&mut Settings) + 'static {
    let url = format!("http://{}/functions/v1", upstream.address);
    move |settings| {
        settings.shutdown_timeout = crate::world::SECOND;
        settings.live = Some(UpstreamSettings {
            is_idempotent,
            ..UpstreamSettings::at(url.parse().expect("a URL"))
        });
    }
}

/// A charge under this idempotency key.
pub fn charge(world: &World, key: &Key, name: &str) -> Request {
    let charge = world.post("/functions/v1/charges").key(key);
    charge.idempotent(name).json(ORDER)
}

fn open(world: &World) -> Value {
    let listed = actix_web::rt::System::new().block_on(world.app.manage_claims(ClaimCommand::List));
    let ClaimAnswer::Claims(claims) = listed else {
        panic!("no list");
    };
    serde_json::to_value(claims).expect("JSON")
}

#[test]
fn a_claim_lives_a_day_from_the_first_request_and_not_longer() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let first = world.now();
    upstream.answer(Answer::Close);
    let charge = charge(&world, &key, "order_1");
    charge.send().expect(504, "upstream_outcome_unknown");
    world.advance(DAY - HOUR);
    charge.send().expect(504, "upstream_outcome_unknown");
    world.advance(HOUR - MILLISECOND);
    let claims = open(&world);
    assert_eq!(claims[0]["idempotency_key"], "order_1");
    let since: jiff::Timestamp = claims[0]["since"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("RFC 3339");
    assert_eq!(since.as_second(), i64::try_from(first).expect("a time"));
    let other = world
        .post("/functions/v1/charges")
        .key(&key)
        .idempotent("order_1");
    let other = other.json(r#"{"order":"other"}"#);
    other.send().expect(409, "idempotency_key_reused");
    world.advance(MILLISECOND);
    assert_eq!(open(&world), Value::Array(Vec::new()));
    upstream.answer(Answer::Status(201));
    let done = other.send();
    assert_eq!((done.status, done.replayed()), (201, false));
    assert_eq!(upstream.wait_for(3)[2].body, br#"{"order":"other"}"#);
}

#[test]
fn what_was_found_after_a_while_is_kept_for_a_day_from_the_first_request() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    upstream.answer(Answer::Close);
    let charge = charge(&world, &key, "order_1");
    charge.send().expect(504, "upstream_outcome_unknown");
    world.advance(DAY - HOUR);
    upstream.answer(Answer::Status(201));
    assert_eq!(charge.send().status, 201);
    world.advance(HOUR - MILLISECOND);
    assert!(charge.send().replayed());
    upstream.wait_for(2);
    world.advance(MILLISECOND);
    assert!(!charge.send().replayed());
    upstream.wait_for(3);
}

#[test]
fn claims_that_are_over_are_gone_from_memory_and_disk_and_others_stay() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    upstream.answer(Answer::Close);
    charge(&world, &key, "old_order")
        .send()
        .expect(504, "upstream_outcome_unknown");
    world.advance(2 * HOUR);
    charge(&world, &key, "new_order")
        .send()
        .expect(504, "upstream_outcome_unknown");
    world.advance(DAY - HOUR);
    let caught_up = world.app.catch_up(world.clock.now());
    actix_web::rt::System::new()
        .block_on(caught_up)
        .expect("caught up");
    let world = world.restart_set_back(DAY - HOUR);
    let claims = open(&world);
    let keys: Vec<&Value> = claims
        .as_array()
        .expect("a list")
        .iter()
        .map(|claim| &claim["idempotency_key"])
        .collect();
    assert_eq!(keys, ["new_order"]);
}

#[test]
fn an_answer_that_says_nothing_of_the_charge_leaves_it_open_where_it_could_be_charged_again() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, false);
    for (status, is_open) in [
        (302, true),
        (408, true),
        (409, false),
        (500, true),
        (502, true),
        (503, false),
        (504, true),
    ] {
        let name = format!("status_{status}");
        let answer = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: 78\r\n\r\n{}",
            problem()
        );
        upstream.answer(Answer::Bytes(answer.into_bytes()));
        let first = charge(&world, &key, &name).header("X-Request-Id", "r");
        assert_eq!(first.send().status, status);
        upstream.answer(Answer::Status(201));
        let again = charge(&world, &key, &name).send();
        if is_open {
            again.expect(504, "upstream_outcome_unknown");
        } else {
            assert_eq!((again.status, again.replayed()), (201, false), "{status}");
        }
    }
    assert_eq!(open(&world).as_array().expect("a list").len(), 5);
}

/// An error in the shape of every error.
fn problem() -> &'static str {
    r#"{"error":{"type":"api_error","code":"x","message":"Theirs.","request_id":"r"}}"#
}

#[test]
fn without_its_upstream_a_claim_waits_and_nothing_pretends() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    upstream.answer(Answer::Close);
    let send = |world: &World| world.order(&key).idempotent("order_1").send();
    send(&world).expect(504, "upstream_outcome_unknown");
    let world = world.restart_with(|_| ());
    send(&world).expect(504, "upstream_outcome_unknown");
    world
        .order(&key)
        .idempotent("order_2")
        .send()
        .expect(503, "live_mode_unavailable");
    let world = world.restart_with(with_upstream(&upstream, true));
    upstream.answer(Answer::Status(200));
    assert_eq!(send(&world).status, 200);
    upstream.wait_for(2);
}

#[test]
fn strangers_learn_nothing_of_what_an_upstream_has() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let path = "/functions/v1/charges";
    world.get(path).send().expect(401, "invalid_api_key");
    world
        .request("OPTIONS", path)
        .bearer("sk_live_wrong")
        .send();
    for left in [57, 56] {
        let asked = world
            .request("OPTIONS", path)
            .bearer("sk_live_wrong")
            .send();
        assert_eq!(
            (asked.status, asked.remaining()),
            (204, left),
            "a guess is a guess"
        );
    }
    let question = world.request("OPTIONS", path).send();
    assert_eq!((question.status, question.remaining()), (204, 56));
    let known = world.request("OPTIONS", path).key(&key).send();
    assert_eq!((known.status, known.scope()), (200, "minute"));
    assert_eq!(
        upstream.wait_for(1)[0].line,
        "OPTIONS /functions/v1/charges HTTP/1.1"
    );
    let test = world.request("OPTIONS", path).key(&world.key()).send();
    assert_eq!(test.status, 204, "test mode has no upstream here");
    upstream.wait_for(1);
}

#[test]
fn pages_may_use_every_method_that_an_upstream_takes() {
    const PAGE: &str = "http://x";
    let upstream = Receiver::new();
    let configure = with_upstream(&upstream, true);
    let world = World::with(move |settings| {
        configure(settings);
        settings.allow_origin = vec![PAGE.parse().expect("an origin")];
    });
    let allowed = |world: &World, path: &str, method: &str| -> Vec<String> {
        let asked = world.request("OPTIONS", path).header("Origin", PAGE);
        let answer = asked.header("Access-Control-Request-Method", method).send();
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        let methods = answer.header("access-control-allow-methods");
        let methods = methods.expect("the methods").split(", ");
        methods.map(str::to_owned).collect()
    };
    for method in ["PUT", "DELETE", "POST"] {
        let methods = allowed(&world, "/functions/v1/charges", method);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(&method.to_owned()), "{methods:?}");
        }
    }
    assert_eq!(upstream.hits(), [], "a preflight is for us");
    let world = World::with(|settings| {
        settings.allow_origin = vec![PAGE.parse().expect("an origin")];
    });
    let methods = allowed(&world, "/functions/v1/charges", "PUT");
    assert!(!methods.contains(&"PUT".to_owned()), "{methods:?}");
}

#[test]
fn what_an_upstream_has_done_is_kept_however_short_the_disk_is() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    upstream.answer(Answer::Close);
    for name in ["order_1", "order_2"] {
        charge(&world, &key, name)
            .send()
            .expect(504, "upstream_outcome_unknown");
    }
    let configure = with_upstream(&upstream, true);
    let world = world.restart_with(move |settings| {
        configure(settings);
        settings.min_free_disk = u64::MAX;
    });
    upstream.answer(Answer::Status(201));
    assert_eq!(charge(&world, &key, "order_1").send().status, 201);
    assert!(charge(&world, &key, "order_1").send().replayed());
    let id = ClaimId::parse(open(&world)[0]["id"].as_str().expect("an id"));
    let settle = ClaimCommand::Settle {
        id: id.expect("an id"),
        settlement: Settlement::Done,
    };
    let settled = actix_web::rt::System::new().block_on(world.app.manage_claims(settle));
    assert!(matches!(settled, ClaimAnswer::Settled(_)), "{settled:?}");
    charge(&world, &key, "order_2")
        .send()
        .expect(409, "answer_not_kept");
    charge(&world, &key, "order_3")
        .send()
        .expect(503, "storage_unavailable");
    upstream.wait_for(3);
}
