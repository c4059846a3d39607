//! How every page looks: pictures for people, axe for those who can't see them, no error on the console, and nothing
//! that a phone would have to scroll sideways for.

use std::path::{Path, PathBuf};

use crate::chromium::{Browser, Look};
use crate::desk::{Desk, Key, ORDER};
use crate::process::{Client, json_of};

const LOOKS: [Look; 4] = [
    Look {
        name: "light",
        scheme: "light",
        width: 1280,
        height: 900,
    },
    Look {
        name: "dark",
        scheme: "dark",
        width: 1280,
        height: 900,
    },
    Look {
        name: "phone",
        scheme: "light",
        width: 375,
        height: 812,
    },
    Look {
        name: "phone-dark",
        scheme: "dark",
        width: 375,
        height: 812,
    },
];

const AXE: &str = "const done = arguments[arguments.length - 1]; \
    axe.run(document, {preload: false}).then( \
    (found) => done(found.violations.map((one) => one.id + ': ' + one.help + ' at ' + \
        one.nodes.map((node) => node.target.join(' ') + ' ' + node.html.slice(0, 120)).join('; '))), \
    (error) => done([String(error)]));";

const WIDEST: &str = "const wide = [...document.querySelectorAll('body *')] \
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1); \
    return [document.scrollingElement.scrollWidth, innerWidth, \
    wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 80)).join(' | ')]";

/// The script of axe; none, with a note, where it is not installed.
fn axe() -> Option<String> {
    let usual = "target/axe/node_modules/axe-core/axe.min.js";
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join(usual);
    let path = std::env::var_os("ATLAS_AXE").map_or_else(usual, PathBuf::from);
    let script = std::fs::read_to_string(&path).ok();
    let must = std::env::var_os("ALL_CHECKS").is_some();
    assert!(script.is_some() || !must, "{} is missing", path.display());
    if script.is_none() {
        eprintln!("axe is skipped: {} is missing", path.display());
    }
    script
}

/// Where the pictures are put.
fn gallery() -> PathBuf {
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dashboard");
    std::fs::create_dir_all(&gallery).expect("a directory");
    gallery
}

/// Looks at the page that is open in every way; gives all that is wrong with it.
fn look_at(browser: &Browser, page: &str, axe: Option<&str>) -> Vec<String> {
    let mut wrong = browser.console();
    if let Some(axe) = axe {
        browser.script(axe);
    }
    for look in LOOKS {
        browser.look_with(look);
        let picture = gallery().join(format!("{page}-{}.png", look.name));
        std::fs::write(picture, browser.picture()).expect("written");
        let widths = browser.script(WIDEST);
        let (width, shown) = (widths[0].as_u64(), widths[1].as_u64());
        if width > shown || shown != Some(look.width.into()) {
            wrong.push(format!("{}: wider than it is shown: {widths}", look.name));
        }
        if axe.is_some() {
            let found = browser.script_later(AXE);
            let found = found.as_array().expect("a list").iter();
            wrong.extend(found.map(|one| format!("{}: {one}", look.name)));
        }
    }
    let named = |one: String| format!("{page}: {one}");
    wrong.into_iter().map(named).collect()
}

