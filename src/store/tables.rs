//! The tables in sled: rows are applied here and brought to the disk for good at checkpoints.
//!
//! Journals and backups speak of rows as they are meant, an answer each; how they lie in trees is known here alone.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::Unavailable;
use super::answers::{AnswerKey, Answers, BLOCKS, CONTENTS, Laid};
use super::format::Found;
use super::rows::{self, Row, Table};
use crate::domain::time::Timestamp;
use crate::policy;

/// The trees behind the tables, shared by readers and the writer.
pub(super) struct Trees {
    trees: [sled::Tree; Table::ALL.len()],
    /// None in a store of an older format, which has a row for each answer.
    answers: Option<Answers>,
}

impl Trees {
    /// Opens the trees of a store of our format, in which the next block had this number at the last checkpoint.
    fn open(db: &sled::Db, next: Option<u64>) -> sled::Result<Self> {
        let trees = open_all(db, tree_name)?;
        let of = |table: Table| trees[table as usize].clone();
        let answers = Answers::open(of(Table::Answers), of(Table::Replies), next)?;
        Ok(Self {
            trees,
            answers: Some(answers),
        })
    }

    /// Opens those of an older format.
    fn open_older(db: &sled::Db) -> sled::Result<Self> {
        Ok(Self {
            trees: open_all(db, Table::name)?,
            answers: None,
        })
    }

    /// The tree of a table. Answers are better asked for in other ways.
    pub(super) const fn of(&self, table: Table) -> &sled::Tree {
        &self.trees[table as usize]
    }

    /// The records that are kept for idempotency keys.
    ///
    /// # Errors
    /// [`Unavailable`] in a store of an older format, which serves nobody.
    pub(super) fn answers(&self) -> Result<&Answers, Unavailable> {
        self.answers.as_ref().ok_or(Unavailable)
    }

    /// Every row of a table, in order, whatever it is laid in.
    pub(super) fn rows(
        &self,
        table: Table,
    ) -> Box<dyn Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>> + '_> {
        match (&self.answers, table) {
            (Some(answers), Table::Answers) => {
                let plain =
                    |(key, record): (AnswerKey, sled::IVec)| (key.as_slice().into(), record);
                Box::new(answers.rows().map(move |row| row.map(plain)))
            }
            (Some(_), Table::Replies) => Box::new(std::iter::empty()),
            (Some(_) | None, table) => Box::new(self.stored(table)),
        }
    }

    /// Every row of a table's tree, in order. With each row its page is asked for once more: sled weighs the pages that it
    /// holds by what is asked for, 64 times at once in each of 256 parts, and of pages that are seen once it would hold
    /// thousands more than its cache has room for.
    pub(super) fn stored(
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

    /// Lays the records of a group into blocks; its rows are still to be applied.
    pub(super) fn lay<'a>(
        &self,
        rows: impl Iterator<Item = &'a Row>,
    ) -> sled::Result<Option<Laid>> {
        self.answers
            .as_ref()
            .map(|answers| answers.lay(rows))
            .transpose()
    }

    /// Applies rows in their order.
    pub(super) fn apply_all<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        laid: &mut Option<Laid>,
    ) -> sled::Result<()> {
        rows.into_iter().try_for_each(|row| self.apply(row, laid))
    }

    /// Applies many rows in their order, and frees what they replace as they come: left alone, sled frees less than that
    /// where nothing else is done, and hundreds of megabytes wait for it.
    pub(super) fn fill(&self, rows: &[Row]) -> sled::Result<()> {
        let mut laid = self.lay(rows.iter())?;
        self.fill_laid(rows, &mut laid)
    }

    /// The same with rows whose records are laid already.
    pub(super) fn fill_laid(&self, rows: &[Row], laid: &mut Option<Laid>) -> sled::Result<()> {
        free();
        rows.chunks(policy::FREE_EVERY as usize)
            .try_for_each(|rows| {
                self.apply_all(rows, laid)?;
                free();
                Ok(())
            })
    }

    fn apply(&self, row: &Row, laid: &mut Option<Laid>) -> sled::Result<()> {
        if let (Some(answers), Some(laid), Table::Answers | Table::Replies) =
            (&self.answers, laid, row.table())
        {
            return answers.apply(row, laid);
        }
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

/// The name of a table's tree. Up to format 4 each had its table's.
pub(super) const fn tree_name(table: Table) -> &'static str {
    if matches!(table, Table::Answers) {
        BLOCKS
    } else if matches!(table, Table::Replies) {
        CONTENTS
    } else {
        table.name()
    }
}

fn open_all(
    db: &sled::Db,
    name: impl Fn(Table) -> &'static str,
) -> sled::Result<[sled::Tree; Table::ALL.len()]> {
    let mut trees = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        trees.push(db.open_tree(name(table))?);
    }
    trees
        .try_into()
        .map_err(|_| sled::Error::Unsupported("a table is missing".to_owned()))
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

