//! Idempotency records as they lie in sled: many to a row, since a row costs more than what is in it. sled copies a whole
//! leaf for each row that comes, and splits one that has 16.
//!
//! The records of a group of commits lie in *blocks*, by number. What a block *contains* is told in a second row, in the
//! order in which blocks are over: by it the sweeper goes, and from it a start makes the index that leads from the id of a
//! record to its block. Both rows are written before the index leads there, so that a reader finds a whole record or none.
//!
//! The row of a block is there, and empty, before the block is: so its leaf has split while there was nothing in it, and
//! what fills it is written once, and not three times and then moved about: 3.5 KB are written for an order instead of
//! 6.9, its log and its session included.

mod block;
mod check;
mod index;
mod over;
#[cfg(test)]
mod tests;

use std::iter::repeat_n;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use self::block::{Filling, Records, decode_contents};
use self::index::Index;
use super::rows::{self, Row, Table, Unreadable};
use super::{Unavailable, unreadable};
use crate::domain::time::Timestamp;
use crate::policy;

pub(super) use self::block::AnswerKey;
pub(super) use self::check::{Flaw, rewritten};

/// The tree of blocks.
pub(super) const BLOCKS: &str = "blocks";
/// The tree that tells what they contain.
pub(super) const CONTENTS: &str = "contents";

/// Number of a block. They are given one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(u64);

