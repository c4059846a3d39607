//! In which order confirm-payment looks at things: who, the body, the session's state, the way to pay, the rest.

use serde_json::json;

use super::{BASE, Sale, Shop};
use crate::world::Request;

const WRONG_IN_ALL: &str = r#"{"payment_method_type":"cash","token_provider":"nobody","psp":"nobody","token_id":"tok_none"}"#;

fn post(shop: &Shop, sale: &Sale) -> Request {
    let path = format!("{BASE}/confirm-payment/{}", sale.id);
    shop.world.post(&path)
}

#[test]
fn who_asks_comes_before_the_body() {
    let shop = Shop::new();
    let sale = shop.paid();
    for body in ["{", "{}", WRONG_IN_ALL] {
        post(&shop, &sale)
            .json(body)
            .send()
            .expect(401, "missing_client_secret");
        post(&shop, &sale)
            .bearer(&sale.forged_secret())
            .json(body)
            .send()
            .expect(401, "invalid_client_secret");
    }
}

#[test]
fn the_body_comes_before_the_session_s_state() {
    let shop = Shop::new();
    for sale in [shop.paid(), shop.challenged()] {
        let post = || post(&shop, &sale).bearer(&sale.secret);
        post().json("{").send().expect(400, "invalid_json");
        post()
            .body("{}")
            .send()
            .expect(415, "unsupported_media_type");
    }
}

#[test]
fn the_session_s_state_comes_before_what_the_body_says() {
    let shop = Shop::new();
    let rows = [
        (shop.paid(), "session_already_completed"),
        (shop.declined(), "session_already_completed"),
        (shop.canceled(), "session_already_completed"),
        (shop.authorized(), "session_already_processing"),
        (shop.challenged(), "session_already_processing"),
    ];
    for (sale, code) in rows {
        let before = shop.session(&sale);
        for body in ["{}", r#"{"token_id":"tok_visa"}"#, WRONG_IN_ALL] {
            let answer = post(&shop, &sale).bearer(&sale.secret).json(body).send();
            answer.expect(409, code);
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
        assert_eq!(shop.session(&sale), before, "{code}");
    }
}

#[test]
fn the_way_to_pay_and_what_it_needs_come_before_provider_processor_and_token() {
    let shop = Shop::new();
    let sale = shop.sale();
    let confirm = |body: &str| {
        let request = post(&shop, &sale).bearer(&sale.secret);
        request.json(body).send()
    };
    confirm(WRONG_IN_ALL).expect(400, "invalid_payment_method");
    let missing = confirm(r#"{"token_provider":"nobody","psp":"nobody"}"#);
    missing.expect(400, "parameter_missing");
    assert_eq!(missing.param().as_deref(), Some("token_id"));
    assert_eq!(confirm(r#"{"token_id":"tok_visa"}"#).status, 200);
}

#[test]
fn a_replay_comes_before_the_session_s_state() {
    let shop = Shop::new();
    let sale = shop.sale();
    let body = json!({"token_id": "tok_visa"});
    let first = shop.confirm(&sale, &body).idempotent("order_1").send();
    let again = shop.confirm(&sale, &body).idempotent("order_1").send();
    assert_eq!((first.status, again.status), (200, 200));
    assert!(again.replayed());
}

#[test]
fn whose_it_is_comes_before_what_is_asked_of_it() {
    let shop = Shop::new();
    let other = shop.world.key_of("other", atlas::domain::key::Mode::Test);
    let sale = shop.authorized();
    let paths = [
        (
            format!("/capture-payment/{}", sale.payment()),
            "payment_not_found",
        ),
        (
            format!("/refund-payment/{}", sale.payment()),
            "payment_not_found",
        ),
        (format!("/sessions/{}/cancel", sale.id), "session_not_found"),
    ];
    for (path, code) in paths {
        let request = shop.world.post(&format!("{BASE}{path}")).key(&other);
        request.json("{}").send().expect(404, code);
    }
}
