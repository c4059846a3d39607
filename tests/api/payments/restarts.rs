//! What a restart must not touch: sessions, payments, client secrets, pages.

use serde_json::{Value, json};

use super::buyer::{Page, typed};
use super::{PRICE, Sale, Shop, ok, path_of, text};

/// The session without the address of the server, which is another one after a restart.
fn shown(shop: &Shop, sale: &Sale) -> Value {
    let mut session = shop.session(sale);
    session["fallback_url"] = json!(path_of(&text(&session["fallback_url"])));
    if let Some(url) = session.pointer_mut("/next_action/redirect_to_url/url") {
        *url = json!(path_of(&text(url)));
    }
    session
}

#[test]
fn sessions_and_payments_of_every_state_read_back_the_same() {
    let shop = Shop::new();
    let partly = shop.authorized();
    ok(&shop.capture(&partly, &json!({"amount": 1})).send());
    let refunded = shop.paid();
    ok(&shop.refund(&refunded, &json!({})).send());
    let sales = [
        shop.sale(),
        shop.challenged(),
        shop.authorized(),
        partly,
        shop.paid(),
        refunded,
        shop.declined(),
        shop.canceled(),
    ];
    let before: Vec<Value> = sales.iter().map(|sale| shown(&shop, sale)).collect();
    let shop = shop.restart();
    for (sale, before) in sales.iter().zip(before) {
        assert_eq!(shown(&shop, sale), before);
    }
}

#[test]
fn client_secrets_work_on_and_forged_ones_still_do_not() {
    let shop = Shop::new();
    let sale = shop.sale();
    let shop = shop.restart();
    let read = |secret: &str| shop.world.get(&sale.path()).bearer(secret).send();
    read(&sale.forged_secret()).expect(401, "invalid_client_secret");
    assert_eq!(ok(&read(&sale.secret))["client_secret"], sale.secret);
    assert_eq!(ok(&shop.pay(&sale, "tok_visa"))["status"], "captured");
}

#[test]
fn payments_go_on_where_they_were() {
    let shop = Shop::new();
    let sale = shop.authorized();
    ok(&shop.capture(&sale, &json!({"amount": 400})).send());
    let shop = shop.restart();
    ok(&shop.refund(&sale, &json!({"amount": 300})).send());
    shop.capture(&sale, &json!({"amount": 601}))
        .send()
        .expect(400, "parameter_invalid");
    ok(&shop.capture(&sale, &json!({"amount": 600})).send());
    let shop = shop.restart();
    shop.refund(&sale, &json!({"amount": 701}))
        .send()
        .expect(400, "parameter_invalid");
    ok(&shop.refund(&sale, &json!({"amount": 700})).send());
    let payment = shop.payment(&sale);
    assert_eq!(payment["captured_amount"], PRICE);
    assert_eq!(payment["refunded_amount"], PRICE);
    shop.expect_states(&sale, "succeeded", Some("refunded"));
}

#[test]
fn a_buyer_finishes_on_the_page_that_was_opened_before() {
    let shop = Shop::new();
    let (open, waiting) = (shop.sale(), shop.challenged());
    let shop = shop.restart();
    let page = Page::open(&shop.world, &open.page());
    page.send(&shop.world, &typed("4242424242424242"));
    shop.expect_states(&open, "succeeded", Some("captured"));
    shop.answer(&waiting, "authenticated");
    shop.expect_states(&waiting, "succeeded", Some("captured"));
}

#[test]
fn answers_are_replayed_byte_for_byte() {
    let shop = Shop::new();
    let (pay, capture) = (shop.sale(), shop.authorized());
    let token = json!({"token_id": "tok_visa"});
    let firsts = [
        shop.confirm(&pay, &token).idempotent("order_1").send(),
        shop.capture(&capture, &json!({}))
            .idempotent("order_1")
            .send(),
    ];
    let shop = shop.restart();
    let agains = [
        shop.confirm(&pay, &token).idempotent("order_1").send(),
        shop.capture(&capture, &json!({}))
            .idempotent("order_1")
            .send(),
    ];
    for (first, again) in firsts.iter().zip(agains) {
        assert_eq!(
            (first.status, again.status, again.replayed()),
            (200, 200, true)
        );
        assert_eq!(first.body, again.body);
    }
}
