//! Names, paths and headers that would like to be script.

use crate::desk::Desk;
use crate::process::Client;

const HOSTILE: [&str; 5] = [
    "<img src=x onerror=alert(1)>",
    "');alert(1);//",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=\"window.marker=1\">",
    "\"><svg onload=window.marker=1>",
];

/// Fails if anything of what was written has been run or has become an element.
fn is_harmless(desk: &Desk, place: &str) {
    assert!(!desk.browser.dialog_is_open(), "{place}");
    let marker = desk.browser.script("return typeof window.marker");
    assert_eq!(marker, "undefined", "{place}");
    let strangers = desk.browser.script(
        "return document.querySelectorAll( \
         'img:not([src^=\\'/dashboard/\\']), [onerror], [onload], script:not([src])').length",
    );
    assert_eq!(strangers, 0, "{place}");
    assert_eq!(desk.browser.console(), Vec::<String>::new(), "{place}");
}

#[test]
fn a_name_is_shown_as_text_on_every_page() {
    let Some(desk) = Desk::inside() else { return };
    for name in HOSTILE {
        let secret = desk.create(name);
        is_harmless(&desk, name);
        desk.order(&secret, "order_1");
    }
    desk.goto("/keys");
    let table = desk.browser.exact_text("#keys");
    for name in HOSTILE {
        assert!(table.contains(name), "{name} in {table}");
    }
    is_harmless(&desk, "keys");
    for key in desk.keys() {
        let id = key["id"].as_str().expect("an id");
        let name = key["name"].as_str().expect("a name");
        desk.goto(&format!("/keys/{id}"));
        assert!(desk.browser.exact_text("main").contains(name));
        is_harmless(&desk, "a key");
    }
    desk.goto("/requests");
    is_harmless(&desk, "requests");
}

#[test]
fn what_appears_by_itself_is_text_too() {
    let Some(desk) = Desk::inside() else { return };
    let made: Vec<_> = HOSTILE.iter().map(|name| desk.create(name)).collect();
    desk.goto("/requests");
    for (secret, text) in made.iter().zip(HOSTILE) {
        desk.order(secret, &format!("own {text}"));
    }
    let mut client = Client::connect(desk.server.address).expect("a connection");
    let stranger = "GET /%3Cimg%20src=x%20onerror=alert(1)%3E?'=%22%3E HTTP/1.1\r\nHost: a\r\n\
                    X-Request-Id: <img/src=x>\r\n\r\n";
    client.send(stranger);
    desk.order(&made[0], "the last");
    desk.browser.wait_for_text("requests", "the last");
    let table = desk.browser.exact_text("#requests");
    for text in HOSTILE {
        assert!(table.contains(text), "{text} in {table}");
    }
    is_harmless(&desk, "requests");
}
