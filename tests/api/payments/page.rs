//! The buyer's page: what it shows, and paying there by card, by a button, or not at all.

use serde_json::{Value, json};

use super::buyer::{self, Page, typed};
use super::cards::{CARDS, End};
use super::{PRICE, Sale, Shop};
use crate::dashboard::operator::goes_to;

fn page(shop: &Shop, sale: &Sale) -> Page {
    Page::open(&shop.world, &sale.page())
}

fn with_urls() -> Value {
    json!({
        "success_url": "https://shop.example/done",
        "cancel_url": "https://shop.example/cart",
    })
}

#[test]
fn an_open_page_shows_what_is_sold_and_asks_for_a_card() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({"amount": 4_990, "description": "Two chairs ☕"}));
    let page = page(&shop, &sale);
    let text = page.html.text();
    assert!(text.contains("49.90"), "{text}");
    assert!(text.contains("Two chairs ☕"), "{text}");
    for name in ["number", "exp_month", "exp_year", "cvc"] {
        assert!(page.asks_for(name), "{name}");
    }
    assert_eq!(page.buttons("do"), ["cancel"]);
    shop.expect_states(&sale, "requires_payment_method", None);
}

#[test]
fn an_amount_is_shown_as_its_currency_is_counted() {
    let shop = Shop::new();
    for (amount, currency, shown) in [
        (500, "JPY", "500"),
        (1_234, "KWD", "1.234"),
        (5, "USD", "0.05"),
    ] {
        let sale = shop.sale_with(&json!({"amount": amount, "currency": currency}));
        let text = page(&shop, &sale).html.text();
        assert!(text.contains(shown), "{shown} in {text}");
        assert!(!text.contains("5.00"), "{text}");
    }
}

#[test]
fn the_buttons_are_test_cards() {
    let shop = Shop::new();
    let buttons = page(&shop, &shop.sale()).buttons("card");
    let ends: Vec<End> = buttons
        .iter()
        .map(|number| {
            let card = CARDS.iter().find(|card| card.number == number);
            card.unwrap_or_else(|| panic!("{number} is no test card"))
                .end
        })
        .collect();
    assert!(buttons.iter().any(|number| number == "4242424242424242"));
    assert!(
        ends.iter().any(|end| matches!(end, End::Declined(_))),
        "{buttons:?}"
    );
    assert!(ends.contains(&End::Asks { pays: true }), "{buttons:?}");
}

#[test]
fn a_card_typed_into_the_form_pays() {
    let shop = Shop::new();
    for (number, brand) in [
        ("5555555555554444", "mastercard"),
        ("378282246310005", "amex"),
    ] {
        let sale = shop.sale();
        let open = page(&shop, &sale);
        let answer = open.send(&shop.world, &typed(number));
        Page::after(&shop.world, &sale.page(), answer);
        shop.expect_states(&sale, "succeeded", Some("captured"));
        let payment = shop.payment(&sale);
        assert_eq!(payment["card"]["brand"], brand);
        assert_eq!(payment["card"]["last4"], number[number.len() - 4..]);
        assert_eq!(payment["card"]["exp_month"], 12);
        assert_eq!(payment["card"]["exp_year"], 2034);
        assert_eq!(payment["captured_amount"], PRICE);
    }
}

#[test]
fn a_number_may_be_typed_as_it_stands_on_the_card() {
    let shop = Shop::new();
    for number in ["4242 4242 4242 4242", " 4242424242424242 "] {
        let sale = shop.sale();
        page(&shop, &sale).send(&shop.world, &typed(number));
        shop.expect_states(&sale, "succeeded", Some("captured"));
    }
}

#[test]
fn every_test_card_does_on_the_page_what_it_does_by_the_api() {
    let shop = Shop::new();
    for card in CARDS {
        for fields in [&typed(card.number)[..], &[("card", card.number)]] {
            let sale = shop.sale();
            let answer = buyer::post(&shop.world, &sale.page(), fields).send();
            match card.end {
                End::Pays | End::Frictionless => {
                    Page::after(&shop.world, &sale.page(), answer);
                    shop.expect_states(&sale, "succeeded", Some("captured"));
                }
                End::Declined(_) => {
                    Page::of(&sale.page(), answer, 402);
                    shop.expect_states(&sale, "failed", Some("failed"));
                }
                End::Asks { .. } => {
                    let place = buyer::own_path(&shop.world, &goes_to(&answer));
                    assert_eq!(
                        place,
                        Some(format!("{}/3ds", sale.page())),
                        "{}",
                        card.number
                    );
                    shop.expect_states(&sale, "requires_action", Some("requires_action"));
                }
            }
        }
    }
}

#[test]
fn a_button_pays_though_the_card_form_is_empty() {
    let shop = Shop::new();
    let sale = shop.sale();
    let open = page(&shop, &sale);
    open.send(&shop.world, &[("card", "4242424242424242")]);
    shop.expect_states(&sale, "succeeded", Some("captured"));
    let other = shop.sale();
    let mut fields = vec![
        ("number", ""),
        ("exp_month", ""),
        ("exp_year", ""),
        ("cvc", ""),
    ];
    fields.push(("card", "4242424242424242"));
    buyer::post(&shop.world, &other.page(), &fields).send();
    shop.expect_states(&other, "succeeded", Some("captured"));
}

#[test]
fn a_manual_session_is_authorized_by_the_page() {
    let shop = Shop::new();
    let sale = shop.manual_sale();
    page(&shop, &sale).send(&shop.world, &[("card", "4242424242424242")]);
    shop.expect_states(&sale, "processing", Some("authorized"));
    let shown = page(&shop, &sale);
    assert!(!shown.asks_for("number"), "{}", shown.html.text());
}

