//! Idempotency of every call that changes something: one effect, the same bytes again, and whose key it is.

use serde_json::{Value, json};

use super::{BASE, PRICE, Sale, Shop, ok, text};
use crate::world::{Request, Response, at_once};

/// A call that changes something, and the same call with another body.
struct Call {
    name: &'static str,
    prepare: fn(&Shop) -> Sale,
    send: fn(&Shop, &Sale, &Value) -> Request,
    body: Value,
    other: Value,
}

fn by_client(shop: &Shop, sale: &Sale, method: &str, path: &str, body: &Value) -> Request {
    let request = shop.world.request(method, path).bearer(&sale.secret);
    request.json(&body.to_string())
}

fn confirm_by_body(shop: &Shop, sale: &Sale, body: &Value) -> Request {
    let mut body = body.clone();
    body["session_id"] = json!(sale.id);
    by_client(
        shop,
        sale,
        "POST",
        &format!("{BASE}/confirm-payment"),
        &body,
    )
}

fn calls() -> Vec<Call> {
    let call = |name, prepare, send, body, other| Call {
        name,
        prepare,
        send,
        body,
        other,
    };
    let (one, two) = (json!({"amount": 1}), json!({"amount": 2}));
    let (visa, amex) = (
        json!({"token_id": "tok_visa"}),
        json!({"token_id": "tok_amex"}),
    );
    let reason = json!({"cancellation_reason": "duplicate"});
    let (captured, failed) = (
        json!({"event_type": "payment.captured"}),
        json!({"event_type": "payment.failed"}),
    );
    vec![
        call("update", Shop::sale, Shop::update, one.clone(), two.clone()),
        call(
            "client's update",
            Shop::sale,
            |shop, sale, body| by_client(shop, sale, "PATCH", &sale.path(), body),
            one.clone(),
            two.clone(),
        ),
        call(
            "cancel",
            Shop::sale,
            Shop::cancel,
            json!({}),
            reason.clone(),
        ),
        call(
            "client's cancel",
            Shop::sale,
            |shop, sale, body| {
                by_client(shop, sale, "POST", &format!("{}/cancel", sale.path()), body)
            },
            reason,
            json!({}),
        ),
        call(
            "confirm",
            Shop::sale,
            Shop::confirm,
            visa.clone(),
            amex.clone(),
        ),
        call("confirm by body", Shop::sale, confirm_by_body, visa, amex),
        call(
            "capture",
            Shop::authorized,
            Shop::capture,
            one.clone(),
            two.clone(),
        ),
        call("refund", Shop::paid, Shop::refund, one, two),
        call(
            "test-webhooks",
            Shop::sale,
            |shop, _, body| shop.post("/test-webhooks", body),
            captured,
            failed,
        ),
    ]
}

#[track_caller]
fn expect_replay(first: &Response, again: &Response, name: &str) {
    assert_eq!(
        (again.status, again.replayed()),
        (first.status, true),
        "{name}"
    );
    assert_eq!(again.body, first.body, "{name}");
    assert_eq!(
        again.header("content-type"),
        first.header("content-type"),
        "{name}"
    );
    assert_eq!(again.header("idempotency-key"), Some(name), "{name}");
}

#[test]
fn every_call_is_replayed_byte_for_byte_and_says_so() {
    let shop = Shop::new();
    for call in calls() {
        let sale = (call.prepare)(&shop);
        let send = |body: &Value| (call.send)(&shop, &sale, body).idempotent(call.name).send();
        let first = send(&call.body);
        ok(&first);
        assert!(!first.replayed(), "{}", call.name);
        let after = shop.session(&sale);
        for _ in 0..2 {
            expect_replay(&first, &send(&call.body), call.name);
        }
        assert_eq!(shop.session(&sale), after, "{}", call.name);
    }
}

#[test]
fn every_call_refuses_its_key_for_another_body() {
    let shop = Shop::new();
    for call in calls() {
        let sale = (call.prepare)(&shop);
        let send = |body: &Value| (call.send)(&shop, &sale, body).idempotent(call.name).send();
        let first = send(&call.body);
        ok(&first);
        let after = shop.session(&sale);
        let reused = send(&call.other);
        reused.expect(409, "idempotency_key_reused");
        assert_eq!(
            reused.json()["error"]["type"],
            "idempotency_error",
            "{}",
            call.name
        );
        assert_eq!(shop.session(&sale), after, "{}", call.name);
        expect_replay(&first, &send(&call.body), call.name);
    }
}

