//! How a block looks on disk: `version u8, count u16`, for each record `key 24 bytes, length u32`, then the records one
//! behind the other; big-endian.

use std::ops::Range;

use crate::policy;
use crate::store::rows::Unreadable;

/// What a record is found by.
pub(in crate::store) type EntryKey = [u8; 24];

const VERSION: u8 = 1;
const HEAD: usize = 1 + 2;
const LENGTH: usize = 4;
const ENTRY: usize = size_of::<EntryKey>() + LENGTH;

/// A block that is being filled.
pub(in crate::store) struct Filling {
    keys: Vec<EntryKey>,
    directory: Vec<u8>,
    records: Vec<u8>,
}

impl Default for Filling {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            directory: Vec::new(),
            records: Vec::with_capacity(policy::BLOCK),
        }
    }
}

impl Filling {
    /// The keys of what is in it.
    pub(in crate::store) fn keys(&self) -> &[EntryKey] {
        &self.keys
    }

    /// Whether there is room for a record of so many bytes: a large one has a block to itself.
    pub(in crate::store) fn has_room(&self, length: usize) -> bool {
        let taken = self.directory.len() + self.records.len();
        self.keys.is_empty() || taken + ENTRY + length <= policy::BLOCK
    }

    pub(in crate::store) fn push(&mut self, key: &EntryKey, record: &[u8]) {
        // Rows are far below this: see `policy::BODY_MAX`.
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.keys.push(*key);
        self.directory.extend_from_slice(key);
        self.directory.extend_from_slice(&length.to_be_bytes());
        self.records.extend_from_slice(record);
    }

    /// The keys of its records, and the block.
    pub(in crate::store) fn finish(self) -> (Vec<EntryKey>, Vec<u8>) {
        let count = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        let mut block = Vec::with_capacity(HEAD + self.directory.len() + self.records.len());
        block.push(VERSION);
        block.extend_from_slice(&count.to_be_bytes());
        block.extend_from_slice(&self.directory);
        block.extend_from_slice(&self.records);
        (self.keys, block)
    }
}

/// The records of a block, in the order in which they were laid.
#[derive(Clone)]
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

    pub(in crate::store) fn keys(self) -> impl Iterator<Item = EntryKey> {
        self.map(|(key, _)| key)
    }
}

impl Iterator for Records<'_> {
    type Item = (EntryKey, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, length) = split(self.directory.next()?);
        let place = self.at..(self.at + length).min(self.block.len());
        self.at = place.end;
        Some((key, place))
    }
}

fn split(entry: &[u8; ENTRY]) -> (EntryKey, usize) {
    let (mut key, mut length) = ([0; 24], [0; LENGTH]);
    key.copy_from_slice(&entry[..24]);
    length.copy_from_slice(&entry[24..]);
    (key, u32::from_be_bytes(length) as usize)
}

/// A block as it would be written today; None where it can't be read.
pub(in crate::store) fn rewritten(block: &[u8]) -> Option<Vec<u8>> {
    let mut filling = Filling::default();
    for (key, place) in Records::of(block).ok()? {
        filling.push(&key, &block[place]);
    }
    Some(filling.finish().1)
}
