//! Rows of sled that hold many records each, since a row costs more than what is in it: sled copies a whole leaf for each
//! row that comes, and splits one that has 16.
//!
//! The row of a block is there, and empty, before the block is: so its leaf has split while there was nothing in it, and
//! what fills it is written once, and not three times and then moved about.

mod block;

use std::sync::atomic::{AtomicU64, Ordering};

use super::rows::Unreadable;
use crate::policy;

pub(super) use self::block::{EntryKey, Filling, Records, rewritten};

/// Number of a block. They are given one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) u64);

impl Number {
    pub(super) const fn as_key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_key(key: &[u8]) -> Result<Self, Unreadable> {
        let bytes = key.try_into().map_err(|_| Unreadable)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// No store lays so many blocks in its life.
const MAX: Number = Number(u64::MAX >> 1);

/// What is wrong with a block, or with what is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It can't be read, or does not agree with itself.
    Unreadable,
    /// A record came after its time was over.
    Late,
    /// A record can't be found by its id.
    Unreachable,
    /// The block is missing.
    Missing,
}

/// Blocks of one kind, by number.
pub(super) struct Blocks {
    tree: sled::Tree,
    /// Number of the next block.
    next: AtomicU64,
}

impl Blocks {
    /// Opens the blocks as they were when the next one had this number. What came since is in the journal, and is laid
    /// again; a journal that was written by another atlas may be laid in another way.
    pub(super) fn open(tree: sled::Tree, next: Option<Number>) -> sled::Result<Self> {
        let next = match next {
            Some(next) => next,
            None => next_of(&tree)?,
        };
        if next > MAX {
            let why = "the number of a block is larger than any store's".to_owned();
            return Err(sled::Error::Unsupported(why));
        }
        for row in tree.range(next.as_key()..).keys() {
            tree.remove(row?)?;
        }
        Ok(Self {
            tree,
            next: AtomicU64::new(next.0),
        })
    }

    /// The number that the next block will have.
    pub(super) fn next(&self) -> Number {
        Number(self.next.load(Ordering::Relaxed))
    }

    pub(super) fn get(&self, number: Number) -> sled::Result<Option<sled::IVec>> {
        self.tree.get(number.as_key())
    }

    /// The same for who reads many of them. As in `Trees::stored`: sled holds fewer pages of what is asked for twice.
    pub(super) fn get_in_passing(&self, number: Number) -> sled::Result<Option<sled::IVec>> {
        let found = self.get(number)?;
        self.tree.contains_key(number.as_key())?;
        Ok(found)
    }

    /// Whether there is a block of this number that was filled.
    pub(super) fn has(&self, number: Number) -> sled::Result<bool> {
        Ok(self.get(number)?.is_some_and(|block| !block.is_empty()))
    }

    /// Writes a block under the next number.
    pub(super) fn write(&self, block: Vec<u8>) -> sled::Result<Number> {
        let number = Number(self.next.fetch_add(1, Ordering::Relaxed));
        // Where several threads fill a store, another may have been faster.
        let ahead = Number(number.0 + policy::BLOCKS_AHEAD).as_key();
        drop(
            self.tree
                .compare_and_swap(ahead, None::<&[u8]>, Some(&[]))?,
        );
        self.tree.insert(number.as_key(), block)?;
        Ok(number)
    }

    pub(super) fn remove(&self, number: Number) -> sled::Result<()> {
        self.tree.remove(number.as_key()).map(drop)
    }

    pub(super) fn clear(&self) -> sled::Result<()> {
        self.tree.clear()
    }

    /// The number and the records of a row; none where it is still to be filled.
    pub(super) fn check<'a>(
        &self,
        key: &[u8],
        block: &'a [u8],
    ) -> Result<Option<(Number, Records<'a>)>, Flaw> {
        let number = Number::from_key(key);
        if block.is_empty() && number.as_ref().is_ok_and(|number| *number >= self.next()) {
            return Ok(None);
        }
        match (number, Records::of(block)) {
            (Ok(number), Ok(records)) => Ok(Some((number, records))),
            (Err(Unreadable), _) | (_, Err(Unreadable)) => Err(Flaw::Unreadable),
        }
    }
}

/// The number behind that of the last block.
fn next_of(tree: &sled::Tree) -> sled::Result<Number> {
    for row in tree.iter().rev() {
        let (key, block) = row?;
        if !block.is_empty() {
            let last = Number::from_key(&key).map_err(|Unreadable| {
                sled::Error::Unsupported(format!("a block has no number ({key:02x?})"))
            })?;
            return Ok(Number(last.0.saturating_add(1)));
        }
    }
    Ok(Number(0))
}
