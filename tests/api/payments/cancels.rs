//! `POST /sessions/{id}/cancel`: from which states, why, and what becomes of the payment.

use serde_json::{Value, json};

use super::{Shop, expect_invalid, ok, seconds};
use crate::world::{NOON, SECOND};

#[test]
fn a_session_that_nobody_has_paid_for_is_canceled() {
    let shop = Shop::new();
    let sale = shop.sale();
    shop.world.advance(SECOND * 60);
    let answer = ok(&shop.cancel(&sale, &json!({})).send());
    assert_eq!(answer["status"], "canceled");
    assert_eq!(answer["cancellation_reason"], "requested_by_customer");
    assert_eq!(seconds(&answer["canceled_at"]), NOON + 60);
    assert_eq!(answer, shop.session(&sale));
    shop.expect_states(&sale, "canceled", None);
}

#[test]
fn a_reason_is_one_of_four() {
    let shop = Shop::new();
    let reasons = [
        "duplicate",
        "fraudulent",
        "requested_by_customer",
        "abandoned",
    ];
    for reason in reasons {
        let sale = shop.sale();
        let answer = shop
            .cancel(&sale, &json!({"cancellation_reason": reason}))
            .send();
        assert_eq!(ok(&answer)["cancellation_reason"], reason);
    }
    for wrong in [
        json!("expired"),
        json!("Duplicate"),
        json!(""),
        json!(1),
        json!([]),
    ] {
        let sale = shop.sale();
        let answer = shop
            .cancel(&sale, &json!({"cancellation_reason": wrong}))
            .send();
        expect_invalid(&answer, "cancellation_reason");
        assert_eq!(shop.status(&sale), "requires_payment_method", "{wrong}");
    }
}

#[test]
fn a_body_is_not_needed() {
    let shop = Shop::new();
    let paths = [shop.sale(), shop.sale()].map(|sale| format!("{}/cancel", sale.path()));
    let requests = [
        shop.world.post(&paths[0]).key(&shop.key),
        shop.world.post(&paths[1]).key(&shop.key).body(""),
    ];
    for request in requests {
        let answer = ok(&request.send());
        assert_eq!(answer["cancellation_reason"], "requested_by_customer");
    }
}

#[test]
fn a_body_that_is_there_is_read() {
    let shop = Shop::new();
    let sale = shop.sale();
    let path = format!("{}/cancel", sale.path());
    let post = || shop.world.post(&path).key(&shop.key);
    post().json("{").send().expect(400, "invalid_json");
    post().json("[]").send().expect(400, "invalid_json");
    post()
        .body("{}")
        .send()
        .expect(415, "unsupported_media_type");
    assert_eq!(shop.status(&sale), "requires_payment_method");
}

#[test]
fn a_payment_that_was_authorized_or_waits_for_the_buyer_is_canceled_too() {
    let shop = Shop::new();
    for sale in [shop.authorized(), shop.challenged()] {
        ok(&shop.cancel(&sale, &json!({})).send());
        shop.expect_states(&sale, "canceled", Some("canceled"));
        assert_eq!(shop.session(&sale)["next_action"], Value::Null);
        shop.capture(&sale, &json!({}))
            .send()
            .expect(400, "payment_not_capturable");
        shop.refund(&sale, &json!({}))
            .send()
            .expect(400, "payment_not_refundable");
    }
}

#[test]
fn what_is_over_or_partly_captured_is_not_canceled() {
    let shop = Shop::new();
    let partly = shop.authorized();
    ok(&shop.capture(&partly, &json!({"amount": 1})).send());
    for sale in [partly, shop.paid(), shop.declined(), shop.canceled()] {
        let before = shop.session(&sale);
        let answer = shop.cancel(&sale, &json!({})).send();
        answer.expect(400, "session_not_cancelable");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert_eq!(shop.session(&sale), before);
    }
}

#[test]
fn the_holder_of_the_client_secret_may_cancel_and_still_reads_it() {
    let shop = Shop::new();
    let sale = shop.sale();
    let request = shop.world.post(&format!("{}/cancel", sale.path()));
    let answer = request
        .bearer(&sale.secret)
        .json(r#"{"cancellation_reason":"abandoned"}"#);
    assert_eq!(ok(&answer.send())["cancellation_reason"], "abandoned");
    let read = shop.world.get(&sale.path()).bearer(&sale.secret).send();
    assert_eq!(ok(&read)["status"], "canceled");
}

#[test]
fn a_canceled_session_is_not_paid() {
    let shop = Shop::new();
    let sale = shop.canceled();
    shop.pay(&sale, "tok_visa")
        .expect(409, "session_already_completed");
    shop.expect_states(&sale, "canceled", None);
}
