//! `GET /get-session-config/{id}`: what a buyer's program needs to begin.

use serde_json::{Value, json};

use super::{BASE, PRICE, Sale, Shop, ok};
use crate::world::{Request, World};

fn config(world: &World, sale: &Sale) -> Request {
    let path = format!("{BASE}/get-session-config/{}", sale.id);
    world.get(&path).bearer(&sale.secret)
}

#[test]
fn it_says_what_is_sold_and_how_it_may_be_paid() {
    let shop = Shop::new();
    let types = json!(["card", "apple_pay", "bank_account"]);
    let sale = shop.sale_with(&json!({"payment_method_types": types}));
    let config = ok(&config(&shop.world, &sale).send());
    let expected = json!({
        "session_id": sale.id,
        "client_secret": sale.secret,
        "amount": PRICE,
        "currency": "USD",
        "capture_provider": "atlas",
        "environment": "test",
        "payment_methods": types,
        "fallback_url": sale.made["fallback_url"],
        "tokenize_url": null,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(config.get(name), Some(value), "{name} in {config}");
    }
    assert_eq!(config["apple_pay"]["enabled"], true, "{config}");
    assert_eq!(config["google_pay"]["enabled"], false, "{config}");
    assert!(config["bank_account"]["enabled"].is_boolean(), "{config}");
}

#[test]
fn it_follows_a_change_of_the_session() {
    let shop = Shop::new();
    let sale = shop.sale();
    ok(&shop
        .update(&sale, &json!({"amount": 7, "currency": "eur"}))
        .send());
    let config = ok(&config(&shop.world, &sale).send());
    assert_eq!(
        (&config["amount"], &config["currency"]),
        (&json!(7), &json!("EUR"))
    );
}

#[test]
fn it_is_there_until_the_session_is_over() {
    let shop = Shop::new();
    for sale in [shop.sale(), shop.challenged(), shop.authorized()] {
        assert_eq!(config(&shop.world, &sale).send().status, 200);
    }
    for sale in [shop.paid(), shop.declined(), shop.canceled()] {
        let answer = config(&shop.world, &sale).send();
        answer.expect(400, "invalid_session_state");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
}

#[test]
fn without_a_word_a_card_is_the_way_to_pay() {
    let shop = Shop::new();
    let config: Value = ok(&config(&shop.world, &shop.sale()).send());
    assert_eq!(config["payment_methods"], json!(["card"]));
}
