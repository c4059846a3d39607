//! Whose an idempotency key is: a merchant's for all its payments, a buyer's for the one session.

use serde_json::json;

use super::{Shop, ok};

#[test]
fn one_key_is_not_good_for_two_payments_of_a_merchant() {
    let shop = Shop::new();
    let (one, two) = (shop.paid(), shop.paid());
    ok(&shop.refund(&one, &json!({})).idempotent("order_1").send());
    let other = shop.refund(&two, &json!({})).idempotent("order_1").send();
    other.expect(409, "idempotency_key_reused");
    assert_eq!(shop.payment(&two)["refunded_amount"], 0);
}

#[test]
fn a_buyer_s_keys_are_not_the_merchant_s_nor_another_buyer_s() {
    let shop = Shop::new();
    let made = shop.world.order(&shop.key).idempotent("order_1").send();
    assert_eq!(made.status, 201);
    let sales = [shop.sale(), shop.sale()];
    let body = json!({"token_id": "tok_visa"});
    for sale in &sales {
        let paid = shop.confirm(sale, &body).idempotent("order_1").send();
        assert!(!paid.replayed());
        assert_eq!(ok(&paid)["id"], sale.payment());
    }
    let again = shop.world.order(&shop.key).idempotent("order_1").send();
    assert_eq!((again.replayed(), again.body), (true, made.body));
    for sale in &sales {
        let again = shop.confirm(sale, &body).idempotent("order_1").send();
        assert!(again.replayed());
        assert_eq!(ok(&again)["id"], sale.payment());
    }
}

#[test]
fn the_same_change_by_merchant_and_buyer_is_two_changes() {
    let shop = Shop::new();
    let sale = shop.sale();
    let body = json!({"amount": 5});
    let by_merchant = shop.update(&sale, &body).idempotent("order_1").send();
    let by_buyer = shop.world.request("PATCH", &sale.path());
    let by_buyer = by_buyer
        .bearer(&sale.secret)
        .json(&body.to_string())
        .idempotent("order_1")
        .send();
    ok(&by_merchant);
    ok(&by_buyer);
    assert!(!by_buyer.replayed());
}
