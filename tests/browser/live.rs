//! Pages that change by themselves.

use crate::desk::Desk;

#[test]
fn a_request_appears_on_the_page_of_requests_without_reloading() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    desk.goto("/requests");
    desk.browser.script("window.same = true");
    let told = "return document.querySelector('.latest .total')?.textContent ?? null";
    assert_eq!(desk.browser.script(told), "0 requests");
    for n in 0..3 {
        let order = format!("order_{n}");
        assert_eq!(desk.order(&key.secret, &order).status, 201);
        desk.browser.wait_for_text("requests", &order);
    }
    let first = desk.browser.text("#requests tbody tr:first-child");
    assert!(
        first.contains("order_2"),
        "the newest stands first: {first}"
    );
    assert_eq!(desk.browser.script("return window.same"), true);
    // How many there were is not told of those that are there.
    assert_eq!(desk.browser.script(told), serde_json::Value::Null);
}

#[test]
fn a_filtered_page_shows_what_fits_alone() {
    let Some(desk) = Desk::inside() else { return };
    let (wanted, other) = (desk.key(&[]), desk.key(&[]));
    desk.goto(&format!("/requests?key={}", wanted.id));
    desk.order(&other.secret, "unwelcome");
    desk.order(&wanted.secret, "welcome");
    desk.browser.wait_for_text("requests", "welcome");
    assert!(!desk.browser.source().contains("unwelcome"));
}

#[test]
fn a_key_s_page_shows_its_requests_and_where_its_limits_stand() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    desk.goto(&format!("/keys/{}", key.id));
    let before = desk.browser.text("#limits");
    desk.order(&key.secret, "order_1");
    desk.browser.wait_for_text("requests", "order_1");
    desk.browser.wait_for_another_text("#limits", &before);
}

#[test]
fn a_refusal_and_a_replay_appear_as_such() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&["--per-minute", "2"]);
    desk.goto("/requests");
    for status in [201, 201, 429] {
        assert_eq!(desk.order(&key.secret, "order_1").status, status);
    }
    desk.browser.wait_for_text("requests", "429");
    let table = desk.browser.text("#requests tbody").to_lowercase();
    assert!(
        table.contains("replay") && table.contains("minute"),
        "{table}"
    );
}

#[test]
fn an_open_page_does_not_hold_the_server_up() {
    let Some(desk) = Desk::inside() else { return };
    desk.goto("/requests");
    let status = desk.server.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(!desk.browser.dialog_is_open());
}

#[test]
fn pages_that_nobody_sees_hold_no_connection() {
    let Some(desk) = Desk::inside() else { return };
    desk.goto("/requests");
    // A browser opens six connections to a host at most.
    for _ in 0..8 {
        desk.browser.open_tab();
        desk.goto("/requests");
        desk.browser.wait_for("[data-mark=on]");
    }
}

#[test]
fn a_page_that_is_seen_again_shows_what_it_missed() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    desk.goto("/requests");
    desk.browser.wait_for("[data-mark=on]");
    desk.browser.script("window.same = true");
    desk.order(&key.secret, "seen");
    desk.browser.wait_for_text("requests", "seen");
    let first = desk.browser.tab();
    desk.browser.open_tab();
    desk.goto("/keys");
    desk.order(&key.secret, "missed");
    desk.browser.show_tab(&first);
    desk.browser.wait_for_text("requests", "missed");
    let rows = "return document.querySelectorAll('#requests tbody tr').length";
    assert_eq!(desk.browser.script(rows), 2);
    assert_eq!(desk.browser.script("return window.same"), true);
}
