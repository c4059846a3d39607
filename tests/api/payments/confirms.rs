//! `POST /confirm-payment`: what each card, token, wallet and processor makes of a payment.

use serde_json::{Value, json};

use super::cards::{CARDS, Card, End};
use super::{BASE, PRICE, Sale, Shop, merged, ok, seconds, text};
use crate::world::{HOUR, NOON, Response};

/// Fails unless the payment and its session are as the card says.
#[track_caller]
fn expect_end(shop: &Shop, sale: &Sale, card: &Card, answer: &Response) {
    let number = card.number;
    match card.end {
        End::Pays | End::Frictionless => {
            let payment = ok(answer);
            assert_eq!(payment["status"], "captured", "{number}");
            assert_eq!(payment["captured_amount"], PRICE, "{number}");
            assert_eq!(payment["next_action"], Value::Null, "{number}");
            shop.expect_states(sale, "succeeded", Some("captured"));
        }
        End::Declined(code) => {
            answer.expect(402, "payment_failed");
            assert_eq!(answer.json()["error"]["decline_code"], code, "{number}");
            shop.expect_states(sale, "failed", Some("failed"));
        }
        End::Asks { .. } => {
            let payment = ok(answer);
            assert_eq!(payment["status"], "requires_action", "{number}");
            assert_eq!(payment["captured_amount"], 0, "{number}");
            assert_eq!(
                payment["next_action"]["type"], "redirect_to_url",
                "{number}"
            );
            shop.expect_states(sale, "requires_action", Some("requires_action"));
        }
    }
}

#[track_caller]
fn expect_card(answer: &Response, card: &Card) {
    if answer.status != 200 {
        return;
    }
    let shown = &answer.json()["card"];
    assert_eq!(shown["brand"], card.brand, "{}", card.number);
    assert_eq!(shown["last4"], card.last4(), "{}", card.number);
    for name in ["exp_month", "exp_year"] {
        assert!(shown[name].is_u64(), "{name} in {shown}");
    }
}

