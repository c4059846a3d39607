//! Declines: 402, kept under the idempotency key, and final for the session.

use serde_json::{Value, json};

use super::cards::{CARDS, End};
use super::{Sale, Shop};
use crate::world::{Request, Response};

fn confirm(shop: &Shop, sale: &Sale, token: &str, key: &str) -> Response {
    request(shop, sale, token).idempotent(key).send()
}

fn request(shop: &Shop, sale: &Sale, token: &str) -> Request {
    shop.confirm(sale, &json!({"token_id": token}))
}

#[test]
fn a_decline_is_a_card_error_with_the_issuer_s_reason() {
    let shop = Shop::new();
    for card in CARDS {
        let End::Declined(code) = card.end else {
            continue;
        };
        let answer = shop.pay(&shop.sale(), &card.test_token());
        answer.expect(402, "payment_failed");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "card_error", "{code}");
        assert_eq!(error["decline_code"], code);
        assert_eq!(error.get("param"), None, "{code}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.len() > 12, "{message}");
        assert!(!message.contains(card.number), "{message}");
    }
}

#[test]
fn a_decline_is_kept_and_replayed_byte_for_byte() {
    let shop = Shop::new();
    let sale = shop.sale();
    let first = confirm(&shop, &sale, "tok_chargeInsufficientFunds", "order_1");
    first.expect(402, "payment_failed");
    assert!(!first.replayed());
    for _ in 0..3 {
        let again = confirm(&shop, &sale, "tok_chargeInsufficientFunds", "order_1");
        assert_eq!((again.status, again.replayed()), (402, true));
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.header("idempotency-key"), Some("order_1"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
}

#[test]
fn a_decline_is_replayed_after_a_restart() {
    let shop = Shop::new();
    let sale = shop.sale();
    let first = confirm(&shop, &sale, "tok_chargeDeclined", "order_1");
    let shop = shop.restart();
    let again = confirm(&shop, &sale, "tok_chargeDeclined", "order_1");
    assert_eq!((again.status, again.replayed()), (402, true));
    assert_eq!(again.body, first.body);
    shop.expect_states(&sale, "failed", Some("failed"));
}

#[test]
fn a_retry_with_another_key_or_none_finds_the_session_over() {
    let shop = Shop::new();
    let sale = shop.sale();
    confirm(&shop, &sale, "tok_chargeDeclined", "order_1").expect(402, "payment_failed");
    let retries = [
        request(&shop, &sale, "tok_visa").idempotent("order_2"),
        request(&shop, &sale, "tok_chargeDeclined").idempotent("order_3"),
        request(&shop, &sale, "tok_visa"),
    ];
    for retry in retries {
        let answer = retry.send();
        answer.expect(409, "session_already_completed");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(!answer.replayed());
    }
    shop.expect_states(&sale, "failed", Some("failed"));
}

#[test]
fn the_key_of_a_decline_is_not_good_for_another_card() {
    let shop = Shop::new();
    let sale = shop.sale();
    confirm(&shop, &sale, "tok_chargeDeclined", "order_1").expect(402, "payment_failed");
    let answer = confirm(&shop, &sale, "tok_visa", "order_1");
    answer.expect(409, "idempotency_key_reused");
    assert_eq!(answer.json()["error"]["type"], "idempotency_error");
    assert_eq!(answer.json()["error"].get("decline_code"), None);
}

#[test]
fn nothing_of_a_declined_payment_is_captured_or_refunded() {
    let shop = Shop::new();
    for sale in [shop.declined(), {
        let sale = shop.manual_sale();
        shop.pay(&sale, "tok_chargeDeclined");
        sale
    }] {
        shop.capture(&sale, &json!({}))
            .send()
            .expect(400, "payment_not_capturable");
        shop.refund(&sale, &json!({}))
            .send()
            .expect(400, "payment_not_refundable");
        shop.expect_states(&sale, "failed", Some("failed"));
        assert_eq!(shop.session(&sale)["next_action"], Value::Null);
    }
}
