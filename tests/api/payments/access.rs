//! Who may do what: the merchant, another key of the merchant's, other merchants, live keys, client secrets good and bad,
//! and nobody, at every endpoint.

use atlas::domain::key::Mode;
use serde_json::json;

use super::{BASE, Sale, Shop, ok};
use crate::world::{CREATE, ORDER, Request};

/// Whom an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// The merchant and the holder of the client secret.
    Both,
    /// The holder of the client secret alone.
    Buyer,
    /// The merchant alone, for a payment of its own.
    Merchant,
    /// Any test key.
    Tester,
    /// Whoever comes.
    Anybody,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    WrongKey,
    Merchant,
    OtherAccount,
    LiveKey,
    Buyer,
    WrongBuyer,
}

/// The endpoints, as this session's: whom for, method, path, body.
fn endpoints(sale: &Sale) -> Vec<(For, &'static str, String, Option<String>)> {
    let token = json!({"token_id": "tok_visa"}).to_string();
    let token_and_id = json!({"token_id": "tok_visa", "session_id": sale.id}).to_string();
    let amount = json!({"amount": 1}).to_string();
    let event = json!({"event_type": "payment.captured"}).to_string();
    let (session, payment) = (sale.path(), sale.payment());
    let rows = [
        (For::Both, "GET", session.clone(), None),
        (For::Both, "HEAD", session.clone(), None),
        (For::Both, "PATCH", session.clone(), Some("{}".to_owned())),
        (
            For::Both,
            "POST",
            format!("{session}/cancel"),
            Some("{}".to_owned()),
        ),
        (
            For::Buyer,
            "GET",
            format!("{BASE}/get-session-config/{}", sale.id),
            None,
        ),
        (
            For::Buyer,
            "POST",
            format!("{BASE}/confirm-payment/{}", sale.id),
            Some(token),
        ),
        (
            For::Buyer,
            "POST",
            format!("{BASE}/confirm-payment"),
            Some(token_and_id),
        ),
        (
            For::Merchant,
            "POST",
            format!("{BASE}/capture-payment/{payment}"),
            Some(amount.clone()),
        ),
        (
            For::Merchant,
            "POST",
            format!("{BASE}/refund-payment/{payment}"),
            Some(amount),
        ),
        (For::Tester, "GET", format!("{BASE}/test-cards"), None),
        (
            For::Tester,
            "POST",
            format!("{BASE}/test-webhooks"),
            Some(event),
        ),
        (For::Anybody, "GET", format!("{BASE}/health"), None),
    ];
    rows.to_vec()
}

/// The refusal; none when the endpoint is for whoever this is.
fn refusal(endpoint: For, who: Who) -> Option<(u16, &'static [&'static str])> {
    const KEY: Option<(u16, &[&str])> = Some((401, &["invalid_api_key"]));
    const MISSING: Option<(u16, &[&str])> = Some((401, &["missing_client_secret"]));
    const SECRET: Option<(u16, &[&str])> = Some((401, &["invalid_client_secret"]));
    match (endpoint, who) {
        (For::Anybody, _) | (For::Both, Who::Merchant | Who::Buyer) | (For::Buyer, Who::Buyer) => {
            None
        }
        (For::Merchant | For::Tester, Who::Merchant) | (For::Tester, Who::OtherAccount) => None,
        (For::Both, Who::Nobody | Who::WrongKey) => KEY,
        (For::Both, Who::OtherAccount | Who::LiveKey) => Some((404, &["session_not_found"])),
        (For::Both | For::Buyer, Who::WrongBuyer) => SECRET,
        (For::Buyer, Who::Nobody | Who::Merchant | Who::OtherAccount | Who::LiveKey) => MISSING,
        (For::Buyer, Who::WrongKey) => Some((401, &["missing_client_secret", "invalid_api_key"])),
        (For::Merchant, Who::OtherAccount | Who::LiveKey) => Some((404, &["payment_not_found"])),
        (For::Tester, Who::LiveKey) => Some((403, &["test_mode_only"])),
        (
            For::Merchant | For::Tester,
            Who::Nobody | Who::WrongKey | Who::Buyer | Who::WrongBuyer,
        ) => KEY,
    }
}

#[track_caller]
fn expect_right(shop: &Shop, sale: &Sale, who: Who, name: &str, secret: Option<&str>) {
    for (endpoint, method, path, body) in endpoints(sale) {
        let request: Request = shop.world.request(method, &path);
        let request = body
            .iter()
            .fold(request, |request, body| request.json(body));
        let request = secret
            .into_iter()
            .fold(request, |request, secret| request.bearer(secret));
        let answer = request.send();
        let case = format!("{name}: {method} {path}");
        match refusal(endpoint, who) {
            None => assert!(
                matches!(answer.status, 200 | 400 | 409),
                "{case}: {}",
                answer.status
            ),
            Some((status, codes)) => {
                assert_eq!(answer.status, status, "{case}");
                let code = (method != "HEAD").then(|| answer.code());
                assert!(
                    code.iter().all(|code| codes.contains(&code.as_str())),
                    "{case}: {code:?}"
                );
            }
        }
    }
}