#[test]
fn a_payment_has_the_members_of_the_api() {
    let shop = Shop::new();
    let sale = shop.sale();
    let payment = ok(&shop.pay(&sale, "tok_visa"));
    let expected = json!({
        "id": sale.payment(),
        "object": "payment_intent",
        "session_id": sale.id,
        "amount": PRICE,
        "currency": "USD",
        "status": "captured",
        "payment_method_type": "card",
        "psp": "stripe",
        "captured_amount": PRICE,
        "refunded_amount": 0,
        "wallet": null,
        "bank_account": null,
        "routing": {
            "attempts": 1,
            "selected_psp": "stripe",
            "selection_reason": "default",
            "is_retry": false,
        },
        "next_action": null,
        "three_d_secure": null,
        "failure_code": null,
        "livemode": false,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(payment.get(name), Some(value), "{name} in {payment}");
    }
    assert_eq!(seconds(&payment["created_at"]), NOON);
    assert!(!text(&payment["psp_transaction_id"]).is_empty());
}

#[test]
fn every_test_card_does_what_the_table_says() {
    let shop = Shop::new();
    for card in CARDS {
        let sale = shop.sale();
        let answer = shop.pay(&sale, &card.test_token());
        expect_end(&shop, &sale, card, &answer);
        expect_card(&answer, card);
    }
}

#[test]
fn every_named_token_is_its_card() {
    let shop = Shop::new();
    let named = CARDS.iter().filter(|card| card.token.is_some());
    let mut count = 0;
    for card in named {
        let sale = shop.sale();
        let answer = shop.pay(&sale, card.token.expect("a token"));
        expect_end(&shop, &sale, card, &answer);
        expect_card(&answer, card);
        count += 1;
    }
    assert_eq!(count, 7);
}

#[test]
fn a_manual_payment_is_authorized_and_nothing_is_captured() {
    let shop = Shop::new();
    for card in CARDS {
        let sale = shop.manual_sale();
        let answer = shop.pay(&sale, &card.test_token());
        if matches!(card.end, End::Pays | End::Frictionless) {
            let payment = ok(&answer);
            assert_eq!(payment["status"], "authorized", "{}", card.number);
            assert_eq!(payment["captured_amount"], 0, "{}", card.number);
            shop.expect_states(&sale, "processing", Some("authorized"));
        } else {
            expect_end(&shop, &sale, card, &answer);
        }
    }
}

#[test]
fn a_bank_that_asks_nobody_says_how_it_went() {
    let shop = Shop::new();
    for card in CARDS.iter().filter(|card| card.end == End::Frictionless) {
        let payment = ok(&shop.pay(&shop.sale(), &card.test_token()));
        let said = &payment["three_d_secure"];
        assert_eq!(said["version"], "2.2.0", "{}", card.number);
        assert!(said["authentication_status"].is_string(), "{said}");
        assert!(said.get("eci").is_some(), "{said}");
    }
}

#[test]
fn the_session_may_be_named_in_the_body_instead() {
    let shop = Shop::new();
    let path = format!("{BASE}/confirm-payment");
    let confirm = |sale: &Sale, body: &Value| {
        let request = shop.world.post(&path).bearer(&sale.secret);
        request.json(&body.to_string()).send()
    };
    let (sale, other) = (shop.sale(), shop.sale());
    let missing = confirm(&sale, &json!({"token_id": "tok_visa"}));
    missing.expect(400, "parameter_missing");
    assert_eq!(missing.param().as_deref(), Some("session_id"));
    let of_other = json!({"token_id": "tok_visa", "session_id": other.id});
    confirm(&sale, &of_other).expect(401, "invalid_client_secret");
    let own = json!({"token_id": "tok_visa", "session_id": sale.id});
    assert_eq!(ok(&confirm(&sale, &own))["id"], sale.payment());
    shop.expect_states(&sale, "succeeded", Some("captured"));
    shop.expect_states(&other, "requires_payment_method", None);
}

#[test]
fn a_wallet_s_token_is_a_string_or_an_object() {
    let shop = Shop::new();
    for wallet in ["apple_pay", "google_pay"] {
        for token in [json!("opaque"), json!({"data": "opaque"})] {
            let sale = shop.sale_with(&json!({"payment_method_types": ["card", wallet]}));
            let body = json!({"payment_method_type": wallet, format!("{wallet}_token"): token});
            let payment = ok(&shop.confirm(&sale, &body).send());
            assert_eq!(payment["payment_method_type"], wallet);
            assert_eq!(payment["status"], "captured", "{wallet}");
            assert_eq!(payment["wallet"]["type"], wallet);
            assert!(payment["wallet"].get("card_network").is_some(), "{payment}");
            shop.expect_states(&sale, "succeeded", Some("captured"));
        }
    }
}

#[test]
fn a_buyer_approves_paypal_on_the_page() {
    let shop = Shop::new();
    for (result, session, payment) in [
        ("authenticated", "succeeded", "captured"),
        ("failed", "failed", "failed"),
    ] {
        let sale = shop.sale_with(&json!({"payment_method_types": ["paypal"]}));
        let made = ok(&shop
            .confirm(&sale, &json!({"payment_method_type": "paypal"}))
            .send());
        assert_eq!(made["status"], "requires_action");
        assert_eq!(made["psp"], "paypal");
        assert_eq!(made["card"], Value::Null);
        shop.expect_states(&sale, "requires_action", Some("requires_action"));
        shop.answer(&sale, result);
        shop.expect_states(&sale, session, Some(payment));
    }
}

#[test]
fn a_processor_may_be_asked_for() {
    let shop = Shop::new();
    let processors = [
        "stripe",
        "adyen",
        "authorizenet",
        "chase",
        "nuvei",
        "dlocal",
        "braintree",
        "checkoutcom",
        "airwallex",
        "windcave",
        "paypal",
    ];
    for psp in processors {
        let body = json!({"token_id": "tok_visa", "psp": psp});
        let payment = ok(&shop.confirm(&shop.sale(), &body).send());
        assert_eq!(payment["psp"], psp);
        assert_eq!(payment["routing"]["selected_psp"], psp);
        assert_eq!(payment["routing"]["selection_reason"], "requested");
    }
}

#[test]
fn every_provider_s_tokens_are_the_test_tokens() {
    let shop = Shop::new();
    for provider in ["atlas", "basis_theory", "vgs"] {
        let body = json!({"token_id": "tok_visa", "token_provider": provider});
        assert_eq!(
            shop.confirm(&shop.sale(), &body).send().status,
            200,
            "{provider}"
        );
    }
}

#[test]
fn unknown_members_are_ignored() {
    let shop = Shop::new();
    let more = json!({
        "amount": 1,
        "currency": "EUR",
        "capture_method": "manual",
        "routing_profile_id": "profile",
        "no_such_member": {"a": [1]},
    });
    let body = merged(&json!({"token_id": "tok_visa"}), &more);
    let payment = ok(&shop.confirm(&shop.sale(), &body).send());
    assert_eq!(payment["captured_amount"], PRICE);
    assert_eq!(payment["currency"], "USD");
}

#[test]
fn the_card_of_a_token_is_good_for_years_whenever_that_is() {
    let shop = Shop::new();
    for (year, expiry) in [("2026", 2034), ("2040", 2048)] {
        let sale = shop.sale();
        let card = ok(&shop.pay(&sale, "tok_visa"))["card"].clone();
        assert_eq!(
            (&card["exp_month"], &card["exp_year"]),
            (&json!(12), &json!(expiry)),
            "{year}"
        );
        shop.world.advance(14 * 365 * 24 * HOUR);
    }
}
