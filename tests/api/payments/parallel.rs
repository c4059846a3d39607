//! Many at once: what was authorized is captured once, what was captured is refunded once, a session is paid once.

use serde_json::{Value, json};

use super::buyer::{Page, typed};
use super::{PRICE, Sale, Shop, ok};
use crate::world::{Request, Response, at_once};

fn with_status(answers: &[Response], status: u16) -> Vec<Value> {
    let answers = answers.iter().filter(|answer| answer.status == status);
    answers.map(Response::json).collect()
}

#[track_caller]
fn expect_rest(answers: &[Response], good: u16, bad: u16, codes: &[&str]) {
    for answer in answers.iter().filter(|answer| answer.status != good) {
        assert_eq!(answer.status, bad, "{}", answer.json());
        assert!(codes.contains(&answer.code().as_str()), "{}", answer.json());
    }
}

#[test]
fn captures_at_once_never_exceed_what_was_authorized() {
    let shop = Shop::busy();
    for _ in 0..10 {
        let sale = shop.authorized();
        let answers = at_once(&vec![shop.capture(&sale, &json!({"amount": 300})); 12]);
        let mut sums: Vec<u64> = with_status(&answers, 200)
            .iter()
            .filter_map(|payment| payment["captured_amount"].as_u64())
            .collect();
        sums.sort_unstable();
        assert_eq!(sums, [300, 600, 900]);
        expect_rest(&answers, 200, 400, &["parameter_invalid"]);
        shop.expect_states(&sale, "processing", Some("authorized"));
        let payment = ok(&shop.capture(&sale, &json!({})).send());
        assert_eq!(payment["captured_amount"], PRICE);
    }
}

#[test]
fn captures_of_all_at_once_capture_all_once() {
    let shop = Shop::busy();
    let sale = shop.authorized();
    let answers = at_once(&vec![shop.capture(&sale, &json!({})); 12]);
    for answer in &answers {
        assert_eq!(ok(answer)["captured_amount"], PRICE);
    }
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn refunds_at_once_never_exceed_what_was_captured() {
    let shop = Shop::busy();
    for _ in 0..10 {
        let sale = shop.paid();
        let answers = at_once(&vec![shop.refund(&sale, &json!({"amount": 300})); 12]);
        assert_eq!(with_status(&answers, 200).len(), 3);
        expect_rest(&answers, 200, 400, &["parameter_invalid"]);
        assert_eq!(shop.payment(&sale)["refunded_amount"], 900);
    }
}

#[test]
fn refunds_of_all_at_once_are_one_refund() {
    let shop = Shop::busy();
    let sale = shop.paid();
    let answers = at_once(&vec![shop.refund(&sale, &json!({})); 12]);
    let refunds = with_status(&answers, 200);
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0]["amount"], PRICE);
    expect_rest(&answers, 200, 400, &["payment_not_refundable"]);
    assert_eq!(shop.payment(&sale)["refunded_amount"], PRICE);
}

#[test]
fn captures_and_refunds_at_once_keep_refunds_below_captures() {
    let shop = Shop::busy();
    let sale = shop.authorized();
    ok(&shop.capture(&sale, &json!({"amount": 100})).send());
    let mut requests = vec![shop.capture(&sale, &json!({"amount": 100})); 10];
    requests.extend(vec![shop.refund(&sale, &json!({"amount": 100})); 10]);
    let answers = at_once(&requests);
    let refunded: u64 = 100 * with_status(&answers[10..], 200).len() as u64;
    ok(&shop.capture(&sale, &json!({})).send());
    let payment = shop.payment(&sale);
    assert_eq!(payment["captured_amount"], PRICE);
    assert_eq!(payment["refunded_amount"], refunded);
    for payment in with_status(&answers[..10], 200) {
        let sum = |name: &str| payment[name].as_u64().expect("a sum");
        assert!(
            sum("refunded_amount") <= sum("captured_amount"),
            "{payment}"
        );
    }
}

