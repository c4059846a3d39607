//! What strangers and merchants write is shown as text, wherever it is shown.

use atlas::app::keys::NewKey;
use atlas::domain::key::Mode;
use serde_json::json;

use super::html::Html;
use super::operator::{Operator, asking, body_of, detail_path, form, page_of};
use crate::world::{Key, World, new_key};

const HOSTILE: [&str; 4] = [
    "<img src=x onerror=alert(1)>",
    "');alert(1);//",
    "</title><script>alert(1)</script>",
    "\"><svg onload=alert(1)>&lt;b&gt;",
];

fn key_named(world: &World, name: &str) -> Key {
    world.create(NewKey {
        name: name.parse().expect("a name"),
        ..new_key("default", Mode::Test)
    })
}

/// Fails unless the page keeps its laws and shows this as it was written.
fn shows(page: &Html, text: &str) {
    page.check();
    assert!(
        page.all("svg")
            .iter()
            .all(|svg| svg.attribute("onload").is_none())
    );
    assert!(page.holds(text), "{text} in {}", page.text());
}

#[test]
fn a_name_is_text_on_every_page_that_shows_it() {
    for name in HOSTILE {
        let world = World::new();
        let key = key_named(&world, name);
        world.order(&key).idempotent("order_1").send();
        let operator = Operator::of(&world);
        let request = detail_path(&operator.request_with("order_1"));
        let id = key.id.to_string();
        for path in [
            "/dashboard/keys".to_owned(),
            format!("/dashboard/keys/{id}"),
        ] {
            shows(&operator.page(&path), name);
        }
        let query = [("key", id.as_str())];
        let requests = asking("/dashboard/requests", &query);
        for path in [requests, request] {
            operator.page(&path);
        }
    }
}

#[test]
fn a_name_is_text_where_a_form_is_shown_again() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for name in HOSTILE {
        let once = operator
            .page("/dashboard/keys/new")
            .field("once")
            .expect("once");
        let fields = [
            ("once", once.as_str()),
            ("name", name),
            ("mode", "test"),
            ("account", name),
            ("expires", name),
            ("per_minute", name),
            ("per_day", ""),
            ("concurrent", ""),
        ];
        let page = page_of(&operator.post("/dashboard/keys/new", &fields), 400);
        assert!(page.find("create").is_some());
        shows(&page, name);
        let path = format!("/dashboard/keys/{}/update", key.id);
        shows(&page_of(&operator.post(&path, &fields), 400), name);
        let path = format!("/dashboard/keys/{}/revoke", key.id);
        page_of(&operator.post(&path, &[("name", name)]), 400);
    }
}

#[test]
fn a_name_is_text_on_the_page_of_a_new_secret() {
    let world = World::new();
    let operator = Operator::of(&world);
    for name in HOSTILE {
        let once = operator
            .page("/dashboard/keys/new")
            .field("once")
            .expect("once");
        let mut fields = vec![("once", once.as_str()), ("name", name), ("mode", "test")];
        fields.push(("account", "default"));
        for field in ["expires", "per_minute", "per_day", "concurrent"] {
            fields.push((field, ""));
        }
        let answer = operator.post("/dashboard/keys/new", &fields);
        page_of(&answer, 200);
        assert!(!body_of(&answer).contains("<img src=x"), "{name}");
    }
}

#[test]
fn what_a_query_says_is_text() {
    let world = World::new();
    world.key();
    let operator = Operator::of(&world);
    for text in HOSTILE {
        let keys = [("text", text), ("account", text), ("sort", text)];
        let requests = [("path", text), ("key", text), ("idempotency_key", text)];
        let record = [("account", text), ("mode", text), ("key", text)];
        for path in [
            asking("/dashboard/keys", &keys),
            asking("/dashboard/requests", &requests),
            asking("/dashboard/requests", &[("status", text)]),
            asking("/dashboard/idempotency", &record),
            asking(
                "/dashboard/sessions",
                &[("account", text), ("before", text)],
            ),
            format!("/dashboard/{}", asking("nothing", &[("a", text)])),
        ] {
            let answer = operator.get(&path).send();
            assert!(answer.status < 500, "{path}");
            page_of(&answer, answer.status);
        }
        let login = world.get(&asking("/dashboard/login", &[("next", text)]));
        page_of(&login.header("Accept", "text/html").send(), 200);
        let wrong = form(
            &world,
            "/dashboard/login",
            &[("password", text), ("next", text)],
        );
        page_of(&wrong.send(), 401);
    }
}

#[test]
fn what_a_request_carries_is_text_in_the_list_and_in_the_detail() {
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let world = World::new();
        let key = world.key();
        let operator = Operator::of(&world);
        let mark = format!("order_{n}");
        let body = json!({"amount": 1, "currency": "USD", "description": text, "metadata": {"note": text}});
        let order = world.order_of(&key, &body.to_string());
        let order = order.header("User-Agent", text).header("X-Mine", text);
        let idempotency_key = format!("{mark} {text}");
        let order = order.idempotent(&idempotency_key).send();
        let page = operator.detail_of(&mark);
        shows(&page, text);
        let query = [("account", "default"), ("mode", "test")];
        let look_up = [&query[..], &[("key", &idempotency_key)]].concat();
        shows(
            &operator.page(&asking("/dashboard/idempotency", &look_up)),
            text,
        );
        operator.page(&format!("/dashboard/sessions/{}", order.session()));
        operator.page(&asking("/dashboard/sessions", &query));
    }
}

#[test]
fn a_path_that_a_stranger_made_up_is_text() {
    let world = World::new();
    let operator = Operator::of(&world);
    let path = "/functions/v1/%3Cimg%20src=x%20onerror=alert(1)%3E?q='%22%3E%3Cimg%3E";
    world.get(path).header("X-Request-Id", "<img/src=x>").send();
    let page = operator.detail_of("onerror=alert(1)");
    page.check();
    let images = page.all("img");
    let is_ours = |image: &Html| image.attribute("src") == Some("/dashboard/assets/icon.svg");
    assert!(images.iter().all(is_ours));
}

#[test]
fn no_stored_text_turns_the_direction_of_what_stands_behind_it() {
    let marks = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    let turned = format!("{marks}dlo");
    let spelled: String = marks
        .chars()
        .map(|mark| format!("\\u{:04x}", u32::from(mark)))
        .collect();
    let world = World::new();
    let key = world.key();
    let order = json!({ "amount": 4990, "currency": "USD", "external_id": turned, "metadata": { "x": turned } });
    let sent = world.order_of(&key, &order.to_string());
    let session = sent.idempotent("order_1").send().session();
    let operator = Operator::of(&world);
    let request = detail_path(&operator.request_with("order_1"));
    let record = [("account", "default"), ("mode", "test"), ("key", "order_1")];
    for path in [
        request,
        asking("/dashboard/idempotency", &record),
        "/dashboard/sessions?mode=test&account=default".to_owned(),
        format!("/dashboard/sessions/{session}"),
    ] {
        let source = operator.source(&path);
        assert!(source.contains(&spelled), "{path}: {source}");
        let left = source.chars().find(|char| marks.contains(*char));
        assert_eq!(left, None, "{path}");
    }
}
