//! How what is told of a block looks on disk: under when the last of its records is over, and its number, lie
//! `version u8` and the expiry and id of each record; big-endian.

use super::record;
use crate::domain::time::Timestamp;
use crate::store::blocks::{EntryKey, Number};
use crate::store::rows::{self, Unreadable};

const VERSION: u8 = 1;

pub(super) fn key_of(last_expiry: Timestamp, number: Number) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&last_expiry.millis().to_be_bytes());
    key[8..].copy_from_slice(&number.as_key());
    key
}

pub(super) fn decode_key(key: &[u8]) -> Result<(Timestamp, Number), Unreadable> {
    let (last, number) = key.split_first_chunk::<8>().ok_or(Unreadable)?;
    Ok((rows::decode_time(last)?, Number::from_key(number)?))
}

/// When the last of these records is over.
pub(super) fn last_expiry(keys: &[EntryKey]) -> Timestamp {
    let expiry = |key: &EntryKey| record::decode_key(key).map(|(expires_at, _)| expires_at);
    keys.iter()
        .filter_map(|key| expiry(key).ok())
        .max()
        .unwrap_or_default()
}

pub(super) fn encode(keys: &[EntryKey]) -> Vec<u8> {
    let mut contents = Vec::with_capacity(1 + size_of_val(keys));
    contents.push(VERSION);
    contents.extend_from_slice(keys.as_flattened());
    contents
}

pub(super) fn decode(contents: &[u8]) -> Result<&[EntryKey], Unreadable> {
    match contents {
        [VERSION, keys @ ..] => match keys.as_chunks() {
            (keys, []) => Ok(keys),
            _ => Err(Unreadable),
        },
        _ => Err(Unreadable),
    }
}

/// A row as it would be written today; None where it can't be read.
pub(in crate::store) fn rewritten(contents: &[u8]) -> Option<Vec<u8>> {
    Some(encode(decode(contents).ok()?))
}
