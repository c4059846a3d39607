//! What the buyer's page is proof against: hostile texts, forged addresses, other sites, wrong methods and bodies.

use serde_json::json;

use super::buyer::{self, Page, typed};
use super::{Sale, Shop};
use crate::dashboard::operator::{FORM, body_of};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "'); alert(1); //",
    "</title></main><h1>Free",
    "&lt;b&gt; &amp; <!-- --> {{7*7}}",
    "\u{202e}evil",
];

#[test]
fn a_hostile_description_is_text() {
    let shop = Shop::new();
    for text in HOSTILE {
        let sale = shop.sale_with(&json!({
            "description": text,
            "merchant_reference": text,
            "customer": {"name": text},
            "success_url": "https://shop.example/?a=\"><script>alert(1)</script>",
            "cancel_url": "https://shop.example/?a='><script>alert(1)</script>",
        }));
        let open = Page::open(&shop.world, &sale.page());
        assert!(open.html.holds(text), "{text}");
        let declined = open.send(&shop.world, &[("card", "4000000000000002")]);
        let declined = Page::of(&sale.page(), declined, 402);
        let late = Page::open(&shop.world, &sale.page());
        for page in [open, declined, late] {
            let source = body_of(&page.answer);
            for raw in ["<script>alert", "<img src=x", "<svg onload", "<h1>Free"] {
                assert!(!source.contains(raw), "{source}");
            }
        }
    }
}

#[test]
fn a_hostile_form_is_text_when_it_is_shown_again() {
    let shop = Shop::new();
    let sale = shop.sale();
    for text in HOSTILE {
        let fields = typed(text).map(|(name, _)| (name, *text));
        for fields in [&fields[..], &[("card", text)], &[("do", text)]] {
            let answer = buyer::post(&shop.world, &sale.page(), fields).send();
            let page = Page::of(&sale.page(), answer, 400);
            let source = body_of(&page.answer);
            for raw in ["<script>alert", "<img src=x", "<svg onload", "<h1>Free"] {
                assert!(!source.contains(raw), "{source}");
            }
        }
    }
    shop.expect_states(&sale, "requires_payment_method", None);
}

/// Addresses that look like the page of this session and are not.
fn forged(sale: &Sale, other: &Sale) -> Vec<String> {
    let token = &sale.page()["/pay/".len()..].to_owned();
    let foreign = &other.page()["/pay/".len()..].to_owned();
    let random = &sale.id["sess_".len()..];
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    vec![
        format!("/pay/{random}{}", "A1b2".repeat(6)),
        format!("/pay/{}{last}", &token[..47]),
        format!("/pay/{}{}", &token[..24], &foreign[24..]),
        format!("/pay/{}{}", &token[24..], &token[..24]),
        format!("/pay/{}", &sale.secret["cs_".len()..]),
        format!("/pay/{}", sale.secret),
        format!("/pay/{}", sale.id),
        format!("/pay/{}", &token[..47]),
        format!("/pay/{token}A"),
        format!("/pay/{}", token.to_uppercase()),
        format!("/pay/{token}/"),
        format!("/pay/{token}/4ds"),
        format!("/pay/{token}/3ds/x"),
        format!("/pay/{random}{}/3ds", "A1b2".repeat(6)),
        "/pay/".to_owned(),
        "/pay/x".to_owned(),
        "/pay/%00".to_owned(),
        "/pay/%ff".to_owned(),
        format!("/pay/{}", "A".repeat(4_000)),
    ]
}

#[test]
fn a_forged_address_is_a_page_that_there_is_not() {
    let shop = Shop::with(|settings| settings.per_address = 1_000);
    for sale in [shop.sale(), shop.challenged()] {
        let before = shop.session(&sale);
        for path in forged(&sale, &shop.sale()) {
            let opened = buyer::open(&shop.world, &path).send();
            Page::of(&path, opened, 404);
            for fields in [
                &typed("4242424242424242")[..],
                &[("do", "cancel")],
                &[("result", "failed")],
            ] {
                let sent = buyer::post(&shop.world, &path, fields).send();
                assert_eq!(sent.status, 404, "{path}");
            }
        }
        assert_eq!(shop.session(&sale), before);
    }
}

