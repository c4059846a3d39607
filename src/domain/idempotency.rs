//! Idempotency: which requests are the same, and what a repeated one gets (contract, section 3).

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::asked::Asked;
use crate::domain::claim::OpenClaim;
use crate::domain::id::SessionId;
use crate::domain::key::{Account, Mode};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::policy;

/// What a client put into `Idempotency-Key`: 1 to 255 characters of 0x20 to 0x7E, without space at either end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a header value.
    ///
    /// # Errors
    /// [`Refusal::IdempotencyKeyInvalid`] for an empty, blank or overlong one and for other bytes.
    pub fn parse(value: &[u8]) -> Result<Self, Refusal> {
        let refuse = |why| Err(Refusal::IdempotencyKeyInvalid { why });
        let value = value.trim_ascii();
        if value.is_empty() {
            return refuse("It is empty or blank.");
        }
        if value.len() > policy::IDEMPOTENCY_KEY_MAX {
            return refuse("It is longer than 255 characters.");
        }
        match std::str::from_utf8(value) {
            Ok(text) if value.iter().all(|byte| (0x20..=0x7e).contains(byte)) => {
                Ok(Self(text.to_owned()))
            }
            _ => refuse("It has characters other than visible ASCII and spaces."),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the record of a request is kept: the hash of account, mode and idempotency key. The API key is not part of
/// it, so that a retry after rolling, or through a second key of the merchant, finds the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// The place for this key in this account and mode.
    pub fn of(account: &Account, mode: Mode, key: &IdempotencyKey) -> Self {
        let (owner, mode) = (account.as_str().as_bytes(), mode.as_str().as_bytes());
        Self::in_room(owner, mode, key)
    }

    /// The place for this key of the buyer of a session: whatever a buyer chooses, it meets no key of the merchant's.
    pub fn of_buyer(session: &SessionId, key: &IdempotencyKey) -> Self {
        Self::in_room(session.as_bytes(), b"buyer", key)
    }

    fn in_room(owner: &[u8], kind: &[u8], key: &IdempotencyKey) -> Self {
        let hash = hash_parts([owner, kind, key.as_str().as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }

    /// From the bytes it is stored under.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to store it under.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What makes two requests the same: method, path, query and body, the body in canonical form where it is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request with this body, in canonical form where it is JSON.
    pub fn of(method: &str, path: &str, query: &str, canonical: &[u8]) -> Self {
        Self(hash_parts([
            method.as_bytes(),
            path.as_bytes(),
            query.as_bytes(),
            canonical,
        ]))
    }

    /// From the bytes of a stored one.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// blake3 over parts with their lengths, so that no two lists of parts run together.
fn hash_parts<const N: usize>(parts: [&[u8]; N]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// An answer as the client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Cow<'static, str>,
    /// Other headers of an upstream's answer, by name; our own answers have none.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

/// What is kept of how a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it: a repeat gets the same.
    Answer(Reply),
    /// That it was done, and with which status; None where an operator found out that it was.
    Done(Option<u16>),
}

/// What is remembered of a request that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which request it was.
    pub fingerprint: Fingerprint,
    /// When it first came.
    pub first_at: Timestamp,
    /// The record answers below this time.
    pub expires_at: Timestamp,
    /// What was answered.
    pub kept: Kept,
    /// In test mode, what was asked, so that a developer can be shown what differs from it.
    pub asked: Option<Asked>,
}

impl Record {
    /// The record of a request that came first at `first_at`.
    pub fn new(
        fingerprint: Fingerprint,
        first_at: Timestamp,
        lifetime: Duration,
        kept: Kept,
        asked: Option<Asked>,
    ) -> Self {
        Self {
            fingerprint,
            first_at,
            expires_at: first_at.plus(lifetime),
            kept,
            asked,
        }
    }
}

/// What to do with a request under an idempotency key whose first request does not run any more.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is known of it: run it.
    Run,
    /// It went upstream, and nobody here knows what became of it.
    Resume(OpenClaim),
    /// It was run: answer the same.
    Replay(Reply),
    /// It was run, and its answer is not there to be given again; with its status, where that is known.
    Done(Option<u16>),
    /// The key was used for another request.
    Mismatch,
}

/// Decides by what is stored, and by the claim that is open.
pub fn decide(
    stored: Option<Record>,
    open: Option<OpenClaim>,
    fingerprint: Fingerprint,
    now: Timestamp,
) -> Decision {
    if let Some(claim) = open.filter(|claim| now < claim.expires_at) {
        return if claim.fingerprint == fingerprint {
            Decision::Resume(claim)
        } else {
            Decision::Mismatch
        };
    }
    match stored {
        Some(record) if now >= record.expires_at => Decision::Run,
        Some(record) if record.fingerprint != fingerprint => Decision::Mismatch,
        Some(record) => match record.kept {
            Kept::Answer(reply) => Decision::Replay(reply),
            Kept::Done(status) => Decision::Done(status),
        },
        None => Decision::Run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::json::Json;

    fn reply() -> Reply {
        Reply {
            status: 201,
            content_type: Cow::Borrowed("application/json"),
            headers: Vec::new(),
            body: b"{}".to_vec(),
        }
    }

    fn fingerprint(path: &str, query: &str, body: &str) -> Fingerprint {
        Fingerprint::of(
            "POST",
            path,
            query,
            &Json::parse(body.as_bytes()).expect("JSON").canonical(),
        )
    }

    #[test]
    fn keys_have_bounds() {
        let longest = "k".repeat(255);
        for (value, good) in [
            ("a", true),
            (longest.as_str(), true),
            (" a b ", true),
            ("", false),
            ("   ", false),
        ] {
            assert_eq!(
                IdempotencyKey::parse(value.as_bytes()).is_ok(),
                good,
                "{value:?}"
            );
        }
        assert!(IdempotencyKey::parse("k".repeat(256).as_bytes()).is_err());
        assert!(IdempotencyKey::parse("clé".as_bytes()).is_err());
        assert!(IdempotencyKey::parse(b"a\xff").is_err());
        assert!(IdempotencyKey::parse(b"a\tb").is_err());
        assert_eq!(
            IdempotencyKey::parse(b"  a b ").map(|key| key.as_str().to_owned()),
            Ok("a b".to_owned())
        );
    }

    #[test]
    fn a_record_lives_below_its_lifetime_and_is_dead_at_it() {
        let first = Timestamp::from_millis(5_000);
        let print = fingerprint("/a", "", "{}");
        let record = Record::new(
            print,
            first,
            Duration::from_secs(86_400),
            Kept::Answer(reply()),
            None,
        );
        let at = |millis: u64| {
            decide(
                Some(record.clone()),
                None,
                print,
                Timestamp::from_millis(5_000 + millis),
            )
        };
        assert_eq!(at(0), Decision::Replay(reply()));
        assert_eq!(at(86_399_999), Decision::Replay(reply()));
        assert_eq!(at(86_400_000), Decision::Run);
    }

    #[test]
    fn the_same_request_is_the_same_whatever_its_members_order_and_white_space() {
        let one = fingerprint("/a", "", r#"{"amount":1,"m":{"x":"1","y":"2"}}"#);
        assert_eq!(
            one,
            fingerprint(
                "/a",
                "",
                "{ \"m\": {\"y\":\"2\", \"x\":\"1\"},\n\"amount\":1 }"
            )
        );
        for (path, query, body) in [
            ("/b", "", r#"{"amount":1,"m":{"x":"1","y":"2"}}"#),
            ("/a", "x=1", r#"{"amount":1,"m":{"x":"1","y":"2"}}"#),
            ("/a", "", r#"{"amount":2,"m":{"x":"1","y":"2"}}"#),
            ("/a", "", r#"{"amount":"1","m":{"x":"1","y":"2"}}"#),
            ("/a", "", r#"{"amount":1,"m":{"x":"2","y":"1"}}"#),
        ] {
            assert_ne!(one, fingerprint(path, query, body), "{path} {query} {body}");
        }
    }

    #[test]
    fn records_are_kept_by_account_and_mode() {
        let key = IdempotencyKey::parse(b"order_1").expect("a key");
        let account = |name: &str| name.parse::<Account>().expect("an account");
        let place = RecordId::of(&account("a"), Mode::Test, &key);
        assert_eq!(place, RecordId::of(&account("a"), Mode::Test, &key));
        assert_ne!(place, RecordId::of(&account("b"), Mode::Test, &key));
        assert_ne!(place, RecordId::of(&account("a"), Mode::Live, &key));
    }
}