#[test]
fn a_decline_says_why_and_leads_back_to_the_shop() {
    let shop = Shop::new();
    let sale = shop.sale_with(&with_urls());
    let answer = page(&shop, &sale).send(&shop.world, &typed("4000000000009995"));
    let declined = Page::of(&sale.page(), answer, 402);
    let text = declined.html.text().to_lowercase().replace('_', " ");
    assert!(text.contains("insufficient funds"), "{text}");
    let links = declined.html.links();
    assert!(
        links.contains(&"https://shop.example/cart".to_owned()),
        "{links:?}"
    );
    shop.expect_states(&sale, "failed", Some("failed"));
    assert!(!page(&shop, &sale).asks_for("number"));
}

#[test]
fn a_buyer_may_cancel() {
    let shop = Shop::new();
    let sale = shop.sale();
    let answer = page(&shop, &sale).send(&shop.world, &[("do", "cancel")]);
    let after = Page::after(&shop.world, &sale.page(), answer);
    assert!(!after.asks_for("number"), "{}", after.html.text());
    assert_eq!(shop.session(&sale)["cancellation_reason"], "abandoned");
    shop.expect_states(&sale, "canceled", None);
}

/// Fails unless these fields get the page again, with a word more than before, and pay nothing.
#[track_caller]
fn expect_refused(shop: &Shop, sale: &Sale, fields: &[(&str, &str)], word: Option<&str>) {
    let open = page(shop, sale).html.text();
    let answer = buyer::post(&shop.world, &sale.page(), fields).send();
    let shown = Page::of(&sale.page(), answer, 400);
    let text = shown.html.text();
    assert_ne!(text, open, "{fields:?}: nothing says what is wrong");
    assert!(
        word.is_none_or(|word| text.contains(word)),
        "{fields:?}: {text}"
    );
    assert!(shown.asks_for("number"), "{fields:?}");
    shop.expect_states(sale, "requires_payment_method", None);
}

#[test]
fn a_form_that_can_not_be_is_shown_again_with_what_is_wrong() {
    let shop = Shop::with(|settings| settings.per_address = 1_000);
    let sale = shop.sale();
    let with = |name: &'static str, value: &'static str| {
        typed("4242424242424242").map(|(n, v)| if n == name { (n, value) } else { (n, v) })
    };
    let wrong = [
        with("number", ""),
        with("number", "4242"),
        with("number", "none"),
        with("number", "<b>4242424242424242</b>"),
        with("exp_month", ""),
        with("exp_month", "0"),
        with("exp_month", "13"),
        with("exp_month", "x"),
        with("exp_year", ""),
        with("exp_year", "2025"),
        with("exp_year", "x"),
        with("cvc", ""),
        with("cvc", "12"),
        with("cvc", "12345"),
        with("cvc", "abc"),
    ];
    for fields in wrong {
        expect_refused(&shop, &sale, &fields, None);
    }
    for fields in [&[][..], &[("do", "else")], &[("other", "1")]] {
        expect_refused(&shop, &sale, fields, None);
    }
}

#[test]
fn a_card_that_is_over_is_refused_at_its_month() {
    let shop = Shop::new();
    let expiry = |month: &'static str| {
        let fields = typed("4242424242424242").map(|(name, value)| match name {
            "exp_month" => (name, month),
            "exp_year" => (name, "2026"),
            _ => (name, value),
        });
        fields.to_vec()
    };
    expect_refused(&shop, &shop.sale(), &expiry("10"), None);
    let sale = shop.sale();
    buyer::post(&shop.world, &sale.page(), &expiry("11")).send();
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn only_test_cards_work_there() {
    let shop = Shop::new();
    let sale = shop.sale();
    let words = Some("Only test cards work here");
    expect_refused(&shop, &sale, &typed("4111111111111111"), words);
    expect_refused(&shop, &sale, &[("card", "4111111111111111")], words);
}

#[test]
fn without_the_sum_that_it_shows_the_page_pays_nothing() {
    let shop = Shop::new();
    let sale = shop.sale();
    let card = typed("4242424242424242");
    let sums: [&[(&str, &str)]; 8] = [
        &[],
        &[("amount", "abc"), ("currency", "USD")],
        &[("amount", ""), ("currency", "USD")],
        &[("amount", "1"), ("currency", "USD")],
        &[("amount", "1000")],
        &[("amount", "1000"), ("currency", "")],
        &[("amount", "1000"), ("currency", "EUR")],
        &[("currency", "USD")],
    ];
    for sum in sums {
        for way in [
            &card[..],
            &[("card", "4242424242424242")],
            &[("do", "paypal")],
        ] {
            let fields = [way, sum].concat();
            let answer = buyer::post_as_it_is(&shop.world, &sale.page(), &fields).send();
            assert!(Page::of(&sale.page(), answer, 409).asks_for("number"));
            shop.expect_states(&sale, "requires_payment_method", None);
        }
    }
    let canceled = buyer::post_as_it_is(&shop.world, &sale.page(), &[("do", "cancel")]).send();
    Page::after(&shop.world, &sale.page(), canceled);
    shop.expect_states(&sale, "canceled", None);
    // Of what is over nothing is asked again, whatever the sum.
    let late = buyer::post_as_it_is(&shop.world, &sale.page(), &card).send();
    assert!(!Page::after(&shop.world, &sale.page(), late).asks_for("number"));
}
