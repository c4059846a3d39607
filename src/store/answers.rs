//! Idempotency records as they lie in sled: those of a group of commits in [`Blocks`]. What a block *contains* is told in a
//! second row, in the order in which blocks are over: by it the sweeper goes, and from it a start makes the index that leads
//! from the id of a record to its block. Both rows are written before the index leads there, so that a reader finds a whole
//! record or none.

mod check;
pub(super) mod contents;
mod index;
mod over;
pub(super) mod record;
#[cfg(test)]
mod tests;

use std::iter::repeat_n;
use std::ops::Range;

use self::index::Index;
use super::blocks::{Blocks, EntryKey, Filling, Number, Records};
use super::rows::{Row, Table, Unreadable};
use super::{Unavailable, unreadable};
use crate::domain::time::Timestamp;

/// The tree of blocks.
pub(super) const BLOCKS: &str = "blocks";
/// The tree that tells what they contain.
pub(super) const CONTENTS: &str = "contents";

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
    blocks: Blocks,
    /// When the last of its records is over, and number of a block -> what it contains.
    contents: sled::Tree,
    index: Index,
}

impl Answers {
    /// Opens the records as they were when the next block had this number.
    pub(super) fn open(
        blocks: sled::Tree,
        contents: sled::Tree,
        next: Option<Number>,
    ) -> sled::Result<Self> {
        let blocks = Blocks::open(blocks, next)?;
        let index = Index::default();
        for row in contents.iter() {
            let (key, value) = row?;
            let (_, number) = contents::decode_key(&key).map_err(|Unreadable| lost(&key))?;
            if number >= blocks.next() {
                contents.remove(key)?;
                continue;
            }
            let lead = |key: &EntryKey| index.lead(id_of(key), number);
            if let Ok(keys) = contents::decode(&value) {
                keys.iter().for_each(lead);
                continue;
            }
            // The block itself knows, too.
            let block = blocks.get(number)?.unwrap_or_default();
            let records = Records::of(&block).map_err(|Unreadable| lost(&key))?;
            records.for_each(|(key, _)| lead(&key));
        }
        Ok(Self {
            blocks,
            contents,
            index,
        })
    }

    /// The number that the next block will have.
    pub(super) fn next(&self) -> Number {
        self.blocks.next()
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
            let block = self.blocks.get(number);
            if let Some(block) = block.map_err(|e| unreadable("answers", &e))? {
                let found = Records::of(&block).map(|records| of_id(records, id));
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
                    let key = entry_key(key)?;
                    // Of one id there is one record in a block.
                    let known = |known: &EntryKey| id_of(known) == id_of(key);
                    if !filling.has_room(value.len()) || filling.keys().iter().any(known) {
                        let full = std::mem::take(&mut filling);
                        let count = full.keys().len();
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
        let count = filling.keys().len();
        if count > 0 {
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
                let key = entry_key(key)?;
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
        let (keys, block) = filling.finish();
        let number = self.blocks.write(block)?;
        let row = contents::key_of(contents::last_expiry(&keys), number);
        self.contents.insert(row, contents::encode(&keys))?;
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
    pub(super) fn rows(&self) -> impl Iterator<Item = sled::Result<(EntryKey, sled::IVec)>> {
        self.contents.iter().flat_map(|row| {
            let listed = row.and_then(|(key, contents)| self.records_of(&key, &contents));
            let (listed, fault) = match listed {
                Ok(listed) => (listed, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            listed.into_iter().map(Ok).chain(fault)
        })
    }

    fn records_of(&self, row: &[u8], contents: &[u8]) -> sled::Result<Vec<(EntryKey, sled::IVec)>> {
        let (_, number) = contents::decode_key(row).map_err(|Unreadable| lost(row))?;
        let found = self.blocks.get_in_passing(number)?;
        let block = found.as_deref().unwrap_or_default();
        let mut listed: Vec<(EntryKey, sled::IVec)> = match Records::of(block) {
            Ok(records) => records
                .map(|(key, place)| (key, block.get(place).unwrap_or_default().into()))
                .collect(),
            Err(Unreadable) => {
                let keys = contents::decode(contents).map_err(|Unreadable| lost(row))?;
                keys.iter()
                    .map(|key| (*key, [].as_slice().into()))
                    .collect()
            }
        };
        listed.retain(|(key, _)| self.index.get(id_of(key)) == Some(number));
        Ok(listed)
    }
}

fn lost(key: &[u8]) -> sled::Error {
    let why = format!("nothing says what a block of answers contains ({key:02x?})");
    sled::Error::Unsupported(why)
}

fn id_of(key: &EntryKey) -> &[u8; 16] {
    key.last_chunk().unwrap_or(&[0; 16])
}

fn entry_key(key: &[u8]) -> sled::Result<&EntryKey> {
    key.try_into().map_err(|_| {
        sled::Error::Unsupported(format!("the key of a record has {} bytes", key.len()))
    })
}

/// Where the record of this id lies, and when it expires.
fn of_id(mut records: Records<'_>, id: &[u8; 16]) -> Option<(Timestamp, Range<usize>)> {
    let (key, place) = records.find(|(key, _)| id_of(key) == id)?;
    let (expires_at, _) = record::decode_key(&key).ok()?;
    Some((expires_at, place))
}