impl Number {
    const fn as_key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    fn from_key(key: &[u8]) -> Result<Self, Unreadable> {
        let bytes = key.try_into().map_err(|_| Unreadable)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// The blocks that the records of some rows were laid into, in the order of the rows.
pub(super) struct Laid(std::vec::IntoIter<Number>);

/// A record where it lies.
pub(super) struct Found {
    pub(super) expires_at: Timestamp,
    block: sled::IVec,
    place: Range<usize>,
}

impl Found {
    pub(super) fn bytes(&self) -> &[u8] {
        self.block.get(self.place.clone()).unwrap_or_default()
    }
}

/// The records of all blocks.
pub(super) struct Answers {
    /// Number -> block.
    blocks: sled::Tree,
    /// When the last of its records is over, and number of a block -> what it contains.
    contents: sled::Tree,
    index: Index,
    /// Number of the next block.
    next: AtomicU64,
}

impl Answers {
    /// Opens the records as they were when the next block had this number. What came since is in the journal, and is laid
    /// again; a journal that was written by another atlas may be laid in another way.
    pub(super) fn open(
        blocks: sled::Tree,
        contents: sled::Tree,
        next: Option<u64>,
    ) -> sled::Result<Self> {
        let next = match next {
            Some(next) => next,
            None => next_of(&blocks)?,
        };
        for row in blocks.range(Number(next).as_key()..).keys() {
            blocks.remove(row?)?;
        }
        let index = Index::default();
        for row in contents.iter() {
            let (key, value) = row?;
            let (_, number) = decode_contents_key(&key).map_err(|Unreadable| lost(&key))?;
            if number.0 >= next {
                contents.remove(key)?;
                continue;
            }
            let lead = |key: &AnswerKey| index.lead(id_of(key), number);
            if let Ok(keys) = decode_contents(&value) {
                keys.iter().for_each(lead);
                continue;
            }
            // The block itself knows, too.
            let block = blocks.get(number.as_key())?.unwrap_or_default();
            let records = Records::of(&block).map_err(|Unreadable| lost(&key))?;
            records.for_each(|(key, _)| lead(&key));
        }
        Ok(Self {
            blocks,
            contents,
            index,
            next: AtomicU64::new(next),
        })
    }

    /// The number that the next block will have.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Records that can be found, expired ones among them.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The record of this id, expired or not.
    pub(super) fn get(&self, id: &[u8; 16]) -> Result<Option<Found>, Unavailable> {
        loop {
            let Some(number) = self.index.get(id) else {
                return Ok(None);
            };
            let block = self.blocks.get(number.as_key());
            if let Some(block) = block.map_err(|e| unreadable("answers", &e))? {
                let found = Records::of(&block).map(|records| records.of_id(id));
                let found = found.map_err(|e| unreadable("answers", &e))?;
                let (expires_at, place) =
                    found.ok_or_else(|| unreadable("answers", &Unreadable))?;
                return Ok(Some(Found {
                    expires_at,
                    block,
                    place,
                }));
            }
            // Swept between the two, which only happens to what expired long ago; or lost, and then nobody knows.
            if self.index.get(id) == Some(number) {
                return Err(unreadable("answers", &Unreadable));
            }
        }
    }

    /// Lays the records among these rows into blocks, up to where all are removed. Nothing leads there yet.
    pub(super) fn lay<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> sled::Result<Laid> {
        let (mut filling, mut laid) = (Filling::default(), Vec::new());
        for row in rows {
            match row {
                Row::Put {
                    table: Table::Answers,
                    key,
                    value,
                } => {
                    let key = answer_key(key)?;
                    if !filling.has_room(key, value.len()) {
                        let (count, full) = (filling.len(), std::mem::take(&mut filling));
                        laid.extend(repeat_n(self.write(full)?, count));
                    }
                    filling.push(key, value);
                }
                Row::Clear {
                    table: Table::Answers,
                } => break,
                Row::Put { .. } | Row::Raise { .. } | Row::Remove { .. } | Row::Clear { .. } => (),
            }
        }
        if filling.len() > 0 {
            let count = filling.len();
            laid.extend(repeat_n(self.write(filling)?, count));
        }
        Ok(Laid(laid.into_iter()))
    }

    /// Applies a row of those that were laid. From then on its record is found.
    pub(super) fn apply(&self, row: &Row, laid: &mut Laid) -> sled::Result<()> {
        match row {
            Row::Put {
                table: Table::Answers,
                key,
                value,
            } => {
                let key = answer_key(key)?;
                let number = if let Some(number) = laid.0.next() {
                    number
                } else {
                    // Behind a removal of all.
                    let mut alone = Filling::default();
                    alone.push(key, value);
                    self.write(alone)?
                };
                self.index.lead(id_of(key), number);
                Ok(())
            }
            Row::Clear {
                table: Table::Answers,
            } => self.clear(),
            Row::Remove {
                table: Table::Answers,
                ..
            } => {
                let why = "a record goes when its time is over, and not by itself";
                Err(sled::Error::Unsupported(why.to_owned()))
            }
            // What led to records up to format 4.
            Row::Put { .. } | Row::Raise { .. } | Row::Remove { .. } | Row::Clear { .. } => Ok(()),
        }
    }

    /// Writes a block, and what it contains, under the next number.
    fn write(&self, filling: Filling) -> sled::Result<Number> {
        let number = Number(self.next.fetch_add(1, Ordering::Relaxed));
        let (last_expiry, block, contents) = filling.finish();
        // Where several threads fill a store, another may have been faster.
        let ahead = Number(number.0 + policy::BLOCKS_AHEAD).as_key();
        drop(
            self.blocks
                .compare_and_swap(ahead, None::<&[u8]>, Some(&[]))?,
        );
        self.blocks.insert(number.as_key(), block)?;
        self.contents
            .insert(contents_key(last_expiry, number), contents)?;
        Ok(number)
    }

    /// Removes every record.
    pub(super) fn clear(&self) -> sled::Result<()> {
        self.index.clear();
        self.contents.clear()?;
        self.blocks.clear()
    }

    /// Whether a record of this id is known.
    pub(super) fn knows(&self, id: &[u8; 16]) -> bool {
        self.index.get(id).is_some()
    }

    /// Every record that can be found, by its key, in the order in which blocks are over. Those that can't be read come as
    /// empty ones, which can't be read either: nobody must take them for requests that never came.
    pub(super) fn rows(&self) -> impl Iterator<Item = sled::Result<(AnswerKey, sled::IVec)>> {
        self.contents.iter().flat_map(|row| {
            let listed = row.and_then(|(key, contents)| self.records_of(&key, &contents));
            let (listed, fault) = match listed {
                Ok(listed) => (listed, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            listed.into_iter().map(Ok).chain(fault)
        })
    }

    fn records_of(
        &self,
        row: &[u8],
        contents: &[u8],
    ) -> sled::Result<Vec<(AnswerKey, sled::IVec)>> {
        let (_, number) = decode_contents_key(row).map_err(|Unreadable| lost(row))?;
        let found = self.blocks.get(number.as_key())?;
        // As in `Trees::stored`: sled holds fewer pages of what is asked for twice.
        self.blocks.contains_key(number.as_key())?;
        let block = found.as_deref().unwrap_or_default();
        let mut listed: Vec<(AnswerKey, sled::IVec)> = match Records::of(block) {
            Ok(records) => records
                .map(|(key, place)| (key, block.get(place).unwrap_or_default().into()))
                .collect(),
            Err(Unreadable) => {
                let keys = decode_contents(contents).map_err(|Unreadable| lost(row))?;
                keys.iter()
                    .map(|key| (*key, [].as_slice().into()))
                    .collect()
            }
        };
        listed.retain(|(key, _)| self.index.get(id_of(key)) == Some(number));
        Ok(listed)
    }

    fn has(&self, number: Number) -> sled::Result<bool> {
        let block = self.blocks.get(number.as_key())?;
        Ok(block.is_some_and(|block| !block.is_empty()))
    }
}

/// The number behind that of the last block.
fn next_of(blocks: &sled::Tree) -> sled::Result<u64> {
    for row in blocks.iter().rev() {
        let (key, block) = row?;
        if !block.is_empty() {
            let last = Number::from_key(&key).map_err(|Unreadable| lost(&key))?;
            return Ok(last.0.saturating_add(1));
        }
    }
    Ok(0)
}

fn lost(key: &[u8]) -> sled::Error {
    let why = format!("nothing says what a block of answers contains ({key:02x?})");
    sled::Error::Unsupported(why)
}

fn id_of(key: &AnswerKey) -> &[u8; 16] {
    key.last_chunk().unwrap_or(&[0; 16])
}

fn answer_key(key: &[u8]) -> sled::Result<&AnswerKey> {
    key.try_into().map_err(|_| {
        sled::Error::Unsupported(format!("the key of a record has {} bytes", key.len()))
    })
}

fn contents_key(last_expiry: Timestamp, number: Number) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&last_expiry.millis().to_be_bytes());
    key[8..].copy_from_slice(&number.as_key());
    key
}

fn decode_contents_key(key: &[u8]) -> Result<(Timestamp, Number), Unreadable> {
    let (last, number) = key.split_first_chunk::<8>().ok_or(Unreadable)?;
    Ok((rows::decode_time(last)?, Number::from_key(number)?))
}
