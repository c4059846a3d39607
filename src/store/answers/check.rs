//! Whether blocks agree with themselves, with what is told of them, and with the index.

use super::block::{self, AnswerKey, Filling, Records, decode_contents, last_expiry};
use super::{Answers, BLOCKS, CONTENTS, Number, contents_key, decode_contents_key, id_of};
use crate::domain::time::Timestamp;
use crate::store::rows::{self, Unreadable};

/// What is wrong with a block, or with what is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Flaw {
    /// It can't be read, or does not agree with itself.
    Unreadable,
    /// A record came after its time was over.
    Late,
    /// A record can't be found by its id.
    Unreachable,
    /// The block is missing.
    Missing,
}

impl Answers {
    /// What is wrong with a block, and with what is told of it. Nothing has to lead to what was over before `now`.
    pub(in crate::store) fn check_block(
        &self,
        key: &[u8],
        block: &[u8],
        now: Timestamp,
    ) -> sled::Result<Result<(), Flaw>> {
        let (number, records) = (Number::from_key(key), Records::of(block));
        if block.is_empty() && number.as_ref().is_ok_and(|number| number.0 >= self.next()) {
            // It is still to be filled.
            return Ok(Ok(()));
        }
        let (Ok(number), Ok(records)) = (number, records) else {
            return Ok(Err(Flaw::Unreadable));
        };
        let mut keys = Vec::new();
        for (key, place) in records {
            let read = rows::decode_answer_key(&key).and_then(|(expires_at, _)| {
                rows::decode_record(block.get(place).unwrap_or_default(), expires_at)
            });
            match read {
                Ok(record) if record.first_at <= record.expires_at => keys.push(key),
                Ok(_) => return Ok(Err(Flaw::Late)),
                Err(Unreadable) => return Ok(Err(Flaw::Unreadable)),
            }
        }
        let row = contents_key(last_expiry(&keys), number);
        let told = self.contents.get(row)?;
        let is_told = told.is_some_and(|told| decode_contents(&told) == Ok(keys.as_slice()));
        let is_led_to = |key: &AnswerKey| {
            let is_over = rows::decode_answer_key(key).is_ok_and(|(at, _)| at < now);
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
        let (Ok((last, number)), Ok(keys)) = (decode_contents_key(key), decode_contents(value))
        else {
            return Ok(Err(Flaw::Unreadable));
        };
        if last != last_expiry(keys) {
            return Ok(Err(Flaw::Unreadable));
        }
        let block = self.blocks.get(number.as_key())?.unwrap_or_default();
        let agrees = match Records::of(&block) {
            Ok(records) => records.map(|(key, _)| key).eq(keys.iter().copied()),
            // Its own row says so.
            Err(Unreadable) => !block.is_empty(),
        };
        Ok(agrees.then_some(()).ok_or(Flaw::Missing))
    }
}

/// A row of either tree as it would be written today; None where it can't be read, or is no row of them.
pub(in crate::store) fn rewritten(tree: &str, row: &[u8]) -> Option<Vec<u8>> {
    match tree {
        BLOCKS => {
            let mut filling = Filling::default();
            for (key, place) in Records::of(row).ok()? {
                filling.push(&key, &row[place]);
            }
            Some(filling.finish().1)
        }
        CONTENTS => Some(block::encode_contents(decode_contents(row).ok()?)),
        _ => None,
    }
}