/// Fills the server with one of each: keys of all states, requests of all outcomes, sessions in several currencies, webhook endpoints.
fn furnish(desk: &Desk) -> Key {
    let directory = &desk.server.directory;
    let key = desk.key(&["--account", "shop", "--per-day", "40"]);
    let live = desk.key(&["--mode", "live", "--account", "shop", "--expires", "90d"]);
    let narrow = desk.key(&["--per-minute", "1"]);
    let revoked = desk.key(&["--account", "left"]);
    let rename = |id: &str, name: &str| {
        json_of(&["keys", "update", id, "--name", name], directory);
    };
    rename(&key.id, "Shop server");
    rename(&live.id, &"W".repeat(100));
    rename(&narrow.id, "<img src=x onerror=alert(1)>");
    json_of(&["keys", "revoke", &revoked.id], directory);
    let long = format!("https://shop.example/{}", "long/".repeat(30));
    json_of(&["webhooks", "add", &long], directory);
    let chosen = "dispute.created,dispute.lost,session.expired,bank_transfer.returned";
    let endpoint = "http://localhost:3000/webhooks";
    let added = json_of(&["webhooks", "add", endpoint, "--event", chosen], directory);
    let id = added["id"].as_str().expect("an id");
    json_of(&["webhooks", "pause", id], directory);
    for (amount, currency) in [
        (500, "JPY"),
        (1_234, "KWD"),
        (4_990, "USD"),
        (2_147_483_647, "EUR"),
    ] {
        let body = format!(r#"{{"amount":{amount},"currency":"{currency}"}}"#);
        assert_eq!(desk.order_of(&key.secret, currency, &body).status, 201);
    }
    desk.order(&key.secret, &"long ".repeat(50));
    for secret in [
        &live.secret,
        &revoked.secret,
        &narrow.secret,
        &narrow.secret,
    ] {
        desk.order(secret, "");
    }
    assert_eq!(desk.order(&key.secret, "USD").status, 201);
    let other = ORDER.replace("4990", "5990");
    assert_eq!(desk.order_of(&key.secret, "USD", &other).status, 409);
    desk.order_of(&key.secret, "broken", "{\"amount\":");
    key
}

/// Where the first link that begins like this leads, below `/dashboard`.
fn linked(browser: &Browser, within: &str, prefix: &str) -> String {
    let selector = format!("{within} a[href^='/dashboard{prefix}']");
    browser.wait_for(&selector);
    let link = browser.script(&format!(
        "return document.querySelector({selector:?}).getAttribute('href')"
    ));
    let link = link.as_str().expect("a link").to_owned();
    link.trim_start_matches("/dashboard").to_owned()
}

#[test]
fn every_page_is_fit_to_be_seen() {
    let Some(desk) = Desk::open() else { return };
    let axe = axe();
    let browser = &desk.browser;
    desk.set_password("correct horse battery");
    let mut wrong = Vec::new();
    let mut look = |page: &str| wrong.extend(look_at(browser, page, axe.as_deref()));

    desk.goto("/login");
    look("login");
    desk.log_in();
    look("first-run");
    browser.fill("#first-run [name=expires]", "soon");
    browser.submit("#first-run form");
    browser.wait_for("form [aria-invalid=true]");
    // The console notes the 400 that was provoked.
    browser.console();
    look("mistake");

    desk.goto("/webhooks");
    look("webhooks-none");
    let key = furnish(&desk);
    desk.create("Just made");
    look("secret");
    desk.goto("/requests?status=409");
    let reused = linked(browser, "#requests", "/requests/");
    desk.goto("/requests?status=201");
    let request = linked(browser, "#requests", "/requests/");
    desk.goto("/sessions?mode=test&account=shop");
    let session = linked(browser, "#sessions", "/sessions/sess_");
    for (page, path) in [
        ("keys", "/keys"),
        ("keys-none", "/keys?text=nothing-of-the-kind"),
        ("keys-new", "/keys/new"),
        ("key", &format!("/keys/{}", key.id)),
        ("requests", "/requests"),
        ("requests-none", "/requests?path=/nothing"),
        ("request", &request),
        ("request-reused", &reused),
        ("idempotency", "/idempotency"),
        ("record", "/idempotency?account=shop&mode=test&key=USD"),
        (
            "record-unknown",
            "/idempotency?account=shop&mode=test&key=none",
        ),
        ("sessions", "/sessions?mode=test&account=shop"),
        ("sessions-none", "/sessions?mode=live&account=shop"),
        ("session", &session),
        ("webhooks", "/webhooks"),
    ] {
        desk.goto(path);
        look(page);
    }
    desk.goto("/keys/key_00000000000000000000");
    browser.console();
    look("not-found");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// An upstream that takes requests and never answers; gives its URL. It ends with the tests.
fn silent_upstream() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut some = [0; 64 * 1024];
            let _ = std::io::Read::read(&mut stream, &mut some);
        }
    });
    format!("http://{address}/functions/v1")
}

