//! A name for every request, the client's own where it sent a usable one.

use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::time::Timestamp;
use crate::{entropy, policy};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes ids that no other request of this process has, and hardly any of another.
#[derive(Debug)]
pub(super) struct RequestIds(AtomicU32);

impl RequestIds {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(
            entropy::bytes().map_or(0, u32::from_ne_bytes),
        ))
    }

    /// The client's id, or a new one: `req_`, the milliseconds in base 36, `_` and 8 hexadecimal digits.
    pub(super) fn of(&self, headers: &HeaderMap, now: Timestamp) -> HeaderValue {
        match headers.get(X_REQUEST_ID) {
            Some(given) if is_usable(given.as_bytes()) => given.clone(),
            _ => self.make(now),
        }
    }

    fn make(&self, now: Timestamp) -> HeaderValue {
        // An odd step walks through all 2^32 numbers before one comes again.
        let number = self.0.fetch_add(0x9E37_79B1, Ordering::Relaxed);
        let mut text = Vec::with_capacity(32);
        text.extend_from_slice(b"req_");
        push_base36(now.millis(), &mut text);
        text.push(b'_');
        let digits = (0..8).rev().map(|place| (number >> (4 * place)) & 0xf);
        text.extend(digits.map(|digit| DIGITS[digit as usize]));
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("req_"))
    }
}

fn is_usable(given: &[u8]) -> bool {
    (1..=policy::REQUEST_ID_MAX).contains(&given.len()) && given.iter().all(u8::is_ascii_graphic)
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn push_base36(mut number: u64, text: &mut Vec<u8>) {
    let (mut digits, mut first) = ([0_u8; 13], 13);
    loop {
        first -= 1;
        digits[first] = DIGITS[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            X_REQUEST_ID,
            HeaderValue::from_bytes(value).expect("a header value"),
        );
        headers
    }

    #[test]
    fn a_usable_id_is_echoed_and_another_replaced() {
        let (ids, now) = (RequestIds::new(), Timestamp::from_millis(36));
        assert_eq!(ids.of(&given(b"order-7/a"), now), "order-7/a");
        for bad in [&b""[..], b"a b", b"\xff", "x".repeat(129).as_bytes()] {
            let made = ids.of(&given(bad), now);
            assert!(
                made.to_str().expect("ASCII").starts_with("req_10_"),
                "{made:?}"
            );
        }
    }

    #[test]
    fn made_ids_differ() {
        let (ids, now) = (RequestIds::new(), Timestamp::from_millis(1));
        let made: std::collections::HashSet<_> = (0..10_000).map(|_| ids.make(now)).collect();
        assert_eq!(made.len(), 10_000);
    }
}
