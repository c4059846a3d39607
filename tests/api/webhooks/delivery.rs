//! One delivery: the request, its signature, and which answers count.

use atlas::clock::Clock;
use atlas::domain::delivery::{DeliveryState, Outcome};
use atlas::domain::event::{Cause, EventType};
use atlas::domain::idempotency::IdempotencyKey;
use atlas::domain::key::{Account, Mode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::receiver::{Answer, Hit};
use super::shop::{Shop, block_on};
use crate::world::MILLISECOND;

/// HMAC-SHA256 by its definition (RFC 2104), for keys that fit into a block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let pad = |byte: u8| -> Vec<u8> {
        let padded = (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte);
        padded.collect()
    };
    let inner = Sha256::digest([&pad(0x36), message].concat());
    let outer = Sha256::digest([&pad(0x5c)[..], &inner].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a request is signed with this secret; and when, in Unix seconds.
pub fn signed_at(hit: &Hit, secret: &str) -> Option<u64> {
    let (time, signature) = hit.header("x-atlas-signature").split_once(',')?;
    let time = time.strip_prefix("t=")?;
    let message = [time.as_bytes(), b".", &hit.body].concat();
    let expected = hmac_sha256(secret.as_bytes(), &message);
    (signature.strip_prefix("v1=")? == expected).then(|| time.parse().expect("a time"))
}

#[test]
fn a_delivery_is_a_post_with_the_envelope_and_the_headers_of_the_api() {
    let shop = Shop::new();
    let (key, now) = (
        IdempotencyKey::parse(b"order_1").expect("a key"),
        shop.world.clock.now(),
    );
    let cause = Cause {
        request_id: "req_1",
        idempotency_key: Some(&key),
    };
    let (account, object) = (Account::default(), json!({"amount": 4990, "note": "é\n"}));
    let owner = (&account, Mode::Test);
    let kind = EventType::PaymentCaptured;
    let outgoing = shop
        .world
        .app
        .announce(kind, owner, &object, Some(cause), now);
    let outgoing = outgoing.expect("made").expect("somebody wants it");
    block_on(shop.world.app.send_event(&outgoing, now)).expect("kept");

    let hit = shop.receiver.wait_for(1).remove(0);
    assert_eq!(hit.line, "POST /hooks?from=atlas HTTP/1.1");
    assert_eq!(hit.header("host"), shop.receiver.address.to_string());
    assert_eq!(hit.header("content-type"), "application/json");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        hit.header("user-agent"),
        format!("Atlas-Webhooks/{version}")
    );
    assert_eq!(hit.header("x-atlas-event-type"), "payment.captured");
    assert_eq!(hit.header("x-atlas-test-mode"), "true");
    let delivery = hit.header("x-atlas-delivery");
    assert!(
        delivery.starts_with("del_") && delivery.len() == 20,
        "{delivery}"
    );
    let id = outgoing.event.id.to_string();
    assert!(id.starts_with("evt_") && id.len() == 28);
    assert_eq!(hit.event(), id);
    let created = "2026-11-25T12:00:00.000Z";
    let expected = json!({
        "id": id, "object": "event", "type": "payment.captured", "api_version": "2024-01-01",
        "created": created, "created_at": created, "livemode": false, "data": {"object": object},
        "request": {"id": "req_1", "idempotency_key": "order_1"},
    });
    assert_eq!(hit.json(), expected);
}

#[test]
fn an_event_that_no_request_brought_about_says_null() {
    let shop = Shop::new();
    shop.happens();
    let body = shop.receiver.wait_for(1).remove(0).json();
    assert_eq!(body.get("request"), Some(&Value::Null));
}

#[test]
fn it_is_signed_with_the_endpoint_s_secret_at_the_system_s_time_wherever_our_clock_stands() {
    let shop = Shop::new();
    shop.advance(365 * 86_400);
    let before = Clock::system_now().millis() / 1_000;
    shop.happens();
    let hit = shop.receiver.wait_for(1).remove(0);
    let after = Clock::system_now().millis() / 1_000;
    let at = signed_at(&hit, &shop.secret).expect("signed");
    assert!(
        (before..=after).contains(&at),
        "{before} <= {at} <= {after}"
    );
    assert_eq!(hit.header("x-atlas-timestamp"), at.to_string());
    let other = shop.secret.replace("whsec_", "");
    assert_eq!(signed_at(&hit, &other), None, "the whole secret is the key");
    let created = hit.json()["created"].as_str().map(str::to_owned);
    assert_eq!(created.as_deref(), Some("2027-11-25T12:00:00.000Z"));
}

