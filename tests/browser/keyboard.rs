//! All of it by keyboard alone, and the focus is to be seen.

use fantoccini::key::Key;

use crate::chromium::Browser;
use crate::desk::Desk;

const FOCUS_IS_SEEN: &str = "const style = getComputedStyle(document.activeElement); \
    return style.outlineStyle !== 'none' || style.boxShadow !== 'none'";

/// Goes on by Tab until what this selects has the focus; opens what is folded on the way.
#[track_caller]
fn tab_to(browser: &Browser, selector: &str) {
    let there = format!("return document.activeElement.matches({selector:?})");
    let folded = "return document.activeElement.matches('details:not([open]) > summary')";
    for _ in 0..120 {
        browser.press(Key::Tab);
        let at_page = browser.script("return document.activeElement !== document.body");
        if at_page == true {
            let seen = browser.script(FOCUS_IS_SEEN);
            assert_eq!(seen, true, "the focus is not to be seen before {selector}");
        }
        if browser.script(&there) == true {
            return;
        }
        if browser.script(folded) == true {
            browser.press(Key::Enter);
        }
    }
    panic!("no way by Tab to {selector} at {}", browser.path());
}

#[test]
fn one_gets_in_by_password_and_makes_a_key() {
    let Some(desk) = Desk::open() else { return };
    desk.set_password("correct horse battery");
    desk.key(&[]);
    desk.goto("/login");
    let browser = &desk.browser;
    tab_to(browser, "input[name=password]");
    browser.type_text("correct horse battery");
    browser.press(Key::Enter);
    browser.wait_for_path("/dashboard/keys");
    tab_to(browser, "a[href='/dashboard/keys/new']");
    browser.press(Key::Enter);
    browser.wait_for("form#create");
    tab_to(browser, "form#create input[name=name]");
    browser.type_text("By keyboard");
    tab_to(browser, "form#create input[name=per_day]");
    browser.type_text("77");
    browser.press(Key::Enter);
    let secret = browser.exact_text("#secret");
    assert_eq!(desk.order(&secret, "").status, 201);
}

#[test]
fn a_key_is_changed_and_revoked_and_one_gets_out() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    let browser = &desk.browser;
    desk.goto(&format!("/keys/{}", key.id));
    tab_to(browser, "form#update input[name=per_day]");
    browser.type_text("77");
    browser.press(Key::Enter);
    browser.wait_for("form#update input[name=per_day][value='77']");
    tab_to(browser, "form#revoke input[name=name]");
    browser.type_text("Tests");
    browser.press(Key::Enter);
    browser.wait_for_no("form#revoke input[name=name]");
    assert_eq!(desk.order(&key.secret, "").status, 401);
    tab_to(browser, "form[action='/dashboard/logout'] button");
    browser.press(Key::Enter);
    browser.wait_for_path("/dashboard/login");
}
