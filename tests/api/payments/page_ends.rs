//! How the buyer leaves the page: sent back to the shop, or told what became of it.

use serde_json::json;
use url::Url;

use super::buyer::{self, Page, typed};
use super::{Sale, Shop, ok};
use crate::dashboard::operator::goes_to;
use crate::world::Response;

const DONE: &str = "https://shop.example/done";
const CART: &str = "https://shop.example/cart?from=pay";

fn sale(shop: &Shop, success_url: &str) -> Sale {
    shop.sale_with(&json!({"success_url": success_url, "cancel_url": CART}))
}

fn pay(shop: &Shop, sale: &Sale) -> Response {
    let page = Page::open(&shop.world, &sale.page());
    page.send(&shop.world, &typed("4242424242424242"))
}

/// The names and values of a URL's query.
fn query(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

#[test]
fn a_buyer_who_paid_is_sent_to_the_shop_with_the_session() {
    let shop = Shop::new();
    let sale = sale(&shop, DONE);
    let place = goes_to(&pay(&shop, &sale));
    assert_eq!(place, format!("{DONE}?session_id={}", sale.id));
}

#[test]
fn the_session_joins_a_query_that_is_there_and_stands_before_the_fragment() {
    let shop = Shop::new();
    let urls = [
        "https://shop.example",
        "https://shop.example/done?",
        "https://shop.example/done?order=1",
        "https://shop.example/done?order=1&a=b%26c+d&a=%C3%A9",
        "https://shop.example/done?order",
        "https://shop.example/done#top",
        "https://shop.example/done?order=1#/route?x=1",
        "http://localhost:3000/done?a[]=1&a[]=2",
        "https://xn--strae-oqa.example/%C3%BC?q=%3Cb%3E",
    ];
    for given in urls {
        let sale = sale(&shop, given);
        let place = goes_to(&pay(&shop, &sale));
        let (given, place) = (
            Url::parse(given).expect("a URL"),
            Url::parse(&place).expect("a URL"),
        );
        let mut expected = query(&given);
        expected.push(("session_id".to_owned(), sale.id.clone()));
        assert_eq!(query(&place), expected, "{place}");
        assert_eq!(place.fragment(), given.fragment(), "{place}");
        assert_eq!(place.origin(), given.origin(), "{place}");
        assert_eq!(place.path(), given.path(), "{place}");
    }
}

#[test]
fn a_buyer_whose_payment_is_authorized_is_sent_there_too() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({"success_url": DONE, "capture_method": "manual"}));
    assert_eq!(
        goes_to(&pay(&shop, &sale)),
        format!("{DONE}?session_id={}", sale.id)
    );
}

#[test]
fn a_buyer_whom_the_bank_knows_is_sent_there_too() {
    let shop = Shop::new();
    let sale = sale(&shop, DONE);
    let page = Page::open(&shop.world, &sale.page());
    page.send(&shop.world, &[("card", "4000000000003220")]);
    let answer = shop.answer(&sale, "authenticated");
    assert_eq!(goes_to(&answer), format!("{DONE}?session_id={}", sale.id));
}

#[test]
fn a_buyer_who_cancels_is_sent_to_the_cart() {
    let shop = Shop::new();
    let sale = sale(&shop, DONE);
    let page = Page::open(&shop.world, &sale.page());
    assert_eq!(goes_to(&page.send(&shop.world, &[("do", "cancel")])), CART);
    shop.expect_states(&sale, "canceled", None);
}

#[test]
fn wherever_a_buyer_is_sent_the_address_is_plain() {
    let shop = Shop::new();
    for (url, plain) in [
        (
            "https://shop.example/zurück",
            "https://shop.example/zur%C3%BCck",
        ),
        ("https://shöp.example/", "https://xn--shp-tna.example/"),
    ] {
        let sale = shop.sale_with(&json!({"success_url": url, "cancel_url": url}));
        let page = Page::open(&shop.world, &sale.page());
        assert_eq!(goes_to(&page.send(&shop.world, &[("do", "cancel")])), plain);
        let sale = shop.sale_with(&json!({"success_url": url}));
        let paid = goes_to(&pay(&shop, &sale));
        assert!(paid.starts_with(plain), "{paid}");
    }
}

