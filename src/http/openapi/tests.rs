//! What the document says of answers and refusals.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document;

/// Every operation: its id, and what the document says of it.
fn operations() -> Vec<(&'static str, &'static Value)> {
    let paths = document()["paths"].as_object().expect("paths");
    let all = paths
        .values()
        .flat_map(|path| path.as_object().expect("operations").values());
    all.map(|one| (one["operationId"].as_str().expect("an id"), one))
        .collect()
}

fn answers(operation: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let answers = operation["responses"].as_object().expect("answers");
    answers
        .iter()
        .map(|(status, answer)| (status.as_str(), answer))
}

fn codes(answer: &Value) -> BTreeSet<&str> {
    let schema = &answer["content"]["application/json"]["schema"];
    let codes = schema["properties"]["error"]["properties"]["code"]["enum"].as_array();
    codes
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn codes_of(operation: &str, status: &str) -> BTreeSet<&'static str> {
    let all = operations();
    let (_, one) = all
        .iter()
        .find(|(id, _)| *id == operation)
        .expect("an operation");
    codes(&one["responses"][status])
}

#[test]
fn every_refusal_names_its_codes() {
    for (id, operation) in operations() {
        for (status, answer) in answers(operation).filter(|(status, _)| !status.starts_with('2')) {
            assert!(!codes(answer).is_empty(), "{id} {status}");
        }
    }
    let repeated = ["idempotency_key_in_use", "idempotency_key_reused"];
    let paid = ["session_already_completed", "session_already_processing"];
    let of_paying = repeated.into_iter().chain(paid).collect();
    assert_eq!(codes_of("confirmPayment", "409"), of_paying);
    assert_eq!(codes_of("confirmPaymentOf", "409"), of_paying);
    let kept = repeated.into_iter().chain(["answer_not_kept"]).collect();
    assert_eq!(codes_of("createSession", "409"), kept);
    assert_eq!(
        codes_of("capturePayment", "404"),
        ["payment_not_found"].into()
    );
    for handle in ["moveClock", "addFault", "setLimits", "reset"] {
        assert!(codes_of(handle, "409").is_empty(), "{handle} takes no key");
    }
}

#[test]
fn every_header_that_an_answer_may_have_is_declared() {
    for (id, operation) in operations() {
        let is_idempotent = operation["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["name"] == "X-Idempotency-Key"));
        for (status, answer) in answers(operation) {
            let has = |name: &str| answer["headers"].get(name).is_some();
            assert!(has("RateLimit") && has("RateLimit-Policy") && has("X-Request-Id"));
            assert_eq!(has("Idempotency-Key"), is_idempotent, "{id} {status}");
            assert_eq!(has("WWW-Authenticate"), status == "401", "{id} {status}");
            let waits = matches!(status, "409" | "429" | "503");
            assert_eq!(has("Retry-After"), waits, "{id} {status}");
        }
    }
}

#[test]
fn a_member_that_may_be_left_out_is_never_null() {
    let schemas = document()["components"]["schemas"]
        .as_object()
        .expect("schemas");
    for (name, schema) in schemas {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let members = schema["properties"].as_object().into_iter().flatten();
        for (member, described) in
            members.filter(|(member, _)| !required.contains(&Value::from(member.as_str())))
        {
            assert!(
                !described.to_string().contains("\"null\""),
                "{name}.{member}: {described}"
            );
        }
    }
    let problem = &schemas["Problem"]["properties"];
    for member in ["param", "decline_code", "limit", "retry_after"] {
        assert!(problem[member]["type"].is_string(), "{member}");
    }
}

#[test]
fn an_event_is_described_with_all_that_it_has() {
    let all = operations();
    let (_, one) = all
        .iter()
        .find(|(id, _)| *id == "sendTestWebhook")
        .expect("an operation");
    let event = &one["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(event["properties"]["created_at"]["format"], "date-time");
}