/// A text with its last character replaced.
fn altered(text: &str) -> String {
    let last = if text.ends_with('A') { 'B' } else { 'A' };
    format!("{}{last}", &text[..text.len() - 1])
}

#[test]
fn everybody_gets_what_is_theirs_and_nothing_else() {
    let shop = Shop::with(|settings| settings.per_address = 10_000);
    let world = &shop.world;
    let other = world.key_of("other", Mode::Test);
    // Captured in part, so that every endpoint has something to say and nothing ends.
    let sale = shop.authorized();
    ok(&shop.capture(&sale, &json!({"amount": 100})).send());
    let before = shop.session(&sale);
    let page = sale.page();
    let callers = [
        (Who::Nobody, "nobody", None),
        (
            Who::WrongKey,
            "a wrong key",
            Some("sk_test_guess".to_owned()),
        ),
        (Who::WrongKey, "no key at all", Some("Zm9v".to_owned())),
        (Who::Merchant, "the merchant", Some(shop.key.secret.clone())),
        (
            Who::Merchant,
            "another key of the merchant",
            Some(world.key().secret),
        ),
        (
            Who::OtherAccount,
            "another merchant",
            Some(other.secret.clone()),
        ),
        (
            Who::LiveKey,
            "a live key",
            Some(world.key_of("default", Mode::Live).secret),
        ),
        (
            Who::LiveKey,
            "another's live key",
            Some(world.key_of("other", Mode::Live).secret),
        ),
        (Who::Buyer, "the buyer", Some(sale.secret.clone())),
        (
            Who::WrongBuyer,
            "the buyer of another session",
            Some(shop.sale().secret),
        ),
        (
            Who::WrongBuyer,
            "another merchant's buyer",
            Some(shop.sale_of(&other, &json!({})).secret),
        ),
        (
            Who::WrongBuyer,
            "a forged secret",
            Some(sale.forged_secret()),
        ),
        (
            Who::WrongBuyer,
            "an altered secret",
            Some(altered(&sale.secret)),
        ),
        (
            Who::WrongBuyer,
            "a cut secret",
            Some(sale.secret[..50].to_owned()),
        ),
        (
            Who::WrongBuyer,
            "a longer secret",
            Some(format!("{}A", sale.secret)),
        ),
        (Who::WrongBuyer, "hardly a secret", Some("cs_".to_owned())),
        (
            Who::WrongBuyer,
            "a secret in capitals",
            Some(format!("cs_{}", sale.secret[3..].to_uppercase())),
        ),
        (
            Who::WrongBuyer,
            "the token of the page",
            Some(format!("cs_{}", &page["/pay/".len()..])),
        ),
    ];
    for (who, name, secret) in callers {
        expect_right(&shop, &sale, who, name, secret.as_deref());
    }
    let after = shop.session(&sale);
    for name in ["status", "amount", "client_secret", "cancellation_reason"] {
        assert_eq!(after[name], before[name], "{name}");
    }
}

#[test]
fn a_stranger_learns_nothing_by_asking_for_what_there_is() {
    let shop = Shop::new();
    let other = shop.world.key_of("other", Mode::Test);
    let (real, unknown) = (shop.authorized(), "A".repeat(24));
    let rows = [
        (
            format!("/capture-payment/{}", real.payment()),
            format!("/capture-payment/pay_{unknown}"),
        ),
        (
            format!("/refund-payment/{}", real.payment()),
            format!("/refund-payment/pay_{unknown}"),
        ),
        (
            format!("/sessions/{}/cancel", real.id),
            format!("/sessions/sess_{unknown}/cancel"),
        ),
    ];
    let ask = |path: &str| {
        let request = shop.world.post(&format!("{BASE}{path}")).key(&other);
        request.header("X-Request-Id", "same").json("{}").send()
    };
    for (there, nowhere) in rows {
        let (there, nowhere) = (ask(&there), ask(&nowhere));
        assert_eq!((there.status, &there.body), (404, &nowhere.body));
    }
    shop.expect_states(&real, "processing", Some("authorized"));
}

#[test]
fn a_client_secret_makes_no_session() {
    let shop = Shop::new();
    let sale = shop.sale();
    let request = shop.world.post(CREATE).bearer(&sale.secret).json(ORDER);
    request.send().expect(401, "invalid_api_key");
}

#[test]
fn a_client_secret_of_another_server_is_worth_nothing_here() {
    let shop = Shop::new();
    let elsewhere = Shop::new();
    let sale = elsewhere.sale();
    shop.pay(&sale, "tok_visa")
        .expect(401, "invalid_client_secret");
}