#[test]
fn every_2xx_is_success_and_nothing_else_is() {
    for (status, arrived) in [
        (200, true),
        (201, true),
        (202, true),
        (299, true),
        (300, false),
        (304, false),
        (400, false),
        (410, false),
        (500, false),
    ] {
        let shop = Shop::new();
        shop.receiver.answer(Answer::Status(status));
        let delivery = shop.tried(shop.happens(), 1);
        assert_eq!(delivery.due().is_none(), arrived, "{status}");
        let state = if arrived {
            DeliveryState::Delivered
        } else {
            DeliveryState::Retrying
        };
        assert_eq!(delivery.state(), state, "{status}");
        let expected = Outcome::Answered {
            status,
            beginning: if status == 304 {
                Vec::new()
            } else {
                b"thanks".to_vec()
            },
        };
        assert_eq!(delivery.attempts[0].outcome, expected);
    }
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let shop = Shop::new();
        let elsewhere = super::receiver::Receiver::new();
        let answer = format!(
            "HTTP/1.1 {status} x\r\nLocation: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url()
        );
        shop.receiver.answer(Answer::Bytes(answer.into_bytes()));
        let delivery = shop.tried(shop.happens(), 1);
        assert_eq!(delivery.state(), DeliveryState::Retrying);
        assert!(elsewhere.hits().is_empty(), "{status}");
    }
}

#[test]
fn the_first_kibibyte_of_an_answer_is_kept_and_the_rest_is_not_read() {
    let shop = Shop::new();
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    shop.receiver.answer(Answer::Bytes(long.into_bytes()));
    let delivery = shop.tried(shop.happens(), 1);
    let expected = Outcome::Answered {
        status: 200,
        beginning: vec![b'x'; 1024],
    };
    assert_eq!(delivery.attempts[0].outcome, expected);
    assert_eq!(delivery.state(), DeliveryState::Delivered);
}

#[test]
fn a_connection_that_its_receiver_keeps_and_then_drops_costs_no_delivery() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::KeepThenDrop);
    for _ in 0..3 {
        let delivery = shop.tried(shop.happens(), 1);
        assert_eq!(delivery.state(), DeliveryState::Delivered);
    }
}

/// What came of an attempt at a receiver that answers this.
fn failed(answer: Answer) -> String {
    let is_silent = matches!(answer, Answer::Silence);
    let shop = Shop::with(move |settings| {
        if is_silent {
            settings.webhook_timeout = 100 * MILLISECOND;
        }
    });
    shop.receiver.answer(answer);
    let delivery = shop.tried(shop.happens(), 1);
    assert_eq!(delivery.state(), DeliveryState::Retrying);
    match &delivery.attempts[0].outcome {
        Outcome::Failed(why) => why.clone(),
        answered @ Outcome::Answered { .. } => panic!("{answered:?}"),
    }
}

#[test]
fn no_answer_is_a_failure_that_says_why() {
    let silent = failed(Answer::Silence);
    assert!(silent.contains("No answer within"), "{silent}");
    let closed = failed(Answer::Close);
    assert!(closed.contains("without an answer"), "{closed}");
    let garbage = failed(Answer::Bytes(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()));
    assert!(garbage.contains("without an answer"), "{garbage}");
    let half = failed(Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-".to_vec()));
    assert!(half.contains("without an answer"), "{half}");
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let endless = failed(Answer::Bytes(endless.into_bytes()));
    assert!(endless.contains("without an answer"), "{endless}");
}

#[test]
fn an_answer_counts_when_its_head_came_in_time() {
    let shop = Shop::new();
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
    shop.receiver.answer(Answer::Bytes(begun));
    let delivery = shop.tried(shop.happens(), 1);
    assert_eq!(delivery.state(), DeliveryState::Delivered);
    assert_eq!(
        delivery.attempts[0].outcome,
        Outcome::Answered {
            status: 200,
            beginning: b"half".to_vec()
        }
    );
}

/// Why no connection to an endpoint of another account comes about.
#[track_caller]
fn why_unconnected(shop: &Shop, url: &str) -> String {
    let kinds = [EventType::DisputeLost];
    super::shop::add(&shop.world, "careful", url, &kinds).expect("added");
    let event = super::shop::happens(&shop.world, "careful", kinds[0]).expect("wanted");
    let outcome = || {
        let delivery = super::shop::deliveries(&shop.world, event).remove(0);
        delivery
            .attempts
            .first()
            .map(|attempt| attempt.outcome.clone())
    };
    crate::world::eventually("it is tried", || outcome().is_some());
    match outcome() {
        Some(Outcome::Failed(why)) if why.starts_with("No connection: ") => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_tls_is_promised_nothing_is_sent_without_it() {
    let shop = Shop::new();
    why_unconnected(&shop, &shop.receiver.url().replace("http:", "https:"));
    assert!(shop.receiver.hits().is_empty());
}

#[test]
fn where_nobody_listens_the_connection_is_refused() {
    let shop = Shop::new();
    let why = why_unconnected(&shop, "http://127.0.0.1:1/");
    assert!(why.contains("refused"), "{why}");
}
