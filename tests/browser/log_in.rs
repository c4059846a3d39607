//! In by a link, once; out by a button, for good.

use crate::desk::Desk;

#[test]
fn a_link_lets_in_once() {
    let Some(desk) = Desk::open() else { return };
    let link = desk.link();
    desk.browser.goto(&link);
    desk.browser.wait_for_path("/dashboard/keys");
    desk.browser.submit("form[action='/dashboard/logout']");
    desk.browser.wait_for_path("/dashboard/login");
    desk.browser.goto(&link);
    assert_eq!(desk.browser.path(), "/dashboard/login");
    desk.goto("/keys");
    assert_eq!(desk.browser.path(), "/dashboard/login");
}

#[test]
fn a_link_on_a_page_of_another_site_lets_in_too() {
    let Some(desk) = Desk::open() else { return };
    let page = format!("data:text/html,<a href=\"{}\">chat</a>", desk.link());
    desk.browser.goto(&page);
    desk.browser.click("a");
    desk.browser.wait_for_path("/dashboard/keys");
}

#[test]
fn who_has_logged_out_is_out_on_every_page_and_by_the_back_button() {
    let Some(desk) = Desk::inside() else { return };
    desk.key(&["--account", "hidden-account"]);
    desk.goto("/keys");
    assert!(desk.browser.source().contains("hidden-account"));
    desk.browser.submit("form[action='/dashboard/logout']");
    desk.browser.wait_for_path("/dashboard/login");
    for path in [
        "",
        "/keys",
        "/keys/new",
        "/requests",
        "/idempotency",
        "/sessions",
    ] {
        desk.goto(path);
        assert_eq!(desk.browser.path(), "/dashboard/login", "{path}");
    }
    for _ in 0..7 {
        desk.browser.back();
        assert!(!desk.browser.source().contains("hidden-account"));
    }
}

#[test]
fn a_password_leads_to_where_one_wanted_to_go() {
    let Some(desk) = Desk::open() else { return };
    desk.set_password("correct horse battery");
    desk.goto("/requests");
    assert_eq!(desk.browser.path(), "/dashboard/login");
    desk.browser
        .fill("input[name=password]", "a wrong password");
    desk.browser.submit("form[action='/dashboard/login']");
    desk.browser.wait_for("input[name=password]");
    desk.goto("/requests");
    desk.browser
        .fill("input[name=password]", "correct horse battery");
    desk.browser.submit("form[action='/dashboard/login']");
    desk.browser.wait_for_path("/dashboard/requests");
}
