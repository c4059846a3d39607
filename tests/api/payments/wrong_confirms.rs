//! Bodies that confirm-payment refuses, each by its code and member, and without any effect.

use serde_json::{Value, json};

use super::{BASE, Sale, Shop};

/// A session that lists every way to pay.
fn open_sale(shop: &Shop) -> Sale {
    let all = json!(["card", "apple_pay", "google_pay", "bank_account", "paypal"]);
    shop.sale_with(&json!({"payment_method_types": all}))
}

/// Fails unless each body is refused so and nothing happens to the session.
#[track_caller]
fn expect_refused(shop: &Shop, sale: &Sale, code: &str, params: &[Option<&str>], bodies: &[Value]) {
    for body in bodies {
        let answer = shop.confirm(sale, body).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{body}"
        );
        let param = answer.param();
        assert!(params.contains(&param.as_deref()), "{body}: {param:?}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        shop.expect_states(sale, "requires_payment_method", None);
    }
}

#[test]
fn a_card_needs_a_token() {
    let shop = Shop::new();
    let sale = shop.sale();
    let bodies = [json!({}), json!({"payment_method_type": "card"})];
    expect_refused(
        &shop,
        &sale,
        "parameter_missing",
        &[Some("token_id")],
        &bodies,
    );
}

#[test]
fn a_token_is_one_of_the_table_or_a_test_card() {
    let shop = Shop::new();
    let sale = shop.sale();
    let unknown = [
        "tok_none",
        "tok_test_",
        "tok_test_4111111111111111",
        "tok_test_424242424242424",
        "tok_test_42424242424242420",
        "tok_test_4242 4242 4242 4242",
        "TOK_VISA",
        "tok_visa ",
        "4242424242424242",
        "tok_\u{0}",
    ];
    let bodies = unknown.map(|token| json!({"token_id": token}));
    let wrong = [
        json!(1),
        json!(true),
        json!(["tok_visa"]),
        json!({"id": "tok_visa"}),
    ];
    let wrong = wrong.map(|token| json!({"token_id": token}));
    for bodies in [&bodies[..], &wrong] {
        expect_refused(
            &shop,
            &sale,
            "parameter_invalid",
            &[Some("token_id")],
            bodies,
        );
    }
}

#[test]
fn an_unknown_token_is_told_where_the_known_ones_are() {
    let shop = Shop::new();
    let answer = shop.pay(&shop.sale(), "tok_none");
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("/test-cards"), "{message}");
}

#[test]
fn a_wallet_needs_its_own_token() {
    let shop = Shop::new();
    let sale = open_sale(&shop);
    for (wallet, other) in [("apple_pay", "google_pay"), ("google_pay", "apple_pay")] {
        let name = format!("{wallet}_token");
        let bodies = [
            json!({"payment_method_type": wallet}),
            json!({"payment_method_type": wallet, "token_id": "tok_visa"}),
            json!({"payment_method_type": wallet, format!("{other}_token"): "opaque"}),
        ];
        expect_refused(&shop, &sale, "parameter_missing", &[Some(&name)], &bodies);
        let wrong = [json!(1), json!(true), json!(["opaque"])];
        let wrong = wrong.map(|token| json!({"payment_method_type": wallet, &name: token}));
        expect_refused(&shop, &sale, "parameter_invalid", &[Some(&name)], &wrong);
    }
}

#[test]
fn only_what_the_session_lists_is_a_way_to_pay() {
    let shop = Shop::new();
    let param = [None, Some("payment_method_type")];
    let body = |kind: &str| {
        json!({
            "payment_method_type": kind,
            "token_id": "tok_visa",
            "apple_pay_token": "opaque",
            "google_pay_token": "opaque",
        })
    };
    let card_only = ["apple_pay", "google_pay", "paypal", "bank_account"].map(body);
    expect_refused(
        &shop,
        &shop.sale(),
        "invalid_payment_method",
        &param,
        &card_only,
    );
    let paypal_only = shop.sale_with(&json!({"payment_method_types": ["paypal"]}));
    let card = [body("card"), json!({"token_id": "tok_visa"})];
    expect_refused(&shop, &paypal_only, "invalid_payment_method", &param, &card);
    let never = ["bank_account", "cash", "Card", "", "card "].map(body);
    expect_refused(
        &shop,
        &open_sale(&shop),
        "invalid_payment_method",
        &param,
        &never,
    );
}

