//! Whether blocks agree with themselves, with what is told of them, and with the index.

use super::contents::{key_of, last_expiry};
use super::{Answers, contents, id_of, record};
use crate::domain::time::Timestamp;
use crate::store::blocks::{EntryKey, Flaw, Records};
use crate::store::rows::Unreadable;

impl Answers {
    /// What is wrong with a block, and with what is told of it. Nothing has to lead to what was over before `now`.
    pub(in crate::store) fn check_block(
        &self,
        key: &[u8],
        block: &[u8],
        now: Timestamp,
    ) -> sled::Result<Result<(), Flaw>> {
        let (number, records) = match self.blocks.check(key, block) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(())),
            Err(flaw) => return Ok(Err(flaw)),
        };
        let mut keys = Vec::new();
        for (key, place) in records {
            let read = record::decode_key(&key).and_then(|(expires_at, _)| {
                record::decode(block.get(place).unwrap_or_default(), expires_at)
            });
            match read {
                Ok(record) if record.first_at <= record.expires_at => keys.push(key),
                Ok(_) => return Ok(Err(Flaw::Late)),
                Err(Unreadable) => return Ok(Err(Flaw::Unreadable)),
            }
        }
        let row = key_of(last_expiry(&keys), number);
        let told = self.contents.get(row)?;
        let is_told = told.is_some_and(|told| contents::decode(&told) == Ok(keys.as_slice()));
        let is_led_to = |key: &EntryKey| {
            let is_over = record::decode_key(key).is_ok_and(|(at, _)| at < now);
            is_over || self.index.get(id_of(key)).is_some_and(|to| to >= number)
        };
        let is_found = is_told && keys.iter().all(is_led_to);
        Ok(is_found.then_some(()).ok_or(Flaw::Unreachable))
    }

    /// What is wrong with what is told of a block.
    pub(in crate::store) fn check_contents(
        &self,
        key: &[u8],
        value: &[u8],
    ) -> sled::Result<Result<(), Flaw>> {
        let (Ok((last, number)), Ok(keys)) = (contents::decode_key(key), contents::decode(value))
        else {
            return Ok(Err(Flaw::Unreadable));
        };
        if last != last_expiry(keys) {
            return Ok(Err(Flaw::Unreadable));
        }
        let block = self.blocks.get(number)?.unwrap_or_default();
        let agrees = match Records::of(&block) {
            Ok(records) => records.keys().eq(keys.iter().copied()),
            // Its own row says so.
            Err(Unreadable) => !block.is_empty(),
        };
        Ok(agrees.then_some(()).ok_or(Flaw::Missing))
    }
}
