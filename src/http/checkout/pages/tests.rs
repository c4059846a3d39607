//! What the buyer's pages hold, whatever is put into them.

use maud::Markup;

use super::error::{Refused, missing_page, refused_page};
use super::frame::{Means, Order};
use super::open::{CardGroup, OpenPage, TestCard, open_page};
use super::outcome::{Outcome, OutcomePage, outcome_page};
use super::three_d_secure::{Step, three_d_secure_page};
use crate::domain::money::{Currency, Money};
use crate::domain::time::Timestamp;
use crate::http::checkout::form::{Entry, Typed, choice};

const VISA: Means<'_> = Means::Card {
    brand: "Visa",
    last4: "3220",
};

fn order(amount: u32, code: &str) -> Order<'static> {
    let currency = Currency::parse(code).expect("a currency");
    Order {
        money: Money { amount, currency },
        description: Some("Two tickets <b>& a poster</b>"),
    }
}

fn groups() -> Vec<CardGroup<'static>> {
    let card = |number, brand, outcome| TestCard {
        number,
        brand,
        outcome,
    };
    vec![
        CardGroup {
            title: "Succeeds",
            cards: vec![card("4242424242424242", "Visa", "succeeds")],
        },
        CardGroup {
            title: "Declined",
            cards: vec![card("4000000000009995", "Visa", "insufficient funds")],
        },
    ]
}

fn open<'a>(cards: Option<&'a [CardGroup<'a>]>, has_paypal: bool, entry: Entry) -> OpenPage<'a> {
    OpenPage {
        order: order(4_990, "USD"),
        cards,
        has_paypal,
        expires_at: Timestamp::from_millis(1_795_570_441_120),
        entry,
    }
}

fn outcome<'a>(outcome: Outcome<'a>, way_back: Option<&'a str>) -> String {
    let view = OutcomePage {
        order: order(500, "JPY"),
        means: Some(VISA),
        outcome,
        way_back,
    };
    outcome_page(&view).into_string()
}

/// One of each page.
fn pages() -> Vec<Markup> {
    let groups = groups();
    let step = |means| Step {
        order: order(1_234, "KWD"),
        means,
        is_unclear: true,
    };
    vec![
        open_page(&open(Some(&groups), true, Entry::default())),
        open_page(&open(None, false, Entry::default())),
        three_d_secure_page(&step(VISA)),
        three_d_secure_page(&step(Means::Paypal)),
        outcome_page(&OutcomePage {
            order: order(500, "JPY"),
            means: None,
            outcome: Outcome::Cancelled,
            way_back: None,
        }),
        missing_page(),
        refused_page(&Refused {
            status: 503,
            message: "The store can't answer.",
            request_id: "req_1",
        }),
    ]
}

#[test]
fn no_page_has_a_script_or_a_style_within_or_a_name_of_ours() {
    for page in pages() {
        let page = page.into_string();
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<html lang=\"en\">"));
        assert_eq!(page.matches("<h1>").count(), 1, "{page}");
        for wrong in ["<script", "style=", "<style", "<b>&", "Atlas", "<img"] {
            assert!(!page.contains(wrong), "{wrong} in {page}");
        }
    }
}

#[test]
fn the_open_page_shows_amount_and_every_way_to_pay() {
    let groups = groups();
    let page = open_page(&open(Some(&groups), true, Entry::default())).into_string();
    for part in [
        "$49.90",
        "Two tickets &lt;b&gt;&amp; a poster&lt;/b&gt;",
        "Test mode:</strong> no money moves",
        "autocomplete=\"cc-number\"",
        "autocomplete=\"cc-csc\"",
        "name=\"card\" value=\"4000000000009995\"><b>Visa 9995</b>: insufficient funds",
        "name=\"do\" value=\"paypal\"",
        "name=\"do\" value=\"cancel\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("role=\"alert\""));
}

