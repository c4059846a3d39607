//! Whatever is sent is a value or a reason, and the same JSON is the same request.

use atlas::domain::idempotency::{Fingerprint, IdempotencyKey};
use atlas::domain::json::Json;
use atlas::domain::new_session::NewSession;
use atlas::domain::refusal::Refusal;
use atlas::domain::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::START;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_a_body_or_a_reason_and_never_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(json) = Json::parse(&bytes) {
            let _ = NewSession::parse(&json, Timestamp::from_millis(START));
            let _ = Fingerprint::of("POST", "/", "", &json.canonical());
        }
        let _ = IdempotencyKey::parse(&bytes);
    }

    #[test]
    fn what_serde_json_reads_we_read_alike(value in any_json(4)) {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let mut canonical = Vec::new();
        Json::parse(text.as_bytes()).expect("JSON").write_canonical(&mut canonical);
        // serde_json keeps members sorted too, so its compact form is the canonical one.
        prop_assert_eq!(String::from_utf8(canonical).expect("UTF-8"), serde_json::to_string(&value).expect("JSON"));
    }

    #[test]
    fn any_members_are_a_session_or_a_named_refusal(value in any_order()) {
        let json = Json::parse(value.to_string().as_bytes()).expect("JSON");
        match NewSession::parse(&json, Timestamp::from_millis(START)) {
            Ok(session) => prop_assert!((1..=2_147_483_647).contains(&session.money.amount)),
            Err(Refusal::ParameterInvalid { param, must }) => prop_assert!(!param.is_empty() && must.ends_with('.')),
            Err(Refusal::ParameterMissing { param, .. }) => prop_assert_eq!(param, "currency"),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}

fn any_json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Orders with plausible and absurd members.
fn any_order() -> impl Strategy<Value = Value> {
    let names = [
        "amount",
        "currency",
        "customer",
        "metadata",
        "expires",
        "success_url",
        "payment_method_types",
        "other",
    ];
    let value = prop_oneof![
        4 => any_json(2),
        2 => prop::sample::select(vec!["USD", "jpy", "XAU", "card", "https://a.example/", "2026-12-01T00:00:00Z", ""]).prop_map(Value::from),
        4 => (0_i64..3_000_000_000).prop_map(Value::from),
    ];
    proptest::collection::btree_map(prop::sample::select(names.to_vec()), value, 0..8).prop_map(
        |members| {
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        },
    )
}
