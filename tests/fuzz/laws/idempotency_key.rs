//! `Idempotency-Key`: what is taken is what the contract says, and it is read back as the same key.

use atlas::domain::idempotency::{IdempotencyKey, RecordId};
use atlas::domain::key::{Account, Mode};

pub fn holds(bytes: &[u8]) {
    let trimmed = bytes.trim_ascii();
    let is_key = (1..=255).contains(&trimmed.len())
        && trimmed.iter().all(|byte| (0x20..=0x7e).contains(byte));
    let Ok(key) = IdempotencyKey::parse(bytes) else {
        assert!(!is_key, "a good key was refused");
        return;
    };
    assert!(is_key, "a bad key was taken");
    assert_eq!(key.as_str().as_bytes(), trimmed);
    assert_eq!(
        IdempotencyKey::parse(key.as_str().as_bytes()).as_ref(),
        Ok(&key)
    );
    let id = |mode| RecordId::of(&Account::default(), mode, &key);
    assert_eq!(id(Mode::Test), id(Mode::Test));
    assert_ne!(id(Mode::Test), id(Mode::Live));
}
