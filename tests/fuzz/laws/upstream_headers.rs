//! Headers of an upstream's answer and of a client's request: what speaks for one connection, or in our name, stays
//! where it came from.

use std::net::{IpAddr, Ipv4Addr};

use atlas::app::upstream::headers::{Said, down, up};

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
    let given = down(pairs.clone());
    assert_eq!(
        down(given.iter()),
        given,
        "what came down once comes down as it is"
    );
    assert!(given.iter().count() <= pairs.clone().count());
    for (name, _) in given.iter() {
        let is_ours = HOP_BY_HOP.contains(&name) || NEVER_DOWN.contains(&name);
        let is_limit = name.starts_with("x-ratelimit-") || name.starts_with("ratelimit");
        let is_named = is_named(pairs.clone(), name) && !name.starts_with("x-upstream-");
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
    for (name, _) in sent.iter() {
        let read = name.replace('_', "-");
        let is_ours = HOP_BY_HOP.contains(&&*read) || NEVER_UP.contains(&&*read);
        assert!(!is_ours, "{name} went up");
    }
    for (name, value) in [
        ("idempotency-key", "key"),
        ("x-request-id", "req_1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
    ] {
        let values = sent.iter().filter(|(other, _)| *other == name);
        let values: Vec<_> = values.map(|(_, value)| value).collect();
        assert_eq!(values, [value.as_bytes()], "{name} is ours to say");
    }
}

/// Whether `Connection` names it.
fn is_named<'a>(mut pairs: impl Iterator<Item = (&'a str, &'a [u8])>, name: &str) -> bool {
    pairs.any(|(other, value)| {
        let mut names = value.split(|byte| *byte == b',');
        other.eq_ignore_ascii_case("connection")
            && names.any(|named| named.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    })
}
