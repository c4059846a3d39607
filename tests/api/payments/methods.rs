//! Methods and paths of the payments' endpoints, and how a body must be declared.

use serde_json::json;

use super::{BASE, Sale, Shop, ok};

/// Each path, and the methods that work there.
fn paths(sale: &Sale) -> Vec<(String, &'static [&'static str])> {
    let payment = sale.payment();
    vec![
        (sale.path(), &["GET", "HEAD", "PATCH"][..]),
        (format!("{}/cancel", sale.path()), &["POST"]),
        (
            format!("{BASE}/get-session-config/{}", sale.id),
            &["GET", "HEAD"],
        ),
        (format!("{BASE}/confirm-payment"), &["POST"]),
        (format!("{BASE}/confirm-payment/{}", sale.id), &["POST"]),
        (format!("{BASE}/capture-payment/{payment}"), &["POST"]),
        (format!("{BASE}/refund-payment/{payment}"), &["POST"]),
        (format!("{BASE}/test-cards"), &["GET", "HEAD"]),
        (format!("{BASE}/test-webhooks"), &["POST"]),
        (format!("{BASE}/health"), &["GET", "HEAD"]),
    ]
}

#[test]
fn a_method_that_does_not_work_is_told_those_that_do() {
    let shop = Shop::with(|settings| settings.per_address = 1_000);
    let sale = shop.authorized();
    for (path, works) in paths(&sale) {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
            if works.contains(&method) {
                continue;
            }
            let request = shop.world.request(method, &path);
            let answer = request.key(&shop.key).json("{}").send();
            answer.expect(405, "method_not_allowed");
            let allow = answer.header("allow").expect("Allow");
            let mut named: Vec<&str> = allow.split(',').map(str::trim).collect();
            named.retain(|name| *name != "OPTIONS");
            named.sort_unstable();
            assert_eq!(named, works, "{method} {path}");
        }
    }
    shop.expect_states(&sale, "processing", Some("authorized"));
}

#[test]
fn options_gets_204_and_the_methods_and_spends_nothing() {
    let shop = Shop::with(|settings| settings.per_address = 2);
    let sale = shop.authorized();
    for (path, works) in paths(&sale) {
        let answer = shop.world.request("OPTIONS", &path).send();
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        let allow = answer.header("allow").expect("Allow").to_owned();
        assert!(
            works.iter().all(|method| allow.contains(method)),
            "{path}: {allow}"
        );
        assert_eq!(answer.remaining(), 2, "{path}");
    }
}

#[test]
fn a_page_of_an_allowed_origin_may_call_what_buyers_call() {
    const PAGE: &str = "https://shop.example";
    let shop = Shop::with(|settings| {
        settings.allow_origin = vec![PAGE.parse().expect("an origin")];
    });
    let sale = shop.sale();
    let path = format!("{BASE}/confirm-payment/{}", sale.id);
    let asked = shop.world.request("OPTIONS", &path).header("Origin", PAGE);
    let asked = asked.header("Access-Control-Request-Method", "POST");
    let asked = asked.header(
        "Access-Control-Request-Headers",
        "authorization,content-type",
    );
    let allowed = asked.send();
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(PAGE));
    let patched = shop
        .world
        .request("OPTIONS", &sale.path())
        .header("Origin", PAGE);
    let patched = patched
        .header("Access-Control-Request-Method", "PATCH")
        .send();
    let methods = patched
        .header("access-control-allow-methods")
        .expect("methods");
    assert!(methods.contains("PATCH"), "{methods}");
    let paid = shop.confirm(&sale, &json!({"token_id": "tok_chargeDeclined"}));
    let declined = paid.header("Origin", PAGE).send();
    declined.expect(402, "payment_failed");
    assert_eq!(declined.header("access-control-allow-origin"), Some(PAGE));
}

#[test]
fn a_body_is_declared_as_json_wherever_there_is_one() {
    let shop = Shop::new();
    let (sale, authorized) = (shop.sale(), shop.authorized());
    let rows = [
        ("PATCH", sale.path(), r#"{"amount":1}"#),
        (
            "POST",
            format!("{}/cancel", sale.path()),
            r#"{"cancellation_reason":"duplicate"}"#,
        ),
        (
            "POST",
            format!("{BASE}/capture-payment/{}", authorized.payment()),
            r#"{"amount":1}"#,
        ),
        (
            "POST",
            format!("{BASE}/refund-payment/{}", authorized.payment()),
            r#"{"amount":1}"#,
        ),
        (
            "POST",
            format!("{BASE}/test-webhooks"),
            r#"{"event_type":"payment.captured"}"#,
        ),
    ];
    for (method, path, body) in rows {
        let send = || shop.world.request(method, &path).key(&shop.key);
        let form = "application/x-www-form-urlencoded";
        for request in [
            send().body(body),
            send().header("Content-Type", "text/plain").body(body),
            send().header("Content-Type", form).body("amount=1"),
        ] {
            request.send().expect(415, "unsupported_media_type");
        }
        send().json("{").send().expect(400, "invalid_json");
        let large = format!("{body}{}", " ".repeat(70_000));
        send().json(&large).send().expect(413, "request_too_large");
    }
    shop.expect_states(&sale, "requires_payment_method", None);
    shop.expect_states(&authorized, "processing", Some("authorized"));
}

#[test]
fn a_json_type_of_a_vendor_is_json() {
    let shop = Shop::new();
    let sale = shop.sale();
    let path = format!("{BASE}/confirm-payment/{}", sale.id);
    let request = shop.world.post(&path).bearer(&sale.secret);
    let request = request.header("Content-Type", "application/vnd.shop+json; charset=utf-8");
    ok(&request.body(r#"{"token_id":"tok_visa"}"#).send());
}

#[test]
fn what_looks_like_an_endpoint_is_none() {
    let shop = Shop::new();
    let sale = shop.paid();
    for path in [
        format!("{}/", sale.path()),
        format!("{}/refund", sale.path()),
        format!("{}/cancel/x", sale.path()),
        format!("{BASE}/confirm-payment/{}/x", sale.id),
        format!("{BASE}/capture-payment"),
        format!("{BASE}/refund-payment/"),
        format!("{BASE}/get-session-config"),
        format!("{BASE}/Test-Cards"),
        "/test-cards".to_owned(),
    ] {
        let answer = shop.world.post(&path).key(&shop.key).json("{}").send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "route_not_found"),
            "{path}"
        );
    }
}
