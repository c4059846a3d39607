//! `POST /capture-payment/{id}`: all, a part, and never more than was authorized.

use serde_json::{Value, json};

use super::{BASE, PRICE, Shop, expect_invalid, ok};

#[test]
fn all_that_remains_is_captured_unless_an_amount_is_given() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let payment = ok(&shop.capture(&sale, &json!({})).send());
    assert_eq!(payment["id"], sale.payment());
    assert_eq!(payment["object"], "payment_intent");
    assert_eq!(payment["status"], "captured");
    assert_eq!(payment["captured_amount"], PRICE);
    assert_eq!(payment["refunded_amount"], 0);
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn a_body_is_not_needed() {
    let shop = Shop::new();
    for body in [None, Some("")] {
        let sale = shop.authorized();
        let path = format!("{BASE}/capture-payment/{}", sale.payment());
        let request = shop.world.post(&path).key(&shop.key);
        let request = body
            .into_iter()
            .fold(request, |request, body| request.body(body));
        assert_eq!(ok(&request.send())["captured_amount"], PRICE);
    }
}

#[test]
fn a_body_that_is_there_is_read() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let path = format!("{BASE}/capture-payment/{}", sale.payment());
    let post = || shop.world.post(&path).key(&shop.key);
    post().json("{").send().expect(400, "invalid_json");
    post().json("5").send().expect(400, "invalid_json");
    post()
        .body(r#"{"amount":5}"#)
        .send()
        .expect(415, "unsupported_media_type");
    shop.expect_states(&sale, "processing", Some("authorized"));
}

#[test]
fn parts_add_up_and_the_session_waits_for_the_last_one() {
    let shop = Shop::new();
    let sale = shop.authorized();
    for (amount, sum) in [(1, 1), (399, 400), (1, 401)] {
        let payment = ok(&shop.capture(&sale, &json!({"amount": amount})).send());
        assert_eq!(payment["captured_amount"], sum);
        assert_eq!(payment["status"], "authorized");
        assert_eq!(payment["amount"], PRICE);
        shop.expect_states(&sale, "processing", Some("authorized"));
    }
    let payment = ok(&shop.capture(&sale, &json!({})).send());
    assert_eq!(payment["captured_amount"], PRICE);
    assert_eq!(payment["status"], "captured");
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn the_last_part_may_be_named_to_the_cent_but_not_one_more() {
    let shop = Shop::new();
    let sale = shop.authorized();
    expect_invalid(
        &shop.capture(&sale, &json!({"amount": PRICE + 1})).send(),
        "amount",
    );
    ok(&shop.capture(&sale, &json!({"amount": 400})).send());
    expect_invalid(
        &shop.capture(&sale, &json!({"amount": 601})).send(),
        "amount",
    );
    shop.expect_states(&sale, "processing", Some("authorized"));
    let payment = ok(&shop.capture(&sale, &json!({"amount": 600})).send());
    assert_eq!(payment["captured_amount"], PRICE);
}

/// What is no amount of money, as it stands in JSON.
pub const NO_AMOUNTS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1.5",
    "100.0",
    "1e2",
    "\"100\"",
    "\"\"",
    "true",
    "[1]",
    "{}",
    "2147483648",
    "4294967297",
    "18446744073709551617",
    "99999999999999999999999999",
];

#[test]
fn what_is_no_amount_is_refused_and_captures_nothing() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let path = format!("{BASE}/capture-payment/{}", sale.payment());
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
    let payment = ok(&shop.capture(&sale, &json!({"amount": 1})).send());
    assert_eq!(payment["captured_amount"], 1, "nothing was captured before");
}

#[test]
fn the_largest_amount_is_captured_to_the_cent() {
    let shop = Shop::new();
    let most = 2_147_483_647;
    let sale = shop.sale_with(&json!({"amount": most, "capture_method": "manual"}));
    ok(&shop.pay(&sale, "tok_visa"));
    ok(&shop.capture(&sale, &json!({"amount": most - 1})).send());
    expect_invalid(
        &shop.capture(&sale, &json!({"amount": most})).send(),
        "amount",
    );
    let payment = ok(&shop.capture(&sale, &json!({"amount": 1})).send());
    assert_eq!(payment["captured_amount"], most);
    assert_eq!(payment["status"], "captured");
}

#[test]
fn where_nothing_is_left_nothing_changes() {
    let shop = Shop::new();
    let automatic = shop.paid();
    let manual = shop.authorized();
    ok(&shop.capture(&manual, &json!({})).send());
    for sale in [automatic, manual] {
        let (first, second) = (shop.payment(&sale), shop.payment(&sale));
        assert_eq!(first, second);
        assert_eq!(first["captured_amount"], PRICE);
        shop.expect_states(&sale, "succeeded", Some("captured"));
    }
}

#[test]
fn only_an_authorized_payment_is_captured() {
    let shop = Shop::new();
    let canceled = shop.authorized();
    ok(&shop.cancel(&canceled, &json!({})).send());
    for sale in [shop.declined(), shop.challenged(), canceled] {
        let before = shop.session(&sale);
        for body in [json!({}), json!({"amount": 1})] {
            let answer = shop.capture(&sale, &body).send();
            answer.expect(400, "payment_not_capturable");
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
        assert_eq!(shop.session(&sale), before);
    }
}

#[test]
fn a_payment_that_there_is_not_is_not_found_whatever_the_form_of_its_id() {
    let shop = Shop::new();
    let unpaid = shop.sale();
    let paid = shop.paid();
    let real = paid.payment();
    let ids = [
        unpaid.payment(),
        "x".to_owned(),
        "pay_".to_owned(),
        "pay_AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "%00".to_owned(),
        "%ff".to_owned(),
        format!("{real}x"),
        real[..real.len() - 1].to_owned(),
        real.to_uppercase(),
        paid.id.clone(),
    ];
    for call in ["capture-payment", "refund-payment"] {
        for id in &ids {
            let answer = shop.post(&format!("/{call}/{id}"), &json!({})).send();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (404, "payment_not_found"),
                "{call} {id}"
            );
        }
    }
}

#[test]
fn unknown_members_are_ignored() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let body = json!({"amount": 5, "no_such_member": [1], "currency": "EUR"});
    let payment: Value = ok(&shop.capture(&sale, &body).send());
    assert_eq!(
        (&payment["captured_amount"], &payment["currency"]),
        (&json!(5), &json!("USD"))
    );
}
