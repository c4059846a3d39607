//! The tables in sled: rows are applied here and brought to the disk for good at checkpoints.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::rows::{self, Row, Table};
use crate::domain::time::Timestamp;
use crate::policy;

/// The trees behind the tables, shared by readers and the writer.
pub(super) struct Trees([sled::Tree; Table::ALL.len()]);

impl Trees {
    pub(super) fn open(db: &sled::Db) -> sled::Result<Self> {
        let mut trees = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            trees.push(db.open_tree(table.name())?);
        }
        trees
            .try_into()
            .map(Self)
            .map_err(|_| sled::Error::Unsupported("a table is missing".to_owned()))
    }

    pub(super) const fn of(&self, table: Table) -> &sled::Tree {
        &self.0[table as usize]
    }

    /// Every row of a table, in order. With each row its page is asked for once more: sled weighs the pages that it holds
    /// by what is asked for, 64 times at once in each of 256 parts, and of pages that are seen once it would hold
    /// thousands more than its cache has room for.
    pub(super) fn rows(
        &self,
        table: Table,
    ) -> impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>> {
        let tree = self.of(table);
        tree.iter().map(|row| {
            let (key, value) = row?;
            tree.contains_key(&key)?;
            Ok((key, value))
        })
    }

    /// Applies rows in their order.
    pub(super) fn apply_all<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> sled::Result<()> {
        rows.into_iter().try_for_each(|row| self.apply(row))
    }

    /// Applies many rows in their order, and frees what they replace as they come: left alone, sled frees less than that
    /// where nothing else is done, and hundreds of megabytes wait for it.
    pub(super) fn fill(&self, rows: &[Row]) -> sled::Result<()> {
        rows.chunks(policy::FREE_EVERY as usize)
            .try_for_each(|rows| {
                self.apply_all(rows)?;
                free();
                Ok(())
            })
    }

    fn apply(&self, row: &Row) -> sled::Result<()> {
        match row {
            Row::Put { table, key, value } => {
                self.of(*table).insert(key, value.as_slice()).map(drop)
            }
            Row::Remove { table, key } => self.of(*table).remove(key).map(drop),
            Row::Raise { table, key, to } => {
                let tree = self.of(*table);
                let now = tree
                    .get(key)?
                    .and_then(|bytes| rows::decode_number(&bytes).ok());
                if now.is_some_and(|now| now >= *to) {
                    Ok(())
                } else {
                    tree.insert(key, rows::encode_number(*to)).map(drop)
                }
            }
            Row::Clear { table } => self.of(*table).clear(),
        }
    }
}

/// Frees what this thread has replaced in the tables, as far as nobody reads it any more.
pub(super) fn free() {
    sled::pin().flush();
}

/// The open database.
pub(super) struct Tables {
    db: sled::Db,
    meta: sled::Tree,
    pub(super) trees: Arc<Trees>,
    /// Our own handle on sled's file, to sync it for real.
    file: File,
}

/// The row of `meta` that says up to which group of the log everything is applied and on disk.
pub(super) const CHECKPOINT: &str = "checkpoint";

impl Tables {
    /// Takes over an open database in `dir`.
    pub(super) fn new(db: sled::Db, dir: &Path) -> Result<Self, String> {
        let fault = |e: sled::Error| format!("the store can't be read: {e}");
        let trees = Arc::new(Trees::open(&db).map_err(fault)?);
        let meta = db.open_tree("meta").map_err(fault)?;
        let file = File::open(dir.join("db"))
            .map_err(|e| format!("the store's file can't be opened: {e}"))?;
        Ok(Self {
            db,
            meta,
            trees,
            file,
        })
    }

    /// The group and the latest time of the last checkpoint; zeros before the first.
    pub(super) fn last_checkpoint(&self) -> Result<(u64, Timestamp), String> {
        match self.meta.get(CHECKPOINT).map_err(|e| e.to_string())? {
            Some(bytes) => {
                decode_checkpoint(&bytes).ok_or_else(|| "its checkpoint can't be read".to_owned())
            }
            None => Ok((0, Timestamp::default())),
        }
    }

    /// Brings every row that was applied to the disk for good, and then says so there.
    pub(super) fn checkpoint(&self, sequence: u64, latest: Timestamp) -> sled::Result<()> {
        self.sync()?;
        let row = [sequence.to_be_bytes(), latest.millis().to_be_bytes()].concat();
        self.meta.insert(CHECKPOINT, row)?;
        self.sync()
    }

    /// Lets the format be named, and brings that to the disk for good.
    pub(super) fn name_format(
        &self,
        name: impl FnOnce(&sled::Tree) -> Result<(), String>,
    ) -> Result<(), String> {
        name(&self.meta)?;
        self.sync()
            .map_err(|e| format!("the store can't be written: {e}"))
    }

    fn sync(&self) -> sled::Result<()> {
        self.db.flush()?;
        self.file.sync_data().map_err(sled::Error::from)
    }
}

fn decode_checkpoint(bytes: &[u8]) -> Option<(u64, Timestamp)> {
    let (sequence, latest) = bytes.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*sequence),
        rows::decode_time(latest).ok()?,
    ))
}
