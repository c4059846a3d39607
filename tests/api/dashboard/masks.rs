//! Secrets are on no page and in no event: neither those of ours nor those that a request carries by mistake.

use super::events::Events;
use super::operator::{Operator, asking, detail_path};
use crate::world::{CREATE, Request, Response, World};

/// Sends a request that is to be found by this id.
fn send(request: Request, id: &str) -> Response {
    request.header("X-Request-Id", id).send()
}

/// All that is shown of the request with this id: rows, detail, look-up of `order_1`.
fn shown(operator: &Operator<'_>, id: &str) -> Vec<String> {
    let detail = detail_path(&operator.request_with(id));
    let record = [("account", "default"), ("mode", "test"), ("key", "order_1")];
    vec![
        operator.source("/dashboard/requests"),
        operator.source(&detail),
        operator.source(&asking("/dashboard/idempotency", &record)),
        operator.source("/dashboard/keys"),
    ]
}

#[track_caller]
fn assert_hidden(pages: &[String], secret: &str) {
    for page in pages {
        let at = page.find(secret);
        assert!(
            at.is_none(),
            "{secret} is in {}",
            &page[at.unwrap_or(0)..][..60]
        );
    }
}

#[test]
fn an_authorization_is_masked_whatever_its_scheme() {
    use base64::Engine as _;
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let base64 = base64::engine::general_purpose::STANDARD.encode(format!("{}:", key.secret));
    for (id, authorization) in [
        ("bearer", format!("Bearer {}", key.secret)),
        ("lower", format!("bearer   {}", key.secret)),
        ("basic", format!("Basic {base64}")),
        ("none", key.secret.clone()),
        ("other", format!("Token {}", key.secret)),
    ] {
        let request = world.get("/functions/v1/sessions/sess_none");
        send(request.header("Authorization", authorization), id);
        let pages = shown(&operator, id);
        assert_hidden(&pages, &key.secret[8..40]);
        assert_hidden(&pages, &base64[16..48]);
    }
}

#[test]
fn a_secret_is_masked_where_it_does_not_belong() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let secret = &key.secret;
    let body = format!(r#"{{"amount":1,"currency":"USD","metadata":{{"key":"{secret}"}}}}"#);
    let requests = [
        (
            "query",
            world.post(&format!("{CREATE}?api_key={secret}")).json("{}"),
        ),
        (
            "path",
            world.get(&format!("/functions/v1/sessions/{secret}")),
        ),
        ("header", world.get("/nowhere").header("X-Api-Key", secret)),
        (
            "cookie",
            world
                .get("/nowhere")
                .header("Cookie", format!("key={secret}")),
        ),
        ("body", world.order_of(&key, &body)),
        ("broken", world.order_of(&key, &body[1..])),
    ];
    for (id, request) in requests {
        send(request, id);
        assert_hidden(&shown(&operator, id), &secret[8..40]);
    }
}

#[test]
fn the_cookie_of_the_dashboard_is_masked() {
    let world = World::new();
    let operator = Operator::of(&world);
    send(
        world.get("/nowhere").header("Cookie", operator.cookie()),
        "cookie",
    );
    assert_hidden(&shown(&operator, "cookie"), &operator.session);
}

#[test]
fn a_client_secret_is_masked_in_the_answer_its_record_and_the_session() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let made = send(world.order(&key).idempotent("order_1"), "made");
    let replayed = send(world.order(&key).idempotent("order_1"), "replayed");
    assert_eq!(made.body, replayed.body);
    let secret = made.text("client_secret");
    send(world.look_up(&key, &made.session()), "read");
    let mut pages = vec![operator.source(&format!("/dashboard/sessions/{}", made.session()))];
    pages.push(operator.source("/dashboard/sessions?mode=test&account=default"));
    for id in ["made", "replayed", "read"] {
        pages.extend(shown(&operator, id));
    }
    assert_hidden(&pages, &secret[3..40]);
}

#[test]
fn card_numbers_and_codes_are_masked() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let hidden = [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4000-0566-5566-5556",
        "378282246310005",
        "5555555555554444",
        "90210777",
        "87654321",
    ];
    let body = format!(
        r#"{{"amount":1,"currency":"USD","description":"card {}","metadata":{{"a":"{}","b":"{}"}},
            "card":{{"number":"{}","cvc":"{}"}},"other":{{"number":{},"cvc":{}}}}}"#,
        hidden[0], hidden[1], hidden[2], hidden[3], hidden[5], hidden[4], hidden[6]
    );
    let order = world.order_of(&key, &body).idempotent("order_1");
    let made = send(order, "made").session();
    send(world.order_of(&key, &body[..body.len() - 1]), "broken");
    send(
        world
            .order_of(&key, &body.replace("USD", "EUR"))
            .idempotent("order_1"),
        "reused",
    );
    let mut pages = vec![operator.source(&format!("/dashboard/sessions/{made}"))];
    for id in ["made", "broken", "reused"] {
        pages.extend(shown(&operator, id));
    }
    for card in hidden {
        assert_hidden(&pages, card);
    }
}

