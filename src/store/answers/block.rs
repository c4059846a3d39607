//! How a block looks on disk: `version u8, count u16`, for each record `expiry u64, id 16 bytes, length u32`, then the
//! records one behind the other; big-endian. What it contains is told beside it by `version u8` and the expiry and id of
//! each record.

use std::ops::Range;

use crate::domain::time::Timestamp;
use crate::policy;
use crate::store::rows::{self, Unreadable};

/// Expiry and id of a record: what is over first comes first.
pub(in crate::store) type AnswerKey = [u8; 24];

const VERSION: u8 = 1;
const HEAD: usize = 1 + 2;
const LENGTH: usize = 4;
const ENTRY: usize = size_of::<AnswerKey>() + LENGTH;

/// A block that is being filled.
#[derive(Default)]
pub(super) struct Filling {
    keys: Vec<AnswerKey>,
    directory: Vec<u8>,
    records: Vec<u8>,
}

impl Filling {
    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a record belongs here that has so many bytes: a large one has a block to itself, and of one id there is one
    /// record in a block.
    pub(super) fn has_room(&self, key: &AnswerKey, length: usize) -> bool {
        let fits = self.keys.is_empty() || self.records.len() + length <= policy::BLOCK;
        fits && self.keys.iter().all(|known| known[8..] != key[8..])
    }

    pub(super) fn push(&mut self, key: &AnswerKey, record: &[u8]) {
        // Rows are far below this: see `policy::BODY_MAX`.
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.keys.push(*key);
        self.directory.extend_from_slice(key);
        self.directory.extend_from_slice(&length.to_be_bytes());
        self.records.extend_from_slice(record);
    }

    /// When the last of its records is over; the block, and what it contains.
    pub(super) fn finish(self) -> (Timestamp, Vec<u8>, Vec<u8>) {
        let count = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        let mut block = Vec::with_capacity(HEAD + self.directory.len() + self.records.len());
        block.push(VERSION);
        block.extend_from_slice(&count.to_be_bytes());
        block.extend_from_slice(&self.directory);
        block.extend_from_slice(&self.records);
        (last_expiry(&self.keys), block, encode_contents(&self.keys))
    }
}

/// When the last of these records is over.
pub(in crate::store) fn last_expiry(keys: &[AnswerKey]) -> Timestamp {
    let expiry = |key: &AnswerKey| rows::decode_answer_key(key).map(|(expires_at, _)| expires_at);
    keys.iter()
        .filter_map(|key| expiry(key).ok())
        .max()
        .unwrap_or_default()
}

/// The records of a block, in the order in which they came.
pub(in crate::store) struct Records<'a> {
    directory: std::slice::Iter<'a, [u8; ENTRY]>,
    block: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    pub(in crate::store) fn of(block: &'a [u8]) -> Result<Self, Unreadable> {
        let (head, rest) = block.split_first_chunk::<HEAD>().ok_or(Unreadable)?;
        let [VERSION, count @ ..] = *head else {
            return Err(Unreadable);
        };
        let directory = usize::from(u16::from_be_bytes(count)) * ENTRY;
        let (entries, []) = rest.get(..directory).ok_or(Unreadable)?.as_chunks() else {
            return Err(Unreadable);
        };
        let records = Self {
            directory: entries.iter(),
            block,
            at: HEAD + directory,
        };
        let lengths = entries
            .iter()
            .map(|entry| split(entry).1 as u64)
            .sum::<u64>();
        let is_whole = records.at as u64 + lengths == block.len() as u64;
        is_whole.then_some(records).ok_or(Unreadable)
    }

    /// Where the record of this id lies, and when it expires.
    pub(super) fn of_id(mut self, id: &[u8; 16]) -> Option<(Timestamp, Range<usize>)> {
        let (key, place) = Iterator::find(&mut self, |(key, _)| key[8..] == id[..])?;
        let (expires_at, _) = rows::decode_answer_key(&key).ok()?;
        Some((expires_at, place))
    }
}

impl Iterator for Records<'_> {
    type Item = (AnswerKey, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, length) = split(self.directory.next()?);
        let place = self.at..(self.at + length).min(self.block.len());
        self.at = place.end;
        Some((key, place))
    }
}

fn split(entry: &[u8; ENTRY]) -> (AnswerKey, usize) {
    let (mut key, mut length) = ([0; 24], [0; LENGTH]);
    key.copy_from_slice(&entry[..24]);
    length.copy_from_slice(&entry[24..]);
    (key, u32::from_be_bytes(length) as usize)
}

pub(in crate::store) fn encode_contents(keys: &[AnswerKey]) -> Vec<u8> {
    let mut contents = Vec::with_capacity(1 + size_of_val(keys));
    contents.push(VERSION);
    contents.extend_from_slice(keys.as_flattened());
    contents
}

pub(in crate::store) fn decode_contents(contents: &[u8]) -> Result<&[AnswerKey], Unreadable> {
    match contents {
        [VERSION, keys @ ..] => match keys.as_chunks() {
            (keys, []) => Ok(keys),
            _ => Err(Unreadable),
        },
        _ => Err(Unreadable),
    }
}
