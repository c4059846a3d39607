//! The bank that asks: the buyer's second page, its answers, and what the card makes of them.

use serde_json::{Value, json};

use super::buyer::{self, Page};
use super::cards::{CARDS, Card, End};
use super::{Sale, Shop, ok};
use crate::dashboard::operator::goes_to;
use crate::world::Response;

fn asking() -> impl Iterator<Item = (&'static Card, bool)> {
    CARDS.iter().filter_map(|card| match card.end {
        End::Asks { pays } => Some((card, pays)),
        End::Pays | End::Declined(_) | End::Frictionless => None,
    })
}

fn challenged_by(shop: &Shop, card: &Card, members: &Value) -> Sale {
    let sale = shop.sale_with(members);
    ok(&shop.pay(&sale, &card.test_token()));
    sale
}

fn with_urls() -> Value {
    json!({
        "success_url": "https://shop.example/done",
        "cancel_url": "https://shop.example/cart",
    })
}

#[test]
fn the_bank_s_page_asks_whether_it_is_the_buyer() {
    let shop = Shop::new();
    let sale = shop.challenged();
    let page = Page::open(&shop.world, &shop.challenge(&sale));
    assert_eq!(page.path, format!("{}/3ds", sale.page()));
    let text = page.html.text();
    assert!(
        text.contains("Your bank wants to know that it is you"),
        "{text}"
    );
    assert!(page.asks_for("result"));
    shop.expect_states(&sale, "requires_action", Some("requires_action"));
}

#[test]
fn the_first_page_sends_the_buyer_to_the_bank_s() {
    let shop = Shop::new();
    let sale = shop.challenged();
    let answer = buyer::open(&shop.world, &sale.page()).send();
    let place = buyer::own_path(&shop.world, &goes_to(&answer));
    assert_eq!(place, Some(format!("{}/3ds", sale.page())));
}

#[test]
fn an_authenticated_buyer_pays_if_the_card_does() {
    let shop = Shop::new();
    for (card, pays) in asking() {
        let sale = challenged_by(&shop, card, &with_urls());
        let answer = shop.answer(&sale, "authenticated");
        if pays {
            assert!(goes_to(&answer).starts_with("https://shop.example/done?"));
            shop.expect_states(&sale, "succeeded", Some("captured"));
            let payment = shop.payment(&sale);
            assert_eq!(payment["captured_amount"], payment["amount"]);
            assert!(payment["three_d_secure"].is_object(), "{payment}");
        } else {
            expect_declined(&shop, &sale, answer);
        }
    }
}

#[test]
fn a_buyer_who_fails_pays_with_no_card() {
    let shop = Shop::new();
    for (card, _) in asking() {
        let sale = challenged_by(&shop, card, &with_urls());
        let answer = shop.answer(&sale, "failed");
        expect_declined(&shop, &sale, answer);
    }
}

/// Fails unless this is the page of a failed payment, which leads back to the shop.
#[track_caller]
fn expect_declined(shop: &Shop, sale: &Sale, answer: Response) {
    let page = Page::of(&sale.page(), answer, 402);
    let links = page.html.links();
    assert!(
        links.contains(&"https://shop.example/cart".to_owned()),
        "{links:?}"
    );
    shop.expect_states(sale, "failed", Some("failed"));
    shop.capture(sale, &json!({}))
        .send()
        .expect(400, "payment_not_capturable");
}

#[test]
fn a_manual_payment_is_authorized_by_it() {
    let shop = Shop::new();
    let sale = shop.manual_sale();
    ok(&shop.pay(&sale, "tok_threeDSecure2Required"));
    shop.answer(&sale, "authenticated");
    shop.expect_states(&sale, "processing", Some("authorized"));
    ok(&shop.capture(&sale, &json!({})).send());
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn nothing_is_captured_before_the_bank_has_its_answer() {
    let shop = Shop::new();
    let sale = shop.manual_sale();
    ok(&shop.pay(&sale, "tok_threeDSecure2Required"));
    shop.capture(&sale, &json!({}))
        .send()
        .expect(400, "payment_not_capturable");
    shop.refund(&sale, &json!({}))
        .send()
        .expect(400, "payment_not_refundable");
    shop.expect_states(&sale, "requires_action", Some("requires_action"));
}

#[test]
fn an_answer_that_is_none_leaves_the_question_open() {
    let shop = Shop::new();
    let sale = shop.challenged();
    let path = shop.challenge(&sale);
    for fields in [
        &[][..],
        &[("result", "maybe")],
        &[("result", "")],
        &[("other", "authenticated")],
    ] {
        let answer = buyer::post(&shop.world, &path, fields).send();
        Page::of(&path, answer, 400);
        shop.expect_states(&sale, "requires_action", Some("requires_action"));
    }
    shop.answer(&sale, "authenticated");
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn the_first_answer_counts() {
    let shop = Shop::new();
    for (first, second, session) in [
        ("authenticated", "failed", "succeeded"),
        ("failed", "authenticated", "failed"),
    ] {
        let sale = shop.challenged();
        let page = Page::open(&shop.world, &shop.challenge(&sale));
        page.send(&shop.world, &[("result", first)]);
        let late = page.send(&shop.world, &[("result", second)]);
        assert!(late.status < 500, "{}", late.status);
        assert_eq!(shop.status(&sale), session);
    }
}

#[test]
fn nobody_is_asked_where_nothing_waits() {
    let shop = Shop::new();
    for sale in [shop.sale(), shop.paid(), shop.declined(), shop.canceled()] {
        let path = format!("{}/3ds", sale.page());
        let before = shop.session(&sale);
        let shown = buyer::open(&shop.world, &path).send();
        assert!(matches!(shown.status, 200 | 303 | 404), "{}", shown.status);
        let answer = buyer::post(&shop.world, &path, &[("result", "authenticated")]).send();
        assert!(answer.status < 500, "{}", answer.status);
        assert_eq!(shop.session(&sale), before);
    }
}

#[test]
fn a_canceled_session_takes_no_answer() {
    let shop = Shop::new();
    let sale = shop.challenged();
    let page = Page::open(&shop.world, &shop.challenge(&sale));
    ok(&shop.cancel(&sale, &json!({})).send());
    let late = page.send(&shop.world, &[("result", "authenticated")]);
    assert!(late.status < 500, "{}", late.status);
    shop.expect_states(&sale, "canceled", Some("canceled"));
}
