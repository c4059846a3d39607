//! Everything but live updates and copying works where no script runs.

use crate::chromium::Browser;
use crate::desk::Desk;

#[test]
fn a_key_is_made_rolled_and_revoked_without_script() {
    let Some(browser) = Browser::without_script() else {
        return;
    };
    let desk = Desk::with(browser);
    desk.log_in();
    let old = desk.create("Shop server");
    assert_eq!(desk.order(&old, "order_1").status, 201);
    let id = desk.keys()[0]["id"].as_str().expect("an id").to_owned();

    desk.goto(&format!("/keys/{id}"));
    desk.browser.reveal("form#roll");
    desk.browser.choose("form#roll [name=grace]", "0s");
    desk.browser.submit("form#roll");
    let new = desk.browser.exact_text("#secret");
    assert_eq!(
        [desk.order(&old, "").status, desk.order(&new, "").status],
        [401, 201]
    );

    desk.goto("/requests");
    assert!(desk.browser.text("#requests").contains("order_1"));

    desk.goto(&format!("/keys/{id}"));
    desk.browser.reveal("form#revoke");
    desk.browser
        .fill("form#revoke input[name=name]", "Shop server");
    desk.browser.submit("form#revoke");
    desk.browser.wait_for_no("form#revoke input[name=name]");
    assert_eq!(desk.order(&new, "").status, 401);

    desk.browser.submit("form[action='/dashboard/logout']");
    desk.browser.wait_for_path("/dashboard/login");
}

#[test]
fn a_list_is_filtered_without_script() {
    let Some(browser) = Browser::without_script() else {
        return;
    };
    let desk = Desk::with(browser);
    desk.log_in();
    let (wanted, other) = (desk.key(&["--account", "shop"]), desk.key(&[]));
    desk.goto("/keys");
    desk.browser.reveal("form#filter");
    desk.browser.choose("form#filter [name=account]", "shop");
    desk.browser.submit("form#filter");
    desk.browser.wait_for(&format!(
        "#keys tbody:not(:has(#{})) #{}",
        other.id, wanted.id
    ));
}
