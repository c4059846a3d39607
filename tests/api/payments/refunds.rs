//! `POST /refund-payment/{id}`: all, a part, and never more than was captured.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::captures::NO_AMOUNTS;
use super::{BASE, PRICE, Shop, expect_invalid, ok, seconds, text};
use crate::world::NOON;

#[test]
fn a_refund_has_the_members_of_the_api() {
    let shop = Shop::new();
    let sale = shop.paid();
    let body = json!({"amount": 250, "reason": "The chair wobbles ☕"});
    let refund = ok(&shop.refund(&sale, &body).send());
    let expected = json!({
        "object": "refund",
        "payment_id": sale.payment(),
        "amount": 250,
        "currency": "USD",
        "status": "succeeded",
        "reason": "The chair wobbles ☕",
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(refund.get(name), Some(value), "{name} in {refund}");
    }
    let id = text(&refund["id"]);
    let random = id.strip_prefix("re_").expect("re_");
    assert_eq!(random.len(), 24, "{id}");
    assert!(
        random.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
    assert_eq!(seconds(&refund["created_at"]), NOON);
}

#[test]
fn all_that_remains_is_refunded_unless_an_amount_is_given() {
    let shop = Shop::new();
    let sale = shop.paid();
    let refund = ok(&shop.refund(&sale, &json!({})).send());
    assert_eq!(
        (&refund["amount"], &refund["reason"]),
        (&json!(PRICE), &Value::Null)
    );
    let payment = shop.payment(&sale);
    assert_eq!(payment["status"], "refunded");
    assert_eq!(payment["refunded_amount"], PRICE);
    assert_eq!(payment["captured_amount"], PRICE);
    shop.expect_states(&sale, "succeeded", Some("refunded"));
}

#[test]
fn a_body_is_not_needed() {
    let shop = Shop::new();
    for body in [None, Some("")] {
        let sale = shop.paid();
        let path = format!("{BASE}/refund-payment/{}", sale.payment());
        let request = shop.world.post(&path).key(&shop.key);
        let request = body
            .into_iter()
            .fold(request, |request, body| request.body(body));
        assert_eq!(ok(&request.send())["amount"], PRICE);
    }
}

#[test]
fn parts_add_up_and_each_is_a_refund_of_its_own() {
    let shop = Shop::new();
    let sale = shop.paid();
    let mut ids = HashSet::new();
    for (amount, sum) in [(1, 1), (399, 400), (400, 800)] {
        let refund = ok(&shop.refund(&sale, &json!({"amount": amount})).send());
        assert_eq!(refund["amount"], amount);
        ids.insert(text(&refund["id"]));
        let payment = shop.payment(&sale);
        assert_eq!(payment["refunded_amount"], sum);
        assert_eq!(payment["status"], "captured");
        shop.expect_states(&sale, "succeeded", Some("captured"));
    }
    let rest = ok(&shop.refund(&sale, &json!({})).send());
    assert_eq!(rest["amount"], 200);
    ids.insert(text(&rest["id"]));
    assert_eq!(ids.len(), 4);
    shop.expect_states(&sale, "succeeded", Some("refunded"));
}

#[test]
fn not_a_cent_more_is_refunded_than_was_captured() {
    let shop = Shop::new();
    let sale = shop.paid();
    expect_invalid(
        &shop.refund(&sale, &json!({"amount": PRICE + 1})).send(),
        "amount",
    );
    ok(&shop.refund(&sale, &json!({"amount": 400})).send());
    expect_invalid(
        &shop.refund(&sale, &json!({"amount": 601})).send(),
        "amount",
    );
    assert_eq!(shop.payment(&sale)["refunded_amount"], 400);
    ok(&shop.refund(&sale, &json!({"amount": 600})).send());
    for body in [json!({}), json!({"amount": 1})] {
        shop.refund(&sale, &body)
            .send()
            .expect(400, "payment_not_refundable");
    }
    assert_eq!(shop.payment(&sale)["refunded_amount"], PRICE);
}

#[test]
fn of_a_payment_captured_in_part_that_part_is_refunded() {
    let shop = Shop::new();
    let sale = shop.authorized();
    ok(&shop.capture(&sale, &json!({"amount": 400})).send());
    expect_invalid(
        &shop.refund(&sale, &json!({"amount": 401})).send(),
        "amount",
    );
    assert_eq!(ok(&shop.refund(&sale, &json!({})).send())["amount"], 400);
    shop.refund(&sale, &json!({}))
        .send()
        .expect(400, "payment_not_refundable");
    shop.expect_states(&sale, "processing", Some("authorized"));
    let payment = ok(&shop.capture(&sale, &json!({})).send());
    assert_eq!(payment["captured_amount"], PRICE);
    assert_eq!(payment["refunded_amount"], 400);
    shop.expect_states(&sale, "succeeded", Some("captured"));
    assert_eq!(ok(&shop.refund(&sale, &json!({})).send())["amount"], 600);
    shop.expect_states(&sale, "succeeded", Some("refunded"));
}

#[test]
fn what_is_no_amount_is_refused_and_refunds_nothing() {
    let shop = Shop::new();
    let sale = shop.paid();
    let path = format!("{BASE}/refund-payment/{}", sale.payment());
    for amount in NO_AMOUNTS {
        let request = shop.world.post(&path).key(&shop.key);
        let answer = request.json(&format!(r#"{{"amount":{amount}}}"#)).send();
        assert_eq!(
            (answer.status, answer.param().as_deref()),
            (400, Some("amount")),
            "{amount}"
        );
        answer.expect(400, "parameter_invalid");
    }
    assert_eq!(shop.payment(&sale)["refunded_amount"], 0);
}

#[test]
fn a_reason_is_a_text_to_500_characters() {
    let shop = Shop::new();
    let sale = shop.paid();
    for reason in [json!("é".repeat(500)), json!("a"), Value::Null] {
        let body = json!({"amount": 1, "reason": reason});
        assert_eq!(ok(&shop.refund(&sale, &body).send())["reason"], reason);
    }
    for reason in [
        json!("é".repeat(501)),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
    ] {
        let body = json!({"amount": 1, "reason": reason});
        expect_invalid(&shop.refund(&sale, &body).send(), "reason");
    }
    assert_eq!(shop.payment(&sale)["refunded_amount"], 3);
}

#[test]
fn where_nothing_was_captured_nothing_is_refunded() {
    let shop = Shop::new();
    let canceled = shop.authorized();
    ok(&shop.cancel(&canceled, &json!({})).send());
    for sale in [
        shop.authorized(),
        shop.challenged(),
        shop.declined(),
        canceled,
    ] {
        let before = shop.session(&sale);
        for body in [json!({}), json!({"amount": 1})] {
            let answer = shop.refund(&sale, &body).send();
            answer.expect(400, "payment_not_refundable");
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
        assert_eq!(shop.session(&sale), before);
    }
}

#[test]
fn a_refunded_payment_has_nothing_left_to_capture_and_is_not_paid_again() {
    let shop = Shop::new();
    let sale = shop.paid();
    ok(&shop.refund(&sale, &json!({})).send());
    assert_eq!(shop.payment(&sale)["status"], "refunded");
    shop.pay(&sale, "tok_visa")
        .expect(409, "session_already_completed");
    shop.cancel(&sale, &json!({}))
        .send()
        .expect(400, "session_not_cancelable");
    shop.expect_states(&sale, "succeeded", Some("refunded"));
}
