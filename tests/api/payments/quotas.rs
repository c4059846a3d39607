//! What a client secret spends: its session's own allowance, never the merchant's; and a forged one its address's.

use serde_json::json;

use super::buyer;
use super::{BASE, Sale, Shop, ok};
use crate::world::{Request, Response};

/// What the holder of the client secret sends to read the session.
fn reading(shop: &Shop, sale: &Sale) -> Request {
    shop.world.get(&sale.path()).bearer(&sale.secret)
}

#[track_caller]
fn expect_allowance(answer: &Response, limit: u64, remaining: u64) {
    assert_eq!(
        (
            answer.scope(),
            answer.number("x-ratelimit-limit"),
            answer.remaining()
        ),
        ("address", limit, remaining)
    );
}

#[test]
fn a_client_secret_spends_nothing_of_the_merchant_s() {
    let shop = Shop::new();
    let sale = shop.sale();
    let before = shop.world.report(&shop.key).used_today;
    for remaining in [59, 58, 57] {
        expect_allowance(&reading(&shop, &sale).send(), 60, remaining);
    }
    let paid = shop.pay(&sale, "tok_visa");
    ok(&paid);
    expect_allowance(&paid, 60, 56);
    assert_eq!(shop.world.report(&shop.key).used_today, before);
}

#[test]
fn every_session_has_an_allowance_of_its_own_whatever_an_address_has() {
    let shop = Shop::with(|settings| settings.per_address = 3);
    let (one, two) = (shop.sale(), shop.sale());
    for remaining in (0..60).rev() {
        expect_allowance(&reading(&shop, &one).send(), 60, remaining);
    }
    let refused = reading(&shop, &one).send();
    refused.expect_limit("address");
    assert_eq!(refused.json()["error"]["limit"], "address");
    expect_allowance(&refused, 60, 0);
    expect_allowance(&reading(&shop, &two).send(), 60, 59);
}

#[test]
fn a_session_whose_allowance_is_spent_holds_up_nobody_else() {
    let shop = Shop::with(|settings| settings.per_address = 1);
    let sale = shop.sale();
    for _ in 0..60 {
        reading(&shop, &sale).send();
    }
    let refused = shop.pay(&sale, "tok_visa");
    refused.expect_limit("address");
    assert_eq!(shop.status(&sale), "requires_payment_method");
    let stranger = shop.world.get(&sale.path()).send();
    stranger.expect(401, "invalid_api_key");
    expect_allowance(&stranger, 1, 0);
    let wait = std::time::Duration::from_secs(refused.number("retry-after"));
    shop.world.advance(wait);
    ok(&shop.pay(&sale, "tok_visa"));
}

#[test]
fn a_forged_secret_spends_of_its_address_like_any_stranger() {
    let shop = Shop::with(|settings| settings.per_address = 4);
    let sale = shop.sale();
    let forged = || {
        shop.world
            .get(&sale.path())
            .bearer(&sale.forged_secret())
            .send()
    };
    for remaining in [3, 2, 1] {
        let answer = forged();
        answer.expect(401, "invalid_client_secret");
        expect_allowance(&answer, 4, remaining);
    }
    let nobody = shop.world.get(&sale.path()).send();
    nobody.expect(401, "invalid_api_key");
    expect_allowance(&nobody, 4, 0);
    forged().expect_limit("address");
    expect_allowance(&reading(&shop, &sale).send(), 60, 59);
    assert_eq!(shop.session(&sale)["status"], "requires_payment_method");
}

#[test]
fn guesses_at_a_client_secret_come_to_an_end() {
    let shop = Shop::new();
    let sale = shop.sale();
    let random = &sale.id["sess_".len()..];
    let guess = |n: usize| {
        let path = format!("{BASE}/confirm-payment/{}", sale.id);
        let request = shop
            .world
            .post(&path)
            .bearer(&format!("cs_{random}{n:024}"));
        request.json(r#"{"token_id":"tok_visa"}"#).send()
    };
    for n in 0..60 {
        guess(n).expect(401, "invalid_client_secret");
    }
    guess(60).expect_limit("address");
    assert_eq!(shop.pay(&sale, "tok_visa").status, 200);
}

#[test]
fn the_merchant_s_own_requests_are_the_merchant_s_to_pay() {
    let shop = Shop::new();
    let sale = shop.authorized();
    let before = shop.world.report(&shop.key).used_today;
    let answers = [
        shop.capture(&sale, &json!({})).send(),
        shop.refund(&sale, &json!({})).send(),
        shop.cancel(&sale, &json!({})).send(),
        shop.get("/test-cards").send(),
    ];
    for answer in &answers {
        assert_eq!(answer.scope(), "minute");
    }
    assert_eq!(shop.world.report(&shop.key).used_today, before + 4);
}

#[test]
fn the_buyer_s_page_spends_nothing_of_the_merchant_s() {
    let shop = Shop::new();
    let sale = shop.sale();
    let before = shop.world.report(&shop.key).used_today;
    let opened = buyer::open(&shop.world, &sale.page()).send();
    assert_eq!((opened.status, opened.scope()), (200, "address"));
    assert_eq!(opened.number("x-ratelimit-limit"), 60);
    let paid = buyer::post(&shop.world, &sale.page(), &[("card", "4242424242424242")]).send();
    assert_eq!(paid.scope(), "address");
    assert_eq!(shop.world.report(&shop.key).used_today, before);
    let statuses: Vec<u16> = (0..59)
        .map(|_| buyer::open(&shop.world, &sale.page()).send().status)
        .collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[test]
fn a_forged_page_spends_of_its_address() {
    let shop = Shop::with(|settings| settings.per_address = 2);
    let sale = shop.sale();
    let forged = format!("/pay/{}", "A".repeat(48));
    let open = |path: &str| buyer::open(&shop.world, path).send();
    for remaining in [1, 0] {
        let answer = open(&forged);
        assert_eq!(answer.status, 404);
        expect_allowance(&answer, 2, remaining);
    }
    assert_eq!(open(&forged).status, 429);
    assert_eq!(open(&sale.page()).status, 200, "a good page is not held up");
}
