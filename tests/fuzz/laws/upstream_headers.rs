//! Headers of an upstream's answer and of a client's request: what speaks for one connection, or in our name, stays
//! where it came from.

use std::net::{IpAddr, Ipv4Addr};

use atlas::app::upstream::headers::{Said, down, up};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const NEVER_DOWN: [&str; 5] = [
    "content-length",
    "date",
    "idempotency-key",
    "idempotent-replayed",
    "x-request-id",
];
const NEVER_UP: [&str; 5] = [
    "authorization",
    "content-length",
    "cookie",
    "host",
    "x-atlas-mock",
];

/// Lines `name: value`.
pub fn holds(bytes: &[u8]) {
    let pairs = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    });
    let mut answer = HeaderMap::new();
    for (name, value) in pairs.clone() {
        let pair = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_bytes(value).ok());
        if let Some((name, value)) = pair {
            answer.append(name, value);
        }
    }
    let given = down(&answer);
    assert_eq!(
        down(&given),
        given,
        "what came down once comes down as it is"
    );
    assert!(given.len() <= answer.len());
    for name in given.keys() {
        let name = name.as_str();
        let is_ours = HOP_BY_HOP.contains(&name) || NEVER_DOWN.contains(&name);
        let is_limit = name.starts_with("x-ratelimit-") || name.starts_with("ratelimit");
        let is_named = is_named(&answer, name) && !name.starts_with("x-upstream-");
        assert!(!is_ours && !is_limit && !is_named, "{name} came down");
        assert!(!name.starts_with("access-control-"), "{name} came down");
    }
    let said = Said {
        idempotency_key: Some("key"),
        request_id: "req_1",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_tls: true,
        host: pairs.clone().next().map(|(name, _)| name),
    };
    let sent = up(pairs, &said);
    for name in sent.keys() {
        let read = name.as_str().replace('_', "-");
        let is_ours = HOP_BY_HOP.contains(&&*read) || NEVER_UP.contains(&&*read);
        assert!(!is_ours, "{name} went up");
    }
    for (name, value) in [
        ("idempotency-key", "key"),
        ("x-request-id", "req_1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
    ] {
        let values: Vec<_> = sent.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name} is ours to say");
    }
}

/// Whether `Connection` names it.
fn is_named(headers: &HeaderMap, name: &str) -> bool {
    let lines = headers.get_all("connection").iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names.any(|named| named.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}
