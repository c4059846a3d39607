//! Bodies: what is read agrees with serde_json, and the same JSON however it is written is the same request.

use atlas::domain::fault::Fault;
use atlas::domain::idempotency::Fingerprint;
use atlas::domain::json::Json;
use atlas::domain::new_session::NewSession;
use atlas::domain::refusal::Refusal;
use atlas::domain::time::Timestamp;
use serde_json::Value;

/// 2026-11-25T12:00:00Z, in milliseconds.
const NOW: u64 = 1_795_608_000_000;

pub fn holds(bytes: &[u8]) {
    let model = serde_json::from_slice::<Value>(bytes);
    match Json::parse(bytes) {
        Err(why) => {
            assert!(why.ends_with('.'), "{why}");
            let is_stricter = why.contains("stands twice") || why.contains("nested deeper");
            assert!(is_stricter || model.is_err(), "refused: {why}");
        }
        Ok(json) => {
            let canonical = json.canonical();
            assert_eq!(Json::parse(&canonical).as_ref(), Ok(&json));
            // A number beyond what serde_json can count in is one for us: it is never counted with.
            if let Ok(model) = model {
                assert_eq!(
                    serde_json::from_slice::<Value>(&canonical).ok(),
                    Some(model)
                );
            }
            let mut other = Vec::new();
            write_otherwise(&json, &mut other);
            let other = Json::parse(&other).expect("the same JSON").canonical();
            assert_eq!(fingerprint(&other), fingerprint(&canonical));
            is_session_or_refusal(&json);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(fault) = Fault::parse(text) {
            assert_eq!(Fault::parse(&fault.to_string()), Ok(fault));
        }
        if let Some(time) = Timestamp::parse(text) {
            assert_eq!(Timestamp::parse(&time.rfc3339()), Some(time));
        }
    }
}

fn fingerprint(canonical: &[u8]) -> Fingerprint {
    Fingerprint::of("POST", "/functions/v1/create-session", "", canonical)
}

/// The same with members from the last to the first, every character of a string escaped, and white space.
fn write_otherwise(json: &Json, out: &mut Vec<u8>) {
    out.extend_from_slice(b" \n");
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => json.write_canonical(out),
        Json::String(text) => write_escaped(text, out),
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                out.push(if at == 0 { b'[' } else { b',' });
                write_otherwise(item, out);
            }
            out.extend_from_slice(if items.is_empty() { b"[]" } else { b"\t]" });
        }
        Json::Object(members) => {
            for (at, (name, value)) in members.iter().rev().enumerate() {
                out.push(if at == 0 { b'{' } else { b',' });
                write_escaped(name, out);
                out.extend_from_slice(b"\r:");
                write_otherwise(value, out);
            }
            out.extend_from_slice(if members.is_empty() { b"{ }" } else { b"}" });
        }
    }
}

fn write_escaped(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for unit in text.encode_utf16() {
        out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
    }
    out.push(b'"');
}

fn is_session_or_refusal(json: &Json) {
    match NewSession::parse(json, Timestamp::from_millis(NOW)) {
        Ok(session) => {
            assert!((1..=2_147_483_647).contains(&session.money.amount));
            assert!(session.metadata.len() <= 50);
        }
        Err(Refusal::ParameterInvalid { param, must }) => {
            assert!(!param.is_empty() && must.ends_with('.'))
        }
        Err(Refusal::ParameterMissing { param, .. }) => assert_eq!(param, "currency"),
        Err(other) => assert!(!matches!(json, Json::Object(_)), "{other:?}"),
    }
}
