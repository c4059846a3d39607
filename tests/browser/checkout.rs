//! The buyer's page in a real browser: paying, being declined, the bank's step, going away.

use serde_json::{Value, json};

use crate::desk::{Desk, Key};

/// A session with these members besides the usual order, and its page.
fn page_of(desk: &Desk, key: &Key, more: &Value) -> (String, String) {
    let mut order = json!({"amount": 4990, "currency": "USD", "description": "Two tickets"});
    for (name, value) in more.as_object().expect("members") {
        order[name] = value.clone();
    }
    let made = desk.order_of(&key.secret, "", &order.to_string()).json();
    let member = |name: &str| made[name].as_str().expect("text").to_owned();
    (member("id"), member("fallback_url"))
}

/// The session as the merchant reads it.
fn session(desk: &Desk, key: &Key, id: &str) -> Value {
    let mut client = crate::process::Client::connect(desk.server.address).expect("a connection");
    let read = client.get(&key.secret, &format!("/functions/v1/sessions/{id}"));
    read.expect("an answer").json()
}

/// Where the shop waits: a page of the server itself, since nothing else is there.
fn shop(desk: &Desk) -> Value {
    let url = |page: &str| format!("http://{}/dashboard/login?shop={page}", desk.server.address);
    json!({"success_url": url("paid"), "cancel_url": url("canceled")})
}

fn type_card(desk: &Desk, number: &str) {
    for (field, text) in [
        ("number", number),
        ("exp_month", "12"),
        ("exp_year", "2034"),
        ("cvc", "123"),
    ] {
        desk.browser.fill(&format!("input[name={field}]"), text);
    }
    desk.browser.press(fantoccini::key::Key::Enter);
}

#[test]
fn a_buyer_types_a_card_and_is_led_back_to_the_shop() {
    let Some(desk) = Desk::open() else { return };
    let key = desk.key(&[]);
    let (id, page) = page_of(&desk, &key, &shop(&desk));
    desk.browser.goto(&page);
    type_card(&desk, "4242 4242 4242 4242");
    desk.browser.wait_for_path("/dashboard/login");
    let at = desk.browser.script("return location.search");
    assert_eq!(at, format!("?shop=paid&session_id={id}"));
    let session = session(&desk, &key, &id);
    assert_eq!(session["status"], "succeeded");
    assert_eq!(session["latest_attempt"]["status"], "captured");
}

#[test]
fn a_declined_buyer_is_told_why_and_can_go_back() {
    let Some(desk) = Desk::open() else { return };
    let key = desk.key(&[]);
    let (id, page) = page_of(&desk, &key, &shop(&desk));
    desk.browser.goto(&page);
    desk.browser.click("button[value='4000000000009995']");
    desk.browser.wait_for("a.button[href*='shop=canceled']");
    assert_eq!(session(&desk, &key, &id)["status"], "failed");
    desk.browser.click("a.button[href*='shop=canceled']");
    desk.browser.wait_for_path("/dashboard/login");
}

#[test]
fn the_bank_s_step_ends_as_the_buyer_says() {
    let Some(desk) = Desk::open() else { return };
    let key = desk.key(&[]);
    for (answer, status) in [("authenticated", "succeeded"), ("failed", "failed")] {
        let (id, page) = page_of(&desk, &key, &json!({}));
        desk.browser.goto(&page);
        desk.browser.click("button[value='4000000000003220']");
        desk.browser.wait_for("button[name=result]");
        assert!(desk.browser.path().ends_with("/3ds"));
        assert_eq!(session(&desk, &key, &id)["status"], "requires_action");
        desk.browser.click(&format!("button[value={answer}]"));
        desk.browser.wait_for_no("button[name=result]");
        assert_eq!(session(&desk, &key, &id)["status"], status);
    }
}

#[test]
fn a_buyer_who_goes_away_cancels_the_session() {
    let Some(desk) = Desk::open() else { return };
    let key = desk.key(&[]);
    let (id, page) = page_of(&desk, &key, &json!({}));
    desk.browser.goto(&page);
    desk.browser.click("button[value=cancel]");
    desk.browser.wait_for_no("button[value=cancel]");
    let session = session(&desk, &key, &id);
    assert_eq!(
        (&session["status"], &session["cancellation_reason"]),
        (&json!("canceled"), &json!("abandoned"))
    );
}

#[test]
fn a_mistyped_card_is_said_at_its_field_and_never_put_back() {
    let Some(desk) = Desk::open() else { return };
    let key = desk.key(&[]);
    let (_, page) = page_of(
        &desk,
        &key,
        &json!({"description": "<img src=x onerror=alert(1)>"}),
    );
    desk.browser.goto(&page);
    type_card(&desk, "4242 4242 4242 4243");
    desk.browser
        .wait_for("input[name=number][aria-invalid=true]");
    let number = desk
        .browser
        .script("return document.querySelector('input[name=number]').value");
    assert_eq!(number, "");
    assert!(!desk.browser.has("img[src=x]"));
    assert!(!desk.browser.dialog_is_open());
    assert!(!desk.browser.source().contains("4242 4242 4242 4243"));
}