fn confirms(shop: &Shop, sale: &Sale, token: &str, count: usize) -> Vec<Request> {
    let confirm = |n| {
        let request = shop.confirm(sale, &json!({"token_id": token}));
        request.idempotent(&format!("try_{n}"))
    };
    (0..count).map(confirm).collect()
}

#[test]
fn of_many_that_pay_at_once_one_does() {
    let shop = Shop::busy();
    for token in ["tok_visa", "tok_threeDSecure2Required"] {
        for _ in 0..5 {
            let sale = shop.sale();
            let answers = at_once(&confirms(&shop, &sale, token, 12));
            assert_eq!(with_status(&answers, 200).len(), 1, "{token}");
            let codes = ["session_already_completed", "session_already_processing"];
            expect_rest(&answers, 200, 409, &codes);
        }
    }
}

#[test]
fn of_many_that_are_declined_at_once_one_is() {
    let shop = Shop::busy();
    let sale = shop.sale();
    let answers = at_once(&confirms(&shop, &sale, "tok_chargeDeclined", 12));
    assert_eq!(with_status(&answers, 402).len(), 1);
    let codes = ["session_already_completed", "session_already_processing"];
    expect_rest(&answers, 402, 409, &codes);
    shop.expect_states(&sale, "failed", Some("failed"));
}

#[test]
fn a_session_is_either_paid_or_canceled() {
    let shop = Shop::busy();
    for _ in 0..10 {
        let sale = shop.sale();
        let pay = shop.confirm(&sale, &json!({"token_id": "tok_visa"}));
        let answers = at_once(&[pay, shop.cancel(&sale, &json!({}))]);
        match (answers[0].status, answers[1].status) {
            (200, 400) => shop.expect_states(&sale, "succeeded", Some("captured")),
            (409, 200) => shop.expect_states(&sale, "canceled", None),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_payment_is_either_captured_or_canceled() {
    let shop = Shop::busy();
    for _ in 0..10 {
        let sale = shop.authorized();
        let capture = shop.capture(&sale, &json!({"amount": 1}));
        let answers = at_once(&[capture, shop.cancel(&sale, &json!({}))]);
        match (answers[0].status, answers[1].status) {
            (200, 400) => shop.expect_states(&sale, "processing", Some("authorized")),
            (400, 200) => shop.expect_states(&sale, "canceled", Some("canceled")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_buyer_who_presses_many_times_pays_once() {
    let shop = Shop::busy();
    let sale = shop.sale();
    let page = Page::open(&shop.world, &sale.page());
    let pressed = page.filled(&shop.world, &typed("4242424242424242"));
    for answer in at_once(&vec![pressed; 8]) {
        assert!(answer.status < 500, "{}", answer.status);
    }
    shop.expect_states(&sale, "succeeded", Some("captured"));
    assert_eq!(shop.payment(&sale)["captured_amount"], PRICE);
}

#[test]
fn a_bank_s_two_answers_at_once_count_as_one() {
    let shop = Shop::busy();
    for _ in 0..5 {
        let sale = shop.challenged();
        let page = Page::open(&shop.world, &shop.challenge(&sale));
        let answers = ["authenticated", "failed"]
            .map(|result| page.filled(&shop.world, &[("result", result)]));
        at_once(&answers);
        let session = shop.session(&sale);
        let states = (
            session["status"].clone(),
            session["latest_attempt"]["status"].clone(),
        );
        let either = [("succeeded", "captured"), ("failed", "failed")];
        let either = either.map(|(session, payment)| (json!(session), json!(payment)));
        assert!(either.contains(&states), "{states:?}");
    }
}

#[test]
fn changes_of_metadata_at_once_are_all_kept() {
    let shop = Shop::busy();
    let sale = shop.sale();
    let changes: Vec<Request> = (0..20)
        .map(|n| shop.update(&sale, &json!({"metadata": {format!("name_{n}"): "value"}})))
        .collect();
    for answer in at_once(&changes) {
        ok(&answer);
    }
    let kept = shop.session(&sale)["metadata"].clone();
    assert_eq!(kept.as_object().map(|members| members.len()), Some(20));
}
