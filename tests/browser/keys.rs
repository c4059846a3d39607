//! A key's life by mouse: made, used, rolled, revoked.

use crate::desk::Desk;

#[test]
fn a_first_key_is_made_used_and_its_first_request_appears() {
    let Some(desk) = Desk::inside() else { return };
    assert!(desk.browser.has("#first-run"));
    desk.browser
        .fill("#first-run input[name=name]", "Shop server");
    desk.browser.submit("#first-run form");
    let secret = desk.browser.exact_text("#secret");
    assert!(
        secret.starts_with("sk_test_") && secret.len() == 44,
        "{secret}"
    );
    desk.browser.wait_for_waiting(true);
    assert_eq!(desk.order(&secret, "order_first").status, 201);
    desk.browser.wait_for_waiting(false);
    assert!(desk.browser.text("main").contains("201"));
}

#[test]
fn a_secret_is_gone_when_the_page_is_left_or_loaded_again() {
    let Some(desk) = Desk::inside() else { return };
    let secret = desk.create("Shop server");
    desk.browser.reload();
    assert!(!desk.browser.source().contains(&secret[8..40]));
    assert_eq!(desk.keys().len(), 1);
    desk.goto("/keys");
    assert!(!desk.browser.source().contains(&secret[8..40]));
    desk.browser.back();
    assert_eq!(desk.keys().len(), 1);
}

#[test]
fn a_rolled_key_has_a_new_secret_and_the_old_one_is_refused_without_grace() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    desk.goto(&format!("/keys/{}", key.id));
    desk.browser.reveal("form#roll");
    desk.browser.choose("form#roll [name=grace]", "0s");
    desk.browser.submit("form#roll");
    let new = desk.browser.exact_text("#secret");
    assert_ne!(new, key.secret);
    assert_eq!(desk.order(&key.secret, "").status, 401);
    assert_eq!(desk.order(&new, "").status, 201);
}

#[test]
fn a_revoked_key_is_refused_on_the_next_request() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    assert_eq!(desk.order(&key.secret, "").status, 201);
    let page = format!("/keys/{}", key.id);
    desk.goto(&page);
    desk.browser.reveal("form#revoke");
    desk.browser.fill("form#revoke input[name=name]", "Tests");
    desk.browser.submit("form#revoke");
    desk.browser.wait_for_no("form#revoke input[name=name]");
    assert_eq!(desk.order(&key.secret, "").status, 401);
    assert_eq!(desk.keys()[0]["state"], "revoked");
}

#[test]
fn a_secret_is_copied_by_a_button() {
    let Some(desk) = Desk::inside() else { return };
    let secret = desk.create("Shop server");
    desk.browser.may_use_clipboard();
    let button = "button[data-copy], button.copy, [data-copy] button";
    desk.browser.click(button);
    let copied = desk.browser.script_later(
        "const done = arguments[arguments.length - 1]; \
         navigator.clipboard.readText().then(done, (error) => done(String(error)));",
    );
    assert_eq!(copied, secret.as_str());
}

#[test]
fn a_button_that_is_pressed_twice_loses_no_secret() {
    let Some(desk) = Desk::inside() else { return };
    let twice = |form: &str| {
        desk.browser.script(&format!(
            "const button = document.querySelector('{form} .buttons button'); button.click(); \
             for (const wait of [0, 1, 2, 3, 5, 8]) setTimeout(() => button.click(), wait);"
        ));
    };
    desk.goto("/keys/new");
    desk.browser
        .fill("form#create input[name=name]", "Shop server");
    twice("form#create");
    let secret = desk.browser.exact_text("#secret");
    assert_eq!(desk.order(&secret, "").status, 201);
    let id = desk.keys()[0]["id"].as_str().expect("an id").to_owned();
    desk.goto(&format!("/keys/{id}"));
    desk.browser.reveal("form#roll");
    twice("form#roll");
    let secret = desk.browser.exact_text("#secret");
    assert_eq!(desk.order(&secret, "").status, 201);
    // A form that was left and come back to can be sent.
    desk.browser.back();
    desk.browser.wait_for("form#roll button:enabled");
}