#[test]
fn of_many_at_once_with_one_key_one_runs() {
    let shop = Shop::busy();
    for call in calls() {
        let sale = (call.prepare)(&shop);
        let request = (call.send)(&shop, &sale, &call.body).idempotent(call.name);
        let answers = at_once(&vec![request.clone(); 10]);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.expect(409, "idempotency_key_in_use");
            assert_eq!(answer.number("retry-after"), 1, "{}", call.name);
        }
        let good: Vec<&Response> = answers.iter().filter(|a| a.status == 200).collect();
        let ran = good.iter().filter(|answer| !answer.replayed()).count();
        assert_eq!(ran, 1, "{}", call.name);
        let again = request.send();
        assert!(
            good.iter().all(|answer| answer.body == again.body),
            "{}",
            call.name
        );
    }
}

#[test]
fn a_capture_sent_twice_captures_once() {
    let shop = Shop::busy();
    let sale = shop.authorized();
    let capture = |key: &str| shop.capture(&sale, &json!({"amount": 100})).idempotent(key);
    at_once(&vec![capture("one"); 10]);
    assert_eq!(ok(&capture("one").send())["captured_amount"], 100);
    assert_eq!(ok(&capture("two").send())["captured_amount"], 200);
}

#[test]
fn a_refund_sent_twice_refunds_once() {
    let shop = Shop::busy();
    let sale = shop.paid();
    let refund = |key: &str| shop.refund(&sale, &json!({"amount": 100})).idempotent(key);
    at_once(&vec![refund("one"); 10]);
    let (one, two) = (ok(&refund("one").send()), ok(&refund("two").send()));
    assert_ne!(text(&one["id"]), text(&two["id"]));
    assert_eq!(shop.payment(&sale)["refunded_amount"], 200);
}

#[test]
fn a_refusal_leaves_the_key_free() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let refund = shop.refund(&sale, &json!({})).idempotent("order_1");
    refund.send().expect(400, "payment_not_refundable");
    let wrong = shop
        .capture(&sale, &json!({"amount": PRICE + 1}))
        .idempotent("order_2");
    wrong.send().expect(400, "parameter_invalid");
    let capture = shop.capture(&sale, &json!({})).idempotent("order_2").send();
    assert_eq!((capture.status, capture.replayed()), (200, false));
    let refunded = refund.send();
    assert_eq!((refunded.status, refunded.replayed()), (200, false));
    let late = shop
        .confirm(&sale, &json!({"token_id": "tok_visa"}))
        .idempotent("order_3");
    for _ in 0..2 {
        let answer = late.send();
        answer.expect(409, "session_already_completed");
        assert!(!answer.replayed());
    }
}

#[test]
fn the_other_name_of_the_header_works_too_and_a_bad_key_runs_nothing() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let body = json!({"amount": 100});
    let capture = || shop.capture(&sale, &body);
    for replayed in [false, true] {
        let answer = capture().header("X-Idempotency-Key", "order_1").send();
        assert_eq!((answer.status, answer.replayed()), (200, replayed));
    }
    for bad in [
        capture().idempotent(""),
        capture().idempotent(&"k".repeat(256)),
        capture().idempotent("a").idempotent("b"),
    ] {
        bad.send().expect(400, "idempotency_key_invalid");
    }
    assert_eq!(ok(&capture().send())["captured_amount"], 200);
}

#[test]
fn a_get_is_never_kept() {
    let shop = Shop::new();
    let sale = shop.sale();
    let read = || {
        shop.world
            .look_up(&shop.key, &sale.id)
            .idempotent("order_1")
            .send()
    };
    let before = ok(&read());
    ok(&shop
        .update(&sale, &json!({"amount": 5}))
        .idempotent("order_1")
        .send());
    let after = read();
    assert!(!after.replayed());
    assert_ne!(ok(&after)["amount"], before["amount"]);
}
