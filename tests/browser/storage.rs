//! What the browser keeps: a cookie that no script can read, and nothing else.

use crate::desk::Desk;

const STORED: &str = "const done = arguments[arguments.length - 1]; \
    Promise.all([indexedDB.databases(), window.caches ? caches.keys() : []]) \
    .then(([databases, kept]) => done(JSON.stringify([ \
    localStorage.length, sessionStorage.length, document.cookie, history.state, \
    window.name, databases.length, kept.length]))) \
    .catch((error) => done(String(error)));";

#[test]
fn no_secret_is_left_in_the_browser() {
    let Some(desk) = Desk::inside() else { return };
    let secret = desk.create("Shop server");
    for path in ["", "/keys", "/requests", "/idempotency", "/sessions"] {
        if !path.is_empty() {
            desk.order(&secret, "order_1");
            desk.goto(path);
        }
        let stored = desk.browser.script_later(STORED);
        assert_eq!(stored, "[0,0,\"\",null,\"\",0,0]", "{path}");
        let cookie = format!("atlas_session_{}", desk.server.address.port());
        assert_eq!(desk.browser.cookies(), [(cookie, true)], "{path}");
        let known = desk.browser.source().contains(&secret[8..40]);
        assert_eq!(known, path.is_empty(), "{path}");
    }
}
