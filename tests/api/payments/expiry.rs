//! Sessions whose time is over: they read as canceled, at the very moment, and their client secret is worth nothing.

use serde_json::{Value, json};

use super::buyer::{self, Page, typed};
use super::{Sale, Shop, seconds};
use crate::world::{HOUR, MILLISECOND, NOON};

fn short_sale(shop: &Shop) -> Sale {
    shop.sale_with(&json!({"expires": 3_600}))
}

#[track_caller]
fn expect_expired(shop: &Shop, sale: &Sale) {
    let session = shop.session(sale);
    assert_eq!(session["status"], "canceled", "{session}");
    assert_eq!(session["cancellation_reason"], "expired", "{session}");
    assert_eq!(seconds(&session["canceled_at"]), NOON + 3_600, "{session}");
    assert_eq!(session["next_action"], Value::Null, "{session}");
}

#[test]
fn a_session_lives_below_its_time_and_is_over_at_it() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.world.advance(HOUR - MILLISECOND);
    assert_eq!(shop.status(&sale), "requires_payment_method");
    shop.world.advance(MILLISECOND);
    expect_expired(&shop, &sale);
    shop.expect_states(&sale, "canceled", None);
}

#[test]
fn a_session_lives_24_hours_unless_it_says_otherwise() {
    let shop = Shop::new();
    let sale = shop.sale();
    shop.world.advance(HOUR * 24 - MILLISECOND);
    assert_eq!(shop.status(&sale), "requires_payment_method");
    shop.world.advance(MILLISECOND);
    let session = shop.session(&sale);
    assert_eq!(session["cancellation_reason"], "expired");
    assert_eq!(seconds(&session["canceled_at"]), NOON + 86_400);
}

#[test]
fn a_time_may_be_given_instead() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({"expires": "2026-11-25T14:00:00+01:00"}));
    shop.world.advance(HOUR);
    expect_expired(&shop, &sale);
}

#[test]
fn a_payment_that_waited_for_the_buyer_is_canceled_with_it() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.pay(&sale, "tok_threeDSecure2Required");
    shop.world.advance(HOUR);
    expect_expired(&shop, &sale);
    shop.expect_states(&sale, "canceled", Some("canceled"));
    shop.capture(&sale, &json!({}))
        .send()
        .expect(400, "payment_not_capturable");
}

#[test]
fn the_client_secret_of_an_expired_session_is_refused_everywhere() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.world.advance(HOUR - MILLISECOND);
    let bodies = [
        ("GET", sale.path(), None),
        ("PATCH", sale.path(), Some("{}")),
        ("POST", format!("{}/cancel", sale.path()), Some("{}")),
        (
            "GET",
            format!("/functions/v1/get-session-config/{}", sale.id),
            None,
        ),
        (
            "POST",
            format!("/functions/v1/confirm-payment/{}", sale.id),
            Some(r#"{"token_id":"tok_visa"}"#),
        ),
    ];
    shop.world.advance(MILLISECOND);
    for (method, path, body) in bodies {
        let request = shop.world.request(method, &path).bearer(&sale.secret);
        let request = body
            .into_iter()
            .fold(request, |request, body| request.json(body));
        request.send().expect(401, "invalid_client_secret");
    }
    expect_expired(&shop, &sale);
}

#[test]
fn the_merchant_can_not_change_or_cancel_it_any_more() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.world.advance(HOUR);
    shop.update(&sale, &json!({"amount": 1}))
        .send()
        .expect(400, "session_not_updatable");
    shop.cancel(&sale, &json!({}))
        .send()
        .expect(400, "session_not_cancelable");
    expect_expired(&shop, &sale);
}

#[test]
fn what_was_paid_or_authorized_does_not_expire() {
    let shop = Shop::new();
    let (paid, authorized) = (short_sale(&shop), {
        shop.sale_with(&json!({"expires": 3_600, "capture_method": "manual"}))
    });
    for sale in [&paid, &authorized] {
        shop.pay(sale, "tok_visa");
    }
    shop.world.advance(HOUR * 2);
    shop.expect_states(&paid, "succeeded", Some("captured"));
    shop.expect_states(&authorized, "processing", Some("authorized"));
    let read = shop.world.get(&paid.path()).bearer(&paid.secret).send();
    assert_eq!(read.status, 200, "its client secret reads it still");
    assert_eq!(shop.capture(&authorized, &json!({})).send().status, 200);
    shop.expect_states(&authorized, "succeeded", Some("captured"));
}

#[test]
fn what_was_canceled_before_keeps_its_reason() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.cancel(&sale, &json!({"cancellation_reason": "duplicate"}))
        .send();
    shop.world.advance(HOUR);
    let session = shop.session(&sale);
    assert_eq!(session["cancellation_reason"], "duplicate");
    assert_eq!(seconds(&session["canceled_at"]), NOON);
}

#[test]
fn the_page_of_an_expired_session_takes_no_card() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    let page = Page::open(&shop.world, &sale.page());
    shop.world.advance(HOUR);
    let late = page.send(&shop.world, &typed("4242424242424242"));
    assert!(late.status < 500, "{}", late.status);
    expect_expired(&shop, &sale);
    shop.expect_states(&sale, "canceled", None);
    let page = Page::of(
        &sale.page(),
        buyer::open(&shop.world, &sale.page()).send(),
        200,
    );
    assert!(!page.asks_for("number"), "{}", page.html.text());
}

#[test]
fn the_bank_s_page_of_an_expired_session_takes_no_answer() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.pay(&sale, "tok_threeDSecure2Required");
    let page = Page::open(&shop.world, &shop.challenge(&sale));
    shop.world.advance(HOUR);
    let late = page.send(&shop.world, &[("result", "authenticated")]);
    assert!(late.status < 500, "{}", late.status);
    expect_expired(&shop, &sale);
    shop.expect_states(&sale, "canceled", Some("canceled"));
}

#[test]
fn a_restart_does_not_bring_an_expired_session_back() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    shop.world.advance(HOUR);
    let shop = shop.restart();
    expect_expired(&shop, &sale);
    shop.pay(&sale, "tok_visa")
        .expect(401, "invalid_client_secret");
}

#[test]
fn who_was_slow_to_send_pays_no_session_that_is_over_meanwhile() {
    let shop = Shop::new();
    let sale = short_sale(&shop);
    let confirm = shop.confirm(&sale, &json!({"token_id": "tok_visa"}));
    let mut slow = confirm.header("Expect", "100-continue").begin(3);
    // The 100 says that the head was read: the request has come.
    assert_eq!(slow.interim().status, 100);
    shop.world.advance(HOUR * 2);
    let answer = slow.finish();
    answer.expect(401, "invalid_client_secret");
    shop.expect_states(&sale, "canceled", None);
}
