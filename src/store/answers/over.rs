//! Blocks that are over: by what is told of them, which lies in the order in which they are.

use super::contents::decode_key;
use super::{Answers, contents, id_of};
use crate::domain::time::Timestamp;
use crate::store::blocks::{EntryKey, Records};
use crate::store::rows::Unreadable;
use crate::store::{Unavailable, unreadable};

impl Answers {
    /// Removes the blocks that were over before `now`, up to so many records; calls back for each record.
    pub(in crate::store) fn sweep(
        &self,
        now: Timestamp,
        most: usize,
        mut swept: impl FnMut(&EntryKey) -> sled::Result<()>,
    ) -> Result<usize, Unavailable> {
        let fault = |e: sled::Error| unreadable("answers", &e);
        let mut removed = 0;
        for row in self.over(now) {
            let (row, contents) = row.map_err(fault)?;
            let (_, number) = decode_key(&row).map_err(|e| unreadable("answers", &e))?;
            let block = self.blocks.get(number).map_err(fault)?;
            let keys = keys_of(&contents, block.as_deref());
            for key in &keys {
                self.index.forget(id_of(key), number);
                swept(key).map_err(fault)?;
            }
            // In this order: what tells of a block that is gone is found again after a kill.
            self.blocks.remove(number).map_err(fault)?;
            self.contents.remove(&row).map_err(fault)?;
            removed += keys.len();
            if removed >= most {
                break;
            }
        }
        Ok(removed)
    }

    /// Whether anything was over before `now`.
    pub(in crate::store) fn is_any_over(&self, now: Timestamp) -> bool {
        self.over(now).next().is_some()
    }

    fn over(&self, now: Timestamp) -> sled::Iter {
        self.contents.range(..now.millis().to_be_bytes().as_slice())
    }

    /// Ends what a kill has left of a sweep before `now`: what tells of a block that is gone.
    pub(in crate::store) fn end_sweep(&self, now: Timestamp) -> sled::Result<()> {
        for row in self.over(now) {
            let (row, contents) = row?;
            let Ok((_, number)) = decode_key(&row) else {
                continue;
            };
            if !self.blocks.has(number)? {
                for key in keys_of(&contents, None) {
                    self.index.forget(id_of(&key), number);
                }
                self.contents.remove(&row)?;
            }
        }
        Ok(())
    }

    /// When the first block is over.
    pub(in crate::store) fn first_over(&self) -> sled::Result<Option<Timestamp>> {
        let first = self.contents.first()?;
        Ok(first.and_then(|(row, _)| Some(decode_key(&row).ok()?.0)))
    }
}

/// What a block contains: by what is told of it or, where that can't be read, by itself.
fn keys_of(contents: &[u8], block: Option<&[u8]>) -> Vec<EntryKey> {
    contents::decode(contents)
        .map(<[_]>::to_vec)
        .unwrap_or_else(|Unreadable| {
            let records = block.and_then(|block| Records::of(block).ok());
            records
                .map(|records| records.keys().collect())
                .unwrap_or_default()
        })
}
