//! Card numbers: beyond the last four digits they are nowhere, whatever way they came and whatever became of them.

use serde_json::json;

use super::buyer::{self, Page, typed};
use super::cards::{CARDS, End};
use super::{Shop, ok};
use crate::dashboard::operator::{Operator, body_of, detail_path};
use crate::world::Response;

/// A card number that is none of the table's, so that no page has a reason to show it.
const STRANGE: &str = "4111111111111111";

#[track_caller]
fn assert_hidden(answer: &Response, number: &str) {
    let body = body_of(answer);
    assert!(!body.contains(number), "{number} is in {body}");
    for (name, value) in &answer.headers {
        assert!(!value.contains(number), "{number} is in {name}");
    }
}

#[test]
fn no_answer_shows_a_number_that_was_given_as_a_token() {
    let shop = Shop::new();
    for card in CARDS {
        let sale = shop.manual_sale();
        let paid = shop.pay(&sale, &card.test_token());
        let read = shop.world.look_up(&shop.key, &sale.id).send();
        let captured = shop.capture(&sale, &json!({})).send();
        for answer in [paid, read, captured] {
            assert_hidden(&answer, card.number);
        }
        if let End::Asks { .. } = card.end {
            let page = Page::open(&shop.world, &shop.challenge(&sale));
            assert_hidden(&page.answer, card.number);
        }
        let late = Page::open(&shop.world, &sale.page());
        assert_hidden(&late.answer, card.number);
    }
}

#[test]
fn no_page_shows_a_number_that_was_typed() {
    let shop = Shop::new();
    let sale = shop.sale();
    let wrong = buyer::post(&shop.world, &sale.page(), &typed(STRANGE)).send();
    assert_hidden(&wrong, STRANGE);
    let page = Page::of(&sale.page(), wrong, 400);
    assert_eq!(page.html.field("number").unwrap_or_default(), "");
    assert_eq!(page.html.field("cvc").unwrap_or_default(), "");
    for number in ["4000000000009995", "5200828282828210"] {
        let sale = shop.sale();
        let answer = buyer::post(&shop.world, &sale.page(), &typed(number)).send();
        assert_hidden(&answer, number);
        let late = buyer::open(&shop.world, &sale.page()).send();
        assert_hidden(&late, number);
    }
}

#[test]
fn no_number_is_on_the_disk() {
    let shop = Shop::new();
    let by_api = ["4000056655665556", "4000000000009995", "4000000000003220"];
    for number in by_api {
        let confirm = json!({"token_id": format!("tok_test_{number}")});
        shop.confirm(&shop.sale(), &confirm)
            .idempotent(number_less(number))
            .send();
    }
    let by_page = [
        "5200828282828210",
        "4000000000000069",
        "4000008260003178",
        STRANGE,
    ];
    for number in by_page {
        for fields in [&typed(number)[..], &[("card", number)]] {
            buyer::post(&shop.world, &shop.sale().page(), fields).send();
        }
    }
    let unknown = format!("tok_test_{STRANGE}");
    shop.pay(&shop.sale(), &unknown)
        .expect(400, "parameter_invalid");
    let paid = shop.paid();
    ok(&shop.refund(&paid, &json!({})).send());
    let world = shop.world.restart();
    for number in by_api.into_iter().chain(by_page) {
        assert!(!world.keeps(number.as_bytes()), "{number} is in the store");
        assert!(
            !world.keeps(&number.as_bytes()[..12]),
            "most of {number} is in the store"
        );
    }
}

/// An idempotency key for a number, without the number.
fn number_less(number: &str) -> &str {
    &number[number.len() - 4..]
}

#[test]
fn no_number_is_in_the_dashboard() {
    let shop = Shop::new();
    let operator = Operator::of(&shop.world);
    let number = "5200828282828210";
    let sale = shop.sale();
    let confirm = json!({"token_id": format!("tok_test_{number}")});
    let by_api = shop
        .confirm(&sale, &confirm)
        .header("X-Request-Id", "by_api")
        .send();
    assert_eq!(by_api.status, 200);
    let page = shop.sale();
    let by_page = buyer::post(&shop.world, &page.page(), &typed(number));
    by_page.header("X-Request-Id", "by_page").send();
    let detail = detail_path(&operator.request_with("by_api"));
    for place in [
        "/dashboard/requests",
        &detail,
        &format!("/dashboard/sessions/{}", sale.id),
        &format!("/dashboard/sessions/{}", page.id),
    ] {
        let source = operator.source(place);
        assert!(!source.contains(number), "{place}");
    }
}