#[test]
fn an_event_holds_no_secret() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let paths = ["requests".to_owned(), format!("keys/{}", key.id)];
    let mut streams =
        paths.map(|path| Events::open(&operator, &format!("/dashboard/events/{path}")));
    let made = send(world.order(&key).idempotent("order_1"), "made");
    world
        .get(&format!("/nowhere?key={}", key.secret))
        .key(&key)
        .send();
    send(world.probe(&key), "last");
    for stream in &mut streams {
        let seen = [stream.read_until("last")];
        assert_hidden(&seen, &key.secret[8..40]);
        assert_hidden(&seen, &made.text("client_secret")[3..40]);
    }
}

#[test]
fn a_credential_is_shown_only_where_all_of_it_is_a_key_that_is_masked() {
    let world = World::new();
    let operator = Operator::of(&world);
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.cs_AAAA.BBBBsignature";
    for (id, authorization) in [
        ("bearer", format!("Bearer {token}")),
        ("bare", token.to_owned()),
        ("unknown", format!("eyJzdWIiOiJhZGEifQ {token}")),
        ("behind", format!("Bearer sk_test_0123456789abcdef.{token}")),
        ("basic", "Basic eyJzdWIiOiJhZGEifQ==".to_owned()),
    ] {
        let request = world.get("/nowhere");
        send(request.header("Authorization", authorization), id);
        let pages = shown(&operator, id);
        for part in ["eyJzdWIiOiJhZGEifQ", "BBBBsignature", "AAAA"] {
            assert_hidden(&pages, part);
        }
    }
}

#[test]
fn a_header_whose_name_says_that_it_lets_in_is_not_shown() {
    let world = World::new();
    let operator = Operator::of(&world);
    let names = [
        "apikey",
        "X-Api-Key",
        "X-Auth-Token",
        "Proxy-Authorization",
        "X-Client-Secret",
        "Cookie",
        "X-Session-Id",
        "X-Password",
        "X-Amz-Security-Token",
        "Authentication",
    ];
    for name in names {
        let request = world.get("/nowhere").header(name, "a=hunter2hunter2");
        send(request.header("X-Shop", "the-shop"), name);
        assert_hidden(&shown(&operator, name), "hunter2hunter2");
        let page = operator.detail_of(name).text().to_lowercase();
        for part in [&name.to_lowercase(), "the-shop"] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
    for name in ["Idempotency-Key", "X-Idempotency-Key"] {
        let request = world.get("/nowhere").header(name, "order-17");
        send(request, name);
        assert!(operator.detail_of(name).text().contains("order-17"));
    }
}

#[test]
fn what_stands_across_the_end_of_what_is_kept_is_masked_too() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for shift in [1, 8, 15] {
        let head = r#"{"description":""#;
        let pad = "x".repeat(16 * 1024 - head.len() - shift);
        let body = format!(r#"{head}{pad}4242424242424242","cvc":"123"}}"#);
        let id = format!("sent-{shift}");
        send(world.order_of(&key, &body), &id);
        assert_hidden(&shown(&operator, &id), "42424");
        let page = operator.detail_of(&id).text();
        assert!(page.contains("Cut here"), "{shift}");
    }
    // An answer tells the metadata again.
    let value = "x4242424242424242".repeat(29);
    let metadata: serde_json::Map<_, _> = (0..40)
        .map(|n| (format!("m{n}"), serde_json::Value::from(value.clone())))
        .collect();
    for shift in 0..3 {
        let body = serde_json::json!({
            "amount": 1, "currency": "USD", "metadata": metadata, "external_id": "x".repeat(1 + shift),
        });
        let id = format!("answered-{shift}");
        let answer = send(world.order_of(&key, &body.to_string()), &id);
        assert_eq!(answer.status, 201);
        assert_hidden(&shown(&operator, &id), "42424");
    }
}

#[test]
fn a_body_that_is_masked_is_not_cut() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let body = r#"{"amount":1,"currency":"USD","card":"4242424242424242"}"#;
    send(world.order_of(&key, body), "whole");
    let page = operator.detail_of("whole").text();
    assert!(!page.contains("Cut here"), "{page}");
}

#[test]
fn escapes_hide_nothing() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let rest = &key.secret[8..];
    let body = format!(
        r#"{{"a":"sk\u005ftest_{rest}","b":"\u0034242424242424242","c":"4242%204242%204242%204242"}}"#
    );
    send(world.order_of(&key, &body), "json");
    let form = format!(
        "key=sk%5Ftest%5F{rest}&n=%34242424242424242&cvc=%39876&password=hunter2%26hunter2"
    );
    let posted = world.post(CREATE).key(&key);
    let posted = posted.header("Content-Type", super::operator::FORM);
    send(posted.body(&form), "form");
    send(world.get(&format!("/nowhere?{form}")), "query");
    for id in ["json", "form", "query"] {
        let pages = shown(&operator, id);
        for part in [
            &rest[..32],
            "242424242424",
            "4242%204242",
            "%39876",
            "hunter2",
        ] {
            assert_hidden(&pages, part);
        }
    }
}

#[test]
fn a_session_in_the_list_shows_no_card_as_its_order() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let external_id = serde_json::Value::from("4242 4242 4242 4242");
    world
        .order_with(&key, "external_id", &external_id)
        .session();
    let pages = [operator.source("/dashboard/sessions?mode=test&account=default")];
    assert_hidden(&pages, "4242 4242");
    assert!(pages[0].contains("...4242"), "{}", pages[0]);
}
