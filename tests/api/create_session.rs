//! Payment sessions (contract, section 5).

use atlas::domain::key::Mode;
use serde_json::json;

use crate::world::{CREATE, ORDER, Response, World};

#[test]
fn a_session_has_the_members_of_the_contract() {
    let world = World::new();
    let answer = world.order(&world.key()).send();
    let session = answer.json();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (201, Some("application/json"))
    );
    let random = |member: &str, prefix: &str| {
        let text = answer.text(member);
        let rest = text.strip_prefix(prefix).expect(prefix);
        assert!(
            rest.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{text}"
        );
        rest.len()
    };
    assert_eq!(
        (random("id", "sess_"), random("client_secret", "cs_")),
        (24, 48)
    );
    let expected = json!({
        "object": "payment_session",
        "status": "requires_payment_method",
        "amount": 4990,
        "currency": "USD",
        "capture_method": "automatic",
        "payment_method_types": ["card"],
        "external_id": null,
        "livemode": false,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(session.get(name), Some(value), "{name} in {session}");
    }
    let page = answer.text("fallback_url");
    assert!(
        page.starts_with(&format!("http://{}/pay/", world.address)),
        "{page}"
    );
    let created = answer.text("created_at");
    assert!(
        created.starts_with("2026-11-25T12:00:00") && created.ends_with('Z'),
        "{created}"
    );
}

#[test]
fn no_two_sessions_are_alike() {
    let world = World::new();
    let key = world.key();
    let (one, two) = (world.order(&key).send(), world.order(&key).send());
    assert_ne!(one.text("id"), two.text("id"));
    assert_ne!(one.text("client_secret"), two.text("client_secret"));
}

#[test]
fn one_idempotency_key_and_two_spellings_of_a_currency_is_a_conflict() {
    let world = World::new();
    let key = world.key();
    let order = |currency: &str| {
        let body = format!(r#"{{"amount":1,"currency":"{currency}"}}"#);
        world.order_of(&key, &body).idempotent("order_1").send()
    };
    assert_eq!(order("USD").status, 201);
    order("usd").expect(409, "idempotency_key_reused");
}

#[test]
fn minor_units_are_stored_as_given_whatever_the_currency() {
    let world = World::new();
    let key = world.key();
    for (amount, currency) in [(500, "JPY"), (51, "JPY"), (1, "USD"), (1, "BHD")] {
        let body = json!({"amount": amount, "currency": currency}).to_string();
        let made = world.order_of(&key, &body).send();
        let read = world.look_up(&key, &made.session()).send().json();
        assert_eq!(
            (made.status, &made.json()["amount"]),
            (201, &json!(amount)),
            "{currency}"
        );
        assert_eq!(
            (&read["amount"], &read["currency"]),
            (&json!(amount), &json!(currency))
        );
    }
}

#[test]
fn an_external_id_does_not_make_requests_the_same() {
    let world = World::new();
    let key = world.key();
    let made = || {
        world
            .order_with(&key, "external_id", &json!("order_1"))
            .session()
    };
    assert_ne!(made(), made());
}

#[test]
fn members_of_the_answer_can_not_be_given() {
    let world = World::new();
    let key = world.key();
    let given = [
        ("id", json!("sess_mine")),
        ("status", json!("succeeded")),
        ("livemode", json!(true)),
        ("client_secret", json!("cs_mine")),
        ("created_at", json!("2000-01-01T00:00:00Z")),
    ];
    for (name, value) in given {
        let answer = world.order_with(&key, name, &value);
        assert_eq!(answer.status, 201, "{name}");
        assert_ne!(answer.json()[name], value, "{name}");
    }
}

#[test]
fn a_session_reads_back_as_it_was_made_and_after_a_restart_too() {
    let world = World::new();
    let key = world.key();
    let made = world.order_with(&key, "metadata", &json!({"order": "7"}));
    let id = made.session();
    let read = world.look_up(&key, &id).send();
    assert_eq!(read.status, 200);
    for (name, value) in made.json().as_object().expect("an object") {
        assert_eq!(&read.json()[name], value, "{name}");
    }
    // The server takes another port, which shows in the buyer's page alone.
    let apart_from_the_page = |answer: &Response| {
        let mut session = answer.json();
        session["fallback_url"] = json!(null);
        session
    };
    let world = world.restart();
    let again = world.look_up(&key, &id).send();
    assert_eq!(again.status, 200);
    assert_eq!(apart_from_the_page(&again), apart_from_the_page(&read));
}

#[test]
fn a_session_is_read_by_its_account_and_mode_only() {
    let world = World::new();
    let key = world.key();
    let id = world.order(&key).send().session();
    assert_eq!(world.look_up(&world.key(), &id).send().session(), id);
    for (account, mode) in [
        ("other", Mode::Test),
        ("default", Mode::Live),
        ("other", Mode::Live),
    ] {
        let stranger = world.key_of(account, mode);
        let hidden = world
            .look_up(&stranger, &id)
            .header("X-Request-Id", "same")
            .send();
        hidden.expect(404, "session_not_found");
        let missing = world.probe(&stranger).header("X-Request-Id", "same").send();
        assert_eq!(hidden.body, missing.body, "{account}");
    }
    let path = format!("/functions/v1/sessions/{id}");
    world.get(&path).send().expect(401, "invalid_api_key");
}

#[test]
fn a_session_that_there_is_not_is_not_found_whatever_the_form_of_its_id() {
    let world = World::new();
    let key = world.key();
    let real = world.order(&key).send().session();
    let ids = [
        "x".to_owned(),
        "sess_".to_owned(),
        "sess_AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "0191f9d2-0000-7000-8000-000000000000".to_owned(),
        "%00".to_owned(),
        "%ff".to_owned(),
        "a%20b".to_owned(),
        "x".repeat(4_000),
        real.to_uppercase(),
        format!("{real}x"),
        real[..real.len() - 1].to_owned(),
    ];
    for id in ids {
        let answer = world.look_up(&key, &id).send();
        let code = answer.code();
        assert_eq!(
            (answer.status, code.as_str()),
            (404, "session_not_found"),
            "{id}"
        );
    }
}

#[test]
fn live_mode_is_not_available_yet() {
    let world = World::new();
    let live = world.key_of("default", Mode::Live);
    world
        .order(&live)
        .send()
        .expect(503, "live_mode_unavailable");
    world.probe(&live).send().expect(404, "session_not_found");
}

#[test]
fn a_query_does_not_change_what_is_made() {
    let world = World::new();
    let request = world.post(&format!("{CREATE}?amount=1")).key(&world.key());
    assert_eq!(request.json(ORDER).send().json()["amount"], 4990);
}