#[test]
fn a_way_that_the_session_does_not_take_is_not_offered() {
    let page = open_page(&open(None, true, Entry::default())).into_string();
    assert!(page.contains("value=\"paypal\""));
    assert!(!page.contains("cc-number") && !page.contains("name=\"card\""));
    let groups = groups();
    let page = open_page(&open(Some(&groups), false, Entry::default())).into_string();
    assert!(!page.contains("paypal"));
    let page = open_page(&open(None, false, Entry::default())).into_string();
    assert!(page.contains("None of the ways to pay") && page.contains("value=\"cancel\""));
}

#[test]
fn a_mistake_stands_at_its_field_and_number_and_code_are_not_put_back() {
    let body = b"number=4242424242424242&exp_month=13&exp_year=\"><i>&cvc=9171";
    let now = Timestamp::from_millis(1_795_570_441_120);
    let entry = choice(body, |_| true, now).expect_err("mistakes");
    let groups = groups();
    let page = open_page(&open(Some(&groups), false, *entry)).into_string();
    for part in [
        "<title>Error: pay $49.90 USD</title>",
        "name=\"exp_month\" value=\"13\"",
        "value=\"&quot;&gt;&lt;i\"",
        "aria-describedby=\"exp_month-error\"",
        "id=\"exp_month-error\"",
        "id=\"cvc-error\"",
        "name=\"number\" value=\"\"",
        "name=\"cvc\" value=\"\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(page.matches(" autofocus").count(), 1);
    assert!(!page.contains("9171") && !page.contains("number-error"));
}

#[test]
fn a_mistake_of_no_field_is_said_above_the_form() {
    let entry = Entry {
        problem: Some("Only test cards work here."),
        exp_year: Typed::default(),
        ..Entry::default()
    };
    let page = open_page(&open(None, true, entry)).into_string();
    assert!(page.contains("role=\"alert\">Only test cards work here."));
}

#[test]
fn an_outcome_is_told_with_the_way_back() {
    let shop = Some("https://shop.example/?a=1&b=\"");
    let link = "href=\"https://shop.example/?a=1&amp;b=&quot;\"";
    let at = Timestamp::from_millis(1_795_570_441_120);
    for (what, part) in [
        (Outcome::Paid, "<h1>Paid</h1>"),
        (Outcome::Authorized, "held for the shop"),
        (Outcome::Cancelled, "Nothing was charged"),
        (Outcome::Expired { at }, "25 Nov 2026, 01:34:01 UTC"),
        (
            Outcome::Declined {
                decline_code: "expired_card",
            },
            "The card has expired. Nothing was charged.",
        ),
    ] {
        let page = outcome(what, shop);
        assert!(
            page.contains(part) && page.contains(link),
            "{part} in {page}"
        );
        assert!(page.contains("¥500 JPY") && page.contains("Visa ending in 3220"));
    }
    assert!(outcome(Outcome::Paid, None).contains("close this page"));
}

#[test]
fn the_banks_step_is_worded_for_whose_it_is() {
    let step = |means| Step {
        order: order(1_234, "KWD"),
        means,
        is_unclear: false,
    };
    let bank = three_d_secure_page(&step(VISA)).into_string();
    assert!(bank.contains("1.234 KWD") && bank.contains("3220") && bank.contains("Your bank"));
    let paypal = three_d_secure_page(&step(Means::Paypal)).into_string();
    assert!(paypal.contains("Approve") && !paypal.contains("bank"));
    for page in [bank, paypal] {
        assert!(page.contains("name=\"result\" value=\"authenticated\""));
        assert!(page.contains("name=\"result\" value=\"failed\""));
    }
}

#[test]
fn a_refusal_names_its_request_and_what_to_do() {
    let page = |status| {
        let message = "Too many requests; wait 3 s.";
        let request_id = "req_<1>";
        refused_page(&Refused {
            status,
            message,
            request_id,
        })
        .into_string()
    };
    assert!(page(429).contains("wait 3 s.") && page(429).contains("req_&lt;1&gt;"));
    assert!(page(429).contains("load this page again"));
    assert!(!page(415).contains("load this page again"));
}