#[test]
fn a_provider_of_tokens_is_one_of_three() {
    let shop = Shop::new();
    let sale = shop.sale();
    let bodies = ["stripe", "Atlas", ""]
        .map(|provider| json!({"token_id": "tok_visa", "token_provider": provider}));
    let param = [None, Some("token_provider")];
    expect_refused(&shop, &sale, "invalid_token_provider", &param, &bodies);
}

#[test]
fn a_processor_is_one_of_the_list() {
    let shop = Shop::new();
    let sale = shop.sale();
    let values = [
        json!("nobody"),
        json!("Stripe"),
        json!(""),
        json!(1),
        json!([]),
    ];
    let bodies = values.map(|psp| json!({"token_id": "tok_visa", "psp": psp}));
    expect_refused(&shop, &sale, "parameter_invalid", &[Some("psp")], &bodies);
}

#[test]
fn a_session_id_in_the_body_is_a_string() {
    let shop = Shop::new();
    let sale = shop.sale();
    let request = shop.world.post(&format!("{BASE}/confirm-payment"));
    let request = request.bearer(&sale.secret);
    let answer = request
        .json(r#"{"session_id":1,"token_id":"tok_visa"}"#)
        .send();
    answer.expect(400, "parameter_invalid");
    assert_eq!(answer.param().as_deref(), Some("session_id"));
    shop.expect_states(&sale, "requires_payment_method", None);
}

#[test]
fn a_body_is_one_well_formed_object() {
    let shop = Shop::new();
    let sale = shop.sale();
    let path = format!("{BASE}/confirm-payment/{}", sale.id);
    let post = || shop.world.post(&path).bearer(&sale.secret);
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "token_id=tok_visa",
        r#"{"token_id":"tok_visa"}{}"#,
        r#"{"token_id":"tok_visa","token_id":"tok_visa"}"#,
        r#"{"token_id":"tok_visa",}"#,
    ];
    for body in bodies {
        let answer = post().json(body).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_json"),
            "{body}"
        );
    }
    let good = r#"{"token_id":"tok_visa"}"#;
    let form = "application/x-www-form-urlencoded";
    for request in [
        post().body(good),
        post().header("Content-Type", "text/plain").body(good),
        post()
            .header("Content-Type", form)
            .body("token_id=tok_visa"),
    ] {
        request.send().expect(415, "unsupported_media_type");
    }
    let large = format!("{good}{}", " ".repeat(70_000));
    post().json(&large).send().expect(413, "request_too_large");
    let twice = post().bearer(&sale.secret).json(good).send();
    twice.expect(400, "authorization_invalid");
    shop.expect_states(&sale, "requires_payment_method", None);
}

#[test]
fn a_mistake_can_be_mended_and_sent_again_with_the_same_key() {
    let shop = Shop::new();
    let mistakes = [
        json!({}),
        json!({"token_id": "tok_none"}),
        json!({"token_id": "tok_visa", "psp": "nobody"}),
        json!({"token_id": "tok_visa", "token_provider": "nobody"}),
        json!({"payment_method_type": "cash"}),
    ];
    for mistake in mistakes {
        let sale = shop.sale();
        let wrong = shop.confirm(&sale, &mistake).idempotent("order_1").send();
        assert_eq!(wrong.status, 400, "{mistake}");
        let good = shop.confirm(&sale, &json!({"token_id": "tok_visa"}));
        let mended = good.idempotent("order_1").send();
        assert_eq!(
            (mended.status, mended.replayed()),
            (200, false),
            "{mistake}"
        );
    }
}