#[test]
fn every_page_has_the_headers_of_a_page() {
    let shop = Shop::new();
    let (sale, challenged) = (shop.sale(), shop.challenged());
    let open = |path: &str| buyer::open(&shop.world, path).send();
    let post = |fields: &[(&str, &str)]| buyer::post(&shop.world, &sale.page(), fields).send();
    let answers = [
        open(&sale.page()),
        open(&challenged.page()),
        open(&shop.challenge(&challenged)),
        open("/pay/x"),
        post(&[("number", "1")]),
        post(&[("card", "4000000000000002")]),
        open(&sale.page()),
    ];
    let statuses = answers.each_ref().map(|answer| answer.status);
    assert_eq!(statuses, [200, 303, 200, 404, 400, 402, 200]);
    for answer in &answers {
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        for name in ["limit", "remaining", "reset"] {
            answer.number(&format!("x-ratelimit-{name}"));
        }
        assert!(answer.header("x-request-id").is_some());
    }
}

#[test]
fn the_style_of_a_page_comes_from_this_server() {
    let shop = Shop::new();
    let page = Page::open(&shop.world, &shop.sale().page());
    let links = page.html.all("link");
    let styles = links
        .iter()
        .filter(|link| link.attribute("rel") == Some("stylesheet"))
        .filter_map(|link| link.attribute("href"));
    let mut count = 0;
    for style in styles {
        let answer = shop.world.get(style).send();
        assert_eq!(answer.status, 200, "{style}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/css"), "{style}: {kind}");
        count += 1;
    }
    assert!(count > 0, "a page without style");
}

#[test]
fn a_page_takes_forms_and_nothing_else() {
    let shop = Shop::new();
    let sale = shop.sale();
    let post = || shop.world.post(&sale.page()).header("Accept", "text/html");
    let form = "card=4242424242424242&amount=1000&currency=USD";
    for request in [
        post().json(r#"{"card":"4242424242424242"}"#),
        post().header("Content-Type", "text/plain").body(form),
        post()
            .header("Content-Type", "multipart/form-data; boundary=x")
            .body("--x--"),
        post().body(form),
    ] {
        assert_eq!(request.send().status, 415);
    }
    let large = format!("{form}&x={}", "x".repeat(70_000));
    let large = post().header("Content-Type", FORM).body(large).send();
    assert_eq!(large.status, 413);
    shop.expect_states(&sale, "requires_payment_method", None);
    let typed = format!("{FORM}; charset=utf-8");
    let answer = post().header("Content-Type", typed).body(form).send();
    assert!(matches!(answer.status, 200 | 303), "{}", answer.status);
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn what_is_hardly_a_form_does_no_harm() {
    let shop = Shop::new();
    let sale = shop.sale();
    for body in [
        "number=%ff&exp_month=12&exp_year=2034&cvc=737",
        "card=%00",
        "&&&=&=",
        "%",
        "do",
    ] {
        let request = shop.world.post(&sale.page()).header("Content-Type", FORM);
        let answer = request.body(body).send();
        assert_eq!(answer.status, 400, "{body}");
    }
    shop.expect_states(&sale, "requires_payment_method", None);
}

#[test]
fn other_methods_are_told_those_that_work() {
    let shop = Shop::new();
    let sale = shop.challenged();
    for path in [sale.page(), shop.challenge(&sale)] {
        for method in ["PUT", "PATCH", "DELETE"] {
            let answer = shop.world.request(method, &path).send();
            assert_eq!(answer.status, 405, "{method} {path}");
            let allow = answer.header("allow").expect("Allow");
            assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
        }
        let head = shop.world.request("HEAD", &path).send();
        assert!(matches!(head.status, 200 | 303), "{}", head.status);
    }
    shop.expect_states(&sale, "requires_action", Some("requires_action"));
}
