//! What a session shows: its members, its client secret, the address of its page.

use atlas::domain::key::Mode;
use serde_json::{Value, json};

use super::{PRICE, Shop, merged, ok, path_of, seconds, text};
use crate::world::{HOUR, NOON};

/// A session with all that one can give.
fn full() -> Value {
    json!({
        "external_id": "order_7",
        "description": "Two chairs",
        "statement_descriptor": "CHAIRS",
        "payment_method_types": ["card", "paypal"],
        "capture_method": "manual",
        "customer": {"email": "a@shop.example", "name": "Zoë"},
        "billing_address": {"city": "Köln"},
        "shipping_address": {"city": "Bonn"},
        "success_url": "https://shop.example/done",
        "cancel_url": "https://shop.example/cart",
        "metadata": {"order": "7"},
    })
}

#[test]
fn a_session_shows_what_it_was_made_of_and_null_for_what_there_is_not() {
    let shop = Shop::new();
    let session = shop.session(&shop.sale_with(&full()));
    let expected = merged(
        &full(),
        &json!({
            "object": "payment_session",
            "status": "requires_payment_method",
            "amount": PRICE,
            "currency": "USD",
            "customer_email": "a@shop.example",
            "customer_name": "Zoë",
            "canceled_at": null,
            "cancellation_reason": null,
            "latest_attempt": null,
            "next_action": null,
            "livemode": false,
        }),
    );
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(session.get(name), Some(value), "{name} in {session}");
    }
    assert_eq!(seconds(&session["created_at"]), NOON);
    assert!(session.get("updated_at").is_some(), "{session}");
}

#[test]
fn a_session_without_a_customer_says_so() {
    let shop = Shop::new();
    let session = shop.session(&shop.sale());
    for name in ["customer_email", "customer_name"] {
        assert_eq!(session.get(name), Some(&Value::Null), "{name}");
    }
}

#[test]
fn what_creating_answers_reads_the_same_at_once() {
    let shop = Shop::new();
    let sale = shop.sale_with(&full());
    let session = shop.session(&sale);
    for (name, value) in sale.made.as_object().expect("an object") {
        assert_eq!(session.get(name), Some(value), "{name}");
    }
}

#[test]
fn the_client_secret_names_its_session() {
    let shop = Shop::new();
    let sale = shop.sale();
    let rest = sale.secret.strip_prefix("cs_").expect("cs_");
    assert_eq!(rest.len(), 48);
    assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(rest[..24], sale.id["sess_".len()..]);
}

#[test]
fn the_merchant_and_the_holder_of_the_client_secret_read_the_same() {
    let shop = Shop::new();
    let sale = shop.sale_with(&full());
    let by_client = shop.world.get(&sale.path()).bearer(&sale.secret).send();
    assert_eq!(ok(&by_client), shop.session(&sale));
    assert_eq!(shop.session(&sale)["client_secret"], sale.secret);
}

#[test]
fn the_fallback_url_is_a_page_of_this_server() {
    let shop = Shop::new();
    let sale = shop.sale();
    let url = text(&sale.made["fallback_url"]);
    let start = format!("http://{}/pay/", shop.world.address);
    let token = url.strip_prefix(&start).expect("a page of this server");
    assert_eq!(token.len(), 48, "{url}");
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_ne!(
        token,
        &sale.secret["cs_".len()..],
        "it gives the secret away"
    );
    assert_eq!(shop.session(&sale)["fallback_url"], url);
}

#[test]
fn behind_a_public_url_the_pages_are_there() {
    let shop = Shop::with(|settings| {
        settings.public_url = Some("https://pay.shop.example".parse().expect("a URL"));
    });
    let sale = shop.challenged();
    let session = shop.session(&sale);
    for url in [
        &session["fallback_url"],
        &session["next_action"]["redirect_to_url"]["url"],
    ] {
        assert!(
            text(url).starts_with("https://pay.shop.example/pay/"),
            "{url}"
        );
    }
}

#[test]
fn the_latest_attempt_is_the_payment() {
    let shop = Shop::new();
    let sale = shop.sale();
    let payment = ok(&shop.pay(&sale, "tok_visa"));
    let attempt = &shop.session(&sale)["latest_attempt"];
    for name in ["id", "psp", "status", "psp_transaction_id"] {
        assert_eq!(attempt[name], payment[name], "{name} in {attempt}");
    }
}

#[test]
fn a_payment_that_waits_for_the_buyer_says_where_the_buyer_goes() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({"success_url": "https://shop.example/done"}));
    let payment = ok(&shop.pay(&sale, "tok_threeDSecure2Required"));
    let action = &shop.session(&sale)["next_action"];
    assert_eq!(action["type"], "redirect_to_url");
    assert_eq!(action, &payment["next_action"]);
    let redirect = &action["redirect_to_url"];
    assert_eq!(
        path_of(&text(&redirect["url"])),
        format!("{}/3ds", sale.page())
    );
    assert!(redirect.get("return_url").is_some(), "{redirect}");
}

#[test]
fn nothing_is_left_to_do_once_the_buyer_was_there() {
    let shop = Shop::new();
    let sale = shop.challenged();
    shop.answer(&sale, "authenticated");
    assert_eq!(shop.session(&sale)["next_action"], Value::Null);
}

#[test]
fn what_one_was_shown_is_shown_to_nobody_who_may_not_see_it() {
    let shop = Shop::new();
    let other = shop.world.key_of("other", Mode::Test);
    let sale = shop.sale_with(&json!({"expires": 3_600}));
    let read_by = |secret: &str| shop.world.get(&sale.path()).bearer(secret).send();
    let shown = shop.session(&sale);
    assert_eq!(ok(&read_by(&sale.secret)), shown);
    read_by(&other.secret).expect(404, "session_not_found");
    shop.world.advance(HOUR);
    read_by(&sale.secret).expect(401, "invalid_client_secret");
    assert_eq!(shop.status(&sale), "canceled");
}

#[test]
fn a_session_that_was_shown_is_shown_as_it_stands_after_each_change() {
    let shop = Shop::new();
    let (sale, other) = (shop.sale(), shop.sale());
    let untouched = shop.session(&other);
    let amount = || shop.session(&sale)["amount"].clone();
    for price in [1_100, 1_200, 1_300] {
        ok(&shop.update(&sale, &json!({ "amount": price })).send());
        assert_eq!(amount(), price);
        assert_eq!(amount(), price, "once more");
        assert_eq!(shop.session(&other), untouched);
    }
    shop.pay(&sale, "tok_visa");
    assert_eq!(shop.status(&sale), "succeeded");
    assert_eq!(shop.session(&other), untouched);
}
