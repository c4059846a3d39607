//! Identifiers: a prefix that says of what, then base62. The random ones of stored rows begin with the time, so that
//! rows made together lie together in the store and lists come out in order.

use std::fmt;

use crate::domain::idempotency::{Fingerprint, RecordId};
use crate::domain::time::Timestamp;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the time in an id: 62^8 milliseconds reach to the year 8889.
const TIME_CHARS: usize = 8;

/// One base62 character for a random byte, or none for one that would make some characters likelier than others.
pub fn base62_of_random(byte: u8) -> Option<u8> {
    const FAIR: usize = 62 * 4;
    const CHARACTERS: [u8; FAIR] = {
        let (mut characters, mut at) = ([0; FAIR], 0);
        while at < FAIR {
            characters[at] = BASE62[at % 62];
            at += 1;
        }
        characters
    };
    CHARACTERS.get(usize::from(byte)).copied()
}

/// `number` in base62, most significant first, left-padded with `0`; digits beyond `N` are dropped.
pub fn base62_of_number<const N: usize>(mut number: u64) -> [u8; N] {
    let mut out = [b'0'; N];
    for place in out.iter_mut().rev() {
        *place = BASE62[(number % 62) as usize];
        number /= 62;
    }
    out
}

/// `N` base62 characters of a hash, each as likely as any other.
pub fn base62_of_hash<const N: usize>(hasher: &blake3::Hasher) -> [u8; N] {
    let mut stream = hasher.finalize_xof();
    let mut out = [0; N];
    let mut filled = 0;
    while filled < N {
        let mut bytes = [0; 64];
        stream.fill(&mut bytes);
        let fair = bytes.into_iter().filter_map(base62_of_random);
        for (place, character) in out[filled..].iter_mut().zip(fair) {
            *place = character;
            filled += 1;
        }
    }
    out
}

/// The first `TIME_CHARS` from the time, the rest from `random`.
fn timed<const N: usize>(now: Timestamp, mut random: [u8; N]) -> [u8; N] {
    random[..TIME_CHARS].copy_from_slice(&base62_of_number::<TIME_CHARS>(now.millis()));
    random
}

/// The number that `base62_of_number` was made of; other characters are taken for `0`.
fn number_of_base62(characters: &[u8]) -> u64 {
    characters.iter().fold(0, |number, character| {
        let digit = BASE62.binary_search(character).unwrap_or(0);
        62 * number + digit as u64
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Characters after the prefix.
            pub const LENGTH: usize = $length;

            /// A new id from the time and base62 characters of the operating system's randomness.
            pub fn new(now: Timestamp, random: [u8; $length]) -> Self {
                Self(timed(now, random))
            }

            /// Reads an id as it is written. None for anything that we never made.
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix($prefix)?.as_bytes();
                Self::from_bytes(rest)
            }

            /// From the characters after the prefix.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let bytes: [u8; $length] = bytes.try_into().ok()?;
                bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
            }

            /// The characters after the prefix.
            pub fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Its text, in two parts: the prefix and the rest.
            pub fn parts(&self) -> [&str; 2] {
                // Letters and digits only, see `from_bytes`.
                [$prefix, std::str::from_utf8(&self.0).unwrap_or_default()]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.parts().into_iter().try_for_each(|part| f.write_str(part))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("not an id ", $prefix, "...")))
            }
        }
    };
}

id!(
    /// Names an API key for its whole life, whatever its secret: `key_` and 20 characters.
    KeyId, "key_", 20
);
id!(
    /// Names a payment session: `sess_` and 24 characters, 16 of them random (95 bits).
    SessionId, "sess_", 24
);
id!(
    /// Names a payment: `pay_` and the 24 characters of its session.
    PaymentId, "pay_", 24
);
id!(
    /// Names a refund: `re_` and 24 characters.
    RefundId, "re_", 24
);

impl SessionId {
    /// When it was made.
    pub fn made_at(&self) -> Timestamp {
        Timestamp::from_millis(number_of_base62(&self.0[..TIME_CHARS]))
    }
}

/// A session has one payment at most, so its characters name it.
impl From<SessionId> for PaymentId {
    fn from(session: SessionId) -> Self {
        Self(session.0)
    }
}

impl From<PaymentId> for SessionId {
    fn from(payment: PaymentId) -> Self {
        Self(payment.0)
    }
}

id!(
    /// Names an event: `evt_` and 24 characters, 16 of them random.
    EventId, "evt_", 24
);
id!(
    /// Names a webhook endpoint: `we_` and 24 characters.
    EndpointId, "we_", 24
);
id!(
    /// Names the way of one event to one endpoint, the same at each attempt: `del_` and 16 characters.
    DeliveryId, "del_", 16
);

id!(
    /// Names an open claim: `clm_` and 20 characters.
    ClaimId, "clm_", 20
);

impl ClaimId {
    /// The claim of a request that came first at this time. Of another request under the same key the claim is another.
    pub fn of(record: &RecordId, first_at: Timestamp, fingerprint: &Fingerprint) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("atlas 2026-11-25 open claim");
        hasher.update(record.as_bytes());
        hasher.update(&first_at.millis().to_be_bytes());
        hasher.update(fingerprint.as_bytes());
        Self(base62_of_hash(&hasher))
    }
}

impl EndpointId {
    /// An id that does not begin with a time: of an endpoint that nobody made at one.
    pub const fn of_characters(base62: [u8; Self::LENGTH]) -> Self {
        Self(base62)
    }
}

impl DeliveryId {
    /// The way of this event to this endpoint.
    pub fn of(event: &EventId, endpoint: &EndpointId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("atlas 2026-11-25 webhook delivery");
        hasher.update(event.as_bytes());
        hasher.update(endpoint.as_bytes());
        Self(base62_of_hash(&hasher))
    }
}

id!(
    /// Names a rule of the mock's faults: `flt_` and 20 characters.
    FaultId, "flt_", 20
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let early = SessionId::new(Timestamp::from_millis(1), [b'z'; 24]);
        let late = SessionId::new(Timestamp::from_millis(2), [b'0'; 24]);
        assert!(early < late);
        assert_eq!(early.to_string(), "sess_00000001zzzzzzzzzzzzzzzz");
        assert_eq!(SessionId::parse(&early.to_string()), Some(early));
    }

    #[test]
    fn what_we_never_made_is_no_id() {
        for text in [
            "",
            "sess_",
            "sess_short",
            "key_00000001zzzzzzzzzzzzzzzz",
            "sess_00000001zzzzzzzzzzzzzz/z",
        ] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_delivery_is_known_by_its_event_and_its_endpoint() {
        let now = Timestamp::from_millis(1);
        let (one, other) = (EventId::new(now, [b'1'; 24]), EventId::new(now, [b'2'; 24]));
        let endpoint = EndpointId::new(now, [b'3'; 24]);
        let id = DeliveryId::of(&one, &endpoint);
        assert_eq!(DeliveryId::parse(&id.to_string()), Some(id));
        assert_eq!(id, DeliveryId::of(&one, &endpoint));
        assert_ne!(id, DeliveryId::of(&other, &endpoint));
    }

    #[test]
    fn base62_is_fair_and_padded() {
        let mut seen = [0_u32; 256];
        (0..=u8::MAX)
            .filter_map(base62_of_random)
            .for_each(|c| seen[usize::from(c)] += 1);
        assert!(BASE62.iter().all(|c| seen[usize::from(*c)] == 4));
        assert_eq!(&base62_of_number::<6>(61), b"00000z");
        assert_eq!(&base62_of_number::<6>(62), b"000010");
    }
}
