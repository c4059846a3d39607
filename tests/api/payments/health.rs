//! `GET /health`: anybody may ask, at no cost, and learns no more than it must.

use super::{BASE, Shop, ok};

#[test]
fn the_server_says_that_it_is_well_and_its_version() {
    let shop = Shop::new();
    let health = ok(&shop.world.get(&format!("{BASE}/health")).send());
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        health.as_object().map(|members| members.len()),
        Some(2),
        "{health}"
    );
}

#[test]
fn whoever_asks_it_spends_nothing() {
    let shop = Shop::with(|settings| settings.per_address = 1);
    let sale = shop.sale();
    let before = shop.world.report(&shop.key).used_today;
    let ask = || shop.world.get(&format!("{BASE}/health"));
    for request in [
        ask(),
        ask(),
        ask().key(&shop.key),
        ask().bearer(&sale.secret),
        ask().bearer(&sale.forged_secret()),
        ask().bearer("sk_test_guess"),
    ] {
        ok(&request.send());
    }
    assert_eq!(shop.world.report(&shop.key).used_today, before);
    let stranger = shop.world.get(&sale.path()).send();
    assert_eq!((stranger.status, stranger.remaining()), (401, 0));
    let buyer = shop.world.get(&sale.path()).bearer(&sale.secret).send();
    assert_eq!((buyer.status, buyer.remaining()), (200, 59));
}