/// The row of `meta` that says up to which group of the log everything is applied and on disk, the latest time by then,
/// and the number of the next block of answers.
pub(super) const CHECKPOINT: &str = "checkpoint";

impl Tables {
    /// Takes over an open database in `dir`, of our format or an older one.
    pub(super) fn new(db: sled::Db, dir: &Path, found: Found) -> Result<Self, String> {
        let fault = |e: sled::Error| format!("the store can't be read: {e}");
        let meta = db.open_tree("meta").map_err(fault)?;
        let trees = match found {
            Found::Ours => {
                // What a kill has left of an older format when it was ours already.
                forget_older(&db).map_err(fault)?;
                let known = meta.get(CHECKPOINT).map_err(fault)?;
                Trees::open(&db, known.and_then(|known| next_block(&known)))
            }
            Found::Older(_) => Trees::open_older(&db),
        };
        let trees = Arc::new(trees.map_err(fault)?);
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
        let mut row = [sequence.to_be_bytes(), latest.millis().to_be_bytes()].concat();
        if let Ok(answers) = self.trees.answers() {
            row.extend_from_slice(&answers.next().to_be_bytes());
        }
        self.meta.insert(CHECKPOINT, row)?;
        self.sync()
    }

    /// Lays what a store of an older format has a row for each into blocks, lets our format be named, and brings either to
    /// the disk for good, one after the other.
    pub(super) fn become_ours(
        &mut self,
        name: impl FnOnce(&sled::Tree) -> Result<(), String>,
    ) -> Result<(), String> {
        let fault = |e: sled::Error| format!("the store can't be written: {e}");
        let ours = self.pack().map_err(fault)?;
        name(&self.meta)?;
        self.sync().map_err(fault)?;
        self.trees = Arc::new(ours);
        let (sequence, latest) = self.last_checkpoint()?;
        self.checkpoint(sequence, latest).map_err(fault)?;
        forget_older(&self.db).map_err(fault)
    }

    fn pack(&self) -> sled::Result<Trees> {
        // What an attempt has left that was killed: the older atlas may have been at work since.
        for table in [Table::Replies, Table::Answers] {
            self.db.open_tree(tree_name(table))?.clear()?;
        }
        let ours = Trees::open(&self.db, None)?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in self.trees.stored(Table::Answers) {
            let (key, value) = row?;
            if rows::decode_answer_key(&key).is_err() {
                log::error!(
                    "an answer that nothing leads to, and whose key can't be read, is left behind"
                );
                continue;
            }
            bytes += value.len();
            rows.push(Row::put(Table::Answers, &key, value.to_vec()));
            if bytes >= policy::BACKUP_FRAME {
                ours.fill(&rows)?;
                rows.clear();
                bytes = 0;
            }
        }
        ours.fill(&rows)?;
        // What led to an answer that is lost goes on leading to one that can't be read: the request was run.
        for row in self.trees.stored(Table::Replies) {
            let (id, expires_at) = row?;
            let (Ok(id), Ok(expires_at)) = (id.as_ref().try_into(), rows::decode_time(&expires_at))
            else {
                continue;
            };
            if ours.answers().is_ok_and(|answers| !answers.knows(id)) {
                let key = rows::answer_key(expires_at, id);
                ours.fill(&[Row::put(Table::Answers, &key, Vec::new())])?;
            }
        }
        self.sync()?;
        Ok(ours)
    }

    fn sync(&self) -> sled::Result<()> {
        self.db.flush()?;
        self.file.sync_data().map_err(sled::Error::from)
    }
}

/// Removes the trees that our format has not.
fn forget_older(db: &sled::Db) -> sled::Result<()> {
    let is_there = |name: &str| db.tree_names().iter().any(|known| known == name.as_bytes());
    for table in [Table::Replies, Table::Answers] {
        if is_there(table.name()) {
            db.open_tree(table.name())?.clear()?;
            db.drop_tree(table.name())?;
        }
    }
    Ok(())
}

fn decode_checkpoint(bytes: &[u8]) -> Option<(u64, Timestamp)> {
    let (sequence, rest) = bytes.split_first_chunk::<8>()?;
    let (latest, next_block) = rest.split_first_chunk::<8>()?;
    matches!(next_block.len(), 0 | 8).then_some(())?;
    Some((
        u64::from_be_bytes(*sequence),
        rows::decode_time(latest).ok()?,
    ))
}

/// None in the row of an older format.
fn next_block(checkpoint: &[u8]) -> Option<u64> {
    let next = checkpoint.get(16..)?.try_into().ok()?;
    Some(u64::from_be_bytes(next))
}