#[test]
fn without_a_shop_to_go_to_the_page_says_what_became_of_it() {
    let shop = Shop::new();
    for fields in [&typed("4242424242424242")[..], &[("do", "cancel")]] {
        let sale = shop.sale();
        let page = Page::open(&shop.world, &sale.page());
        let answer = page.send(&shop.world, fields);
        let after = Page::after(&shop.world, &sale.page(), answer);
        assert!(
            !after.asks_for("number") && !after.asks_for("card"),
            "{}",
            after.html.text()
        );
    }
}

#[test]
fn a_page_that_is_opened_late_says_what_became_of_it_and_leads_back() {
    let shop = Shop::new();
    let urls = json!({"success_url": DONE, "cancel_url": CART});
    let paid = shop.sale_with(&urls);
    ok(&shop.pay(&paid, "tok_visa"));
    let declined = shop.sale_with(&urls);
    shop.pay(&declined, "tok_chargeDeclined");
    let canceled = shop.sale_with(&urls);
    ok(&shop.cancel(&canceled, &json!({})).send());
    for (sale, leads_to) in [(paid, DONE), (declined, CART), (canceled, CART)] {
        let answer = buyer::open(&shop.world, &sale.page()).send();
        let page = Page::of(&sale.page(), answer, 200);
        assert!(!page.asks_for("number"), "{}", page.html.text());
        let links = page.html.links();
        assert!(
            links.iter().any(|link| link.starts_with(leads_to)),
            "{links:?}"
        );
    }
}

#[test]
fn what_is_over_is_not_paid_or_canceled_from_a_page_that_was_left_open() {
    let shop = Shop::new();
    for end in [Shop::paid, Shop::declined, Shop::canceled, Shop::authorized] {
        let sale = end(&shop);
        let before = shop.session(&sale);
        for fields in [
            &typed("4242424242424242")[..],
            &[("card", "4242424242424242")],
            &[("do", "cancel")],
        ] {
            let answer = buyer::post(&shop.world, &sale.page(), fields).send();
            assert!(answer.status < 500, "{}", answer.status);
            let after = shop.session(&sale);
            let is_canceled_authorization =
                before["status"] == "processing" && after["status"] == "canceled";
            assert!(after == before || is_canceled_authorization, "{after}");
        }
    }
}

#[test]
fn the_policy_of_a_page_lets_its_form_end_at_the_shop() {
    let shop = Shop::new();
    let sale = sale(&shop, "http://localhost:3000/done");
    let open = Page::open(&shop.world, &sale.page());
    open.send(&shop.world, &[("card", "4000000000003220")]);
    let asked = Page::open(&shop.world, &shop.challenge(&sale));
    for page in [open, asked] {
        // A browser holds the redirects of a form against form-action as well.
        let policy = page.answer.directives();
        let action = policy.iter().find(|(name, _)| name == "form-action");
        let Some((_, sources)) = action else { continue };
        let sources: Vec<&str> = sources.split(' ').collect();
        let lets =
            |scheme: &str, origin: &str| sources.contains(&scheme) || sources.contains(&origin);
        assert!(sources.contains(&"'self'"), "{sources:?}");
        assert!(lets("http:", "http://localhost:3000"), "{sources:?}");
        assert!(lets("https:", "https://shop.example"), "{sources:?}");
    }
}

#[test]
fn a_buyer_pays_what_the_page_showed_or_nothing() {
    let shop = Shop::new();
    let sale = shop.sale();
    let page = Page::open(&shop.world, &sale.page());
    ok(&shop.update(&sale, &json!({"amount": 9_999_900})).send());
    let answer = page.send(&shop.world, &[("card", "4242424242424242")]);
    let page = Page::of(&sale.page(), answer, 409);
    assert!(page.html.holds("The amount has changed"));
    shop.expect_states(&sale, "requires_payment_method", None);
    let answer = page.send(&shop.world, &[("card", "4242424242424242")]);
    assert_eq!(answer.status, 303);
    shop.expect_states(&sale, "succeeded", Some("captured"));
}