#[test]
fn open_claims_are_fit_to_be_seen() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let flags = ["--live-upstream", &silent_upstream()];
    let desk = Desk::started(browser, &flags);
    let axe = axe();
    desk.log_in();
    let mut wrong = Vec::new();
    let mut look = |page: &str| wrong.extend(look_at(&desk.browser, page, axe.as_deref()));
    desk.goto("/idempotency");
    look("claims-none");
    let live = desk.key(&["--mode", "live", "--account", "shop"]);
    for key in ["order_1", &"long_key_".repeat(28), "<b>order</b>"] {
        assert_eq!(desk.order(&live.secret, key).status, 504);
    }
    desk.goto("/idempotency?account=shop&mode=live&key=order_1");
    look("claims");
    desk.goto("/requests?status=504");
    desk.goto(&linked(&desk.browser, "#requests", "/requests/"));
    look("request-upstream");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn on_a_phone_all_headers_of_a_request_are_shown_without_scrolling_within_the_page() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    desk.order(&key.secret, "order_1");
    desk.goto("/requests");
    desk.goto(&linked(&desk.browser, "#requests", "/requests/"));
    desk.browser.look_with(LOOKS[2]);
    let hidden = "return [...document.querySelectorAll('.sides .scroll')] \
        .map((region) => region.scrollHeight - region.clientHeight)";
    assert_eq!(desk.browser.script(hidden), serde_json::json!([0, 0]));
}

#[test]
fn on_a_narrow_phone_the_ways_are_in_one_line_and_long_addresses_are_broken() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    let long = format!("https://shop.example/{}", "l".repeat(280));
    json_of(&["webhooks", "add", &long], &desk.server.directory);
    let order = desk.order(&key.secret, "order_1").json();
    let member = |name: &str| order[name].as_str().expect("text").to_owned();
    let confirm = format!("/functions/v1/confirm-payment/{}", member("id"));
    let mut buyer = Client::connect(desk.server.address).expect("a connection");
    let body = r#"{"token_id":"tok_visa"}"#;
    let paid = buyer.send(&format!(
        "POST {confirm} HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        member("client_secret"),
        body.len()
    ));
    assert_eq!(paid.expect("an answer").status, 200);
    desk.goto("/webhooks");
    let lines = "return new Set([...document.querySelectorAll('header nav a')] \
        .map((one) => one.getBoundingClientRect().top)).size";
    for (width, most) in [(320, 2), (360, 1), (375, 1)] {
        desk.browser.look_with(Look { width, ..LOOKS[2] });
        let widths = desk.browser.script(WIDEST);
        assert_eq!(widths[0], widths[1], "{widths}");
        let lines = desk.browser.script(lines).as_u64();
        assert!(
            lines.is_some_and(|lines| lines <= most),
            "{width}: {lines:?}"
        );
    }
}

#[test]
fn nothing_moves_for_those_who_asked_for_stillness() {
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    desk.browser.ask_for_stillness();
    for path in [
        "/keys".to_owned(),
        format!("/keys/{}", key.id),
        "/requests".to_owned(),
    ] {
        desk.goto(&path);
        let moving = desk.browser.script(
            "return [...document.querySelectorAll('*')].filter((one) => { \
             const style = getComputedStyle(one); const moves = (times) => \
             times.split(',').some((time) => parseFloat(time) > 0.01); \
             return moves(style.transitionDuration) || \
             (style.animationName !== 'none' && moves(style.animationDuration)); }).length",
        );
        assert_eq!(moving, 0, "{path}");
    }
}
