//! The tables in sled: rows are applied here and brought to the disk for good at checkpoints.
//!
//! Journals and backups speak of rows as they are meant, an answer each; how they lie in trees is known here alone.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::Unavailable;
use super::answers::{self, Answers, record};
use super::blocks::{EntryKey, Number};
use super::format::{FIRST_WITH_BLOCKS_OF_ANSWERS, Found};
use super::new_sessions::{self, NewSessions};
use super::open::unreadable;
use super::rows::{self, Row, Table};
use crate::domain::time::Timestamp;
use crate::policy;

/// The trees behind the tables, shared by readers and the writer.
pub(super) struct Trees {
    trees: [sled::Tree; Table::ALL.len()],
    /// None in a store of a format before 5, which has a row for each answer, and serves nobody.
    packed: Option<Packed>,
}

/// What lies many to a row.
struct Packed {
    answers: Answers,
    sessions: NewSessions,
}

/// Where the rows of a group were laid that lie many to a row.
pub(super) struct Laid {
    answers: answers::Laid,
    sessions: new_sessions::Laid,
}

/// The numbers that the next blocks will have.
#[derive(Clone, Copy, Default)]
struct Next {
    answers: Option<Number>,
    sessions: Option<Number>,
}

impl Trees {
    /// Opens the trees of a store of our format, or of 5, in which the next blocks had these numbers at the last checkpoint.
    fn open(db: &sled::Db, next: Next) -> sled::Result<Self> {
        let trees = open_all(db, tree_name)?;
        let of = |table: Table| trees[table as usize].clone();
        let answers = Answers::open(of(Table::Answers), of(Table::Replies), next.answers)?;
        let (blocks, spans) = (of(Table::NewSessions), of(Table::NewSpans));
        let sessions = NewSessions::open(blocks, spans, next.sessions)?;
        Ok(Self {
            trees,
            packed: Some(Packed { answers, sessions }),
        })
    }

    /// Opens those of a format before 5.
    fn open_older(db: &sled::Db) -> sled::Result<Self> {
        Ok(Self {
            trees: open_all(db, older_tree_name)?,
            packed: None,
        })
    }

    /// The tree of a table. Answers and new sessions are better asked for in other ways.
    pub(super) const fn of(&self, table: Table) -> &sled::Tree {
        &self.trees[table as usize]
    }

    /// The records that are kept for idempotency keys.
    ///
    /// # Errors
    /// [`Unavailable`] in a store of a format before 5, which serves nobody.
    pub(super) fn answers(&self) -> Result<&Answers, Unavailable> {
        self.packed().map(|packed| &packed.answers)
    }

    /// Sessions as they were made.
    ///
    /// # Errors
    /// As [`Trees::answers`].
    pub(super) fn new_sessions(&self) -> Result<&NewSessions, Unavailable> {
        self.packed().map(|packed| &packed.sessions)
    }

    fn packed(&self) -> Result<&Packed, Unavailable> {
        self.packed.as_ref().ok_or(Unavailable)
    }

    /// Every row of a table, whatever it is laid in; of new sessions those that were laid by now, block by block.
    pub(super) fn rows(
        &self,
        table: Table,
    ) -> Box<dyn Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>> + '_> {
        let plain = |row: sled::Result<(EntryKey, sled::IVec)>| {
            row.map(|(key, value)| (key.as_slice().into(), value))
        };
        match (&self.packed, table) {
            (Some(packed), Table::Answers) => Box::new(packed.answers.rows().map(plain)),
            (Some(packed), Table::NewSessions) => Box::new(packed.sessions.rows()),
            (Some(_), Table::Replies | Table::NewSpans) => Box::new(std::iter::empty()),
            (Some(_) | None, table) => Box::new(self.stored(table)),
        }
    }

    /// Every row of a table's tree, in order. With each row its page is asked for once more: sled weighs the pages that it
    /// holds by what is asked for, 64 times at once in each of 256 parts, and of pages that are seen once it would hold
    /// thousands more than its cache has room for.
    pub(super) fn stored(
        &self,
        table: Table,
    ) -> impl DoubleEndedIterator<Item = sled::Result<(sled::IVec, sled::IVec)>> {
        let tree = self.of(table);
        tree.iter().map(|row| {
            let (key, value) = row?;
            tree.contains_key(&key)?;
            Ok((key, value))
        })
    }

    /// Lays the records and new sessions of a group into blocks; its rows are still to be applied.
    pub(super) fn lay<'a>(
        &self,
        rows: impl Iterator<Item = &'a Row> + Clone,
    ) -> sled::Result<Option<Laid>> {
        let lay = |packed: &Packed| {
            Ok(Laid {
                answers: packed.answers.lay(rows.clone())?,
                sessions: packed.sessions.lay(rows)?,
            })
        };
        self.packed.as_ref().map(lay).transpose()
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
        if let (Some(packed), Some(laid)) = (&self.packed, laid) {
            let table = row.table();
            if matches!(table, Table::Answers | Table::Replies) {
                return packed.answers.apply(row, &mut laid.answers);
            }
            if matches!(table, Table::NewSessions | Table::NewSpans) {
                let others = self.of(Table::Sessions);
                return packed.sessions.apply(row, &mut laid.sessions, others);
            }
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

/// The name of a table's tree.
pub(super) const fn tree_name(table: Table) -> &'static str {
    if matches!(table, Table::Answers) {
        answers::BLOCKS
    } else if matches!(table, Table::Replies) {
        answers::CONTENTS
    } else if matches!(table, Table::NewSessions) {
        new_sessions::BLOCKS
    } else if matches!(table, Table::NewSpans) {
        new_sessions::SPANS
    } else {
        table.name()
    }
}

/// Up to format 4 answers had trees of their own name.
const fn older_tree_name(table: Table) -> &'static str {
    if matches!(table, Table::Answers | Table::Replies) {
        table.name()
    } else {
        tree_name(table)
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
    /// The atlas of an older format must find what it knows until its store is backed up.
    is_ours: bool,
}

/// The row of `meta` that says up to which group of the log everything is applied and on disk, the latest time by then,
/// and the numbers of the next block of answers and the next one of sessions.
pub(super) const CHECKPOINT: &str = "checkpoint";

impl Tables {
    /// Takes over an open database in `dir`, of our format or an older one.
    pub(super) fn new(db: sled::Db, dir: &Path, found: Found) -> Result<Self, String> {
        let fault = |e: sled::Error| unreadable(&e);
        let meta = db.open_tree("meta").map_err(fault)?;
        let trees = match found {
            Found::Older(format) if format < FIRST_WITH_BLOCKS_OF_ANSWERS => Trees::open_older(&db),
            Found::Ours | Found::Older(_) => {
                // What a kill has left of an older format when it was ours already.
                forget_older(&db).map_err(fault)?;
                let known = meta.get(CHECKPOINT).map_err(fault)?;
                Trees::open(&db, next_blocks(&known.unwrap_or_default()))
            }
        };
        let trees = Arc::new(trees.map_err(fault)?);
        let file = File::open(dir.join("db"))
            .map_err(|e| format!("the store's file can't be opened: {e}"))?;
        Ok(Self {
            db,
            meta,
            trees,
            file,
            is_ours: found == Found::Ours,
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
        if let Ok(packed) = self.trees.packed() {
            row.extend_from_slice(&packed.answers.next().as_key());
            if self.is_ours {
                row.extend_from_slice(&packed.sessions.next().as_key());
            }
        }
        self.meta.insert(CHECKPOINT, row)?;
        self.sync()
    }

    /// Lays what a store of a format before 5 has a row for each into blocks, lets our format be named, and brings either to
    /// the disk for good, one after the other. Sessions stay in rows of their own.
    pub(super) fn become_ours(
        &mut self,
        name: impl FnOnce(&sled::Tree) -> Result<(), String>,
    ) -> Result<(), String> {
        let fault = |e: sled::Error| format!("the store can't be written: {e}");
        let ours = match self.trees.packed() {
            Ok(_) => None,
            Err(Unavailable) => Some(self.pack().map_err(fault)?),
        };
        name(&self.meta)?;
        self.sync().map_err(fault)?;
        self.is_ours = true;
        if let Some(ours) = ours {
            self.trees = Arc::new(ours);
        }
        let (sequence, latest) = self.last_checkpoint()?;
        self.checkpoint(sequence, latest).map_err(fault)?;
        forget_older(&self.db).map_err(fault)
    }

    fn pack(&self) -> sled::Result<Trees> {
        // What an attempt has left that was killed: the older atlas may have been at work since.
        for table in [Table::Replies, Table::Answers] {
            self.db.open_tree(tree_name(table))?.clear()?;
        }
        let ours = Trees::open(&self.db, Next::default())?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in self.trees.stored(Table::Answers) {
            let (key, value) = row?;
            if record::decode_key(&key).is_err() {
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
                let key = record::key_of(expires_at, id);
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
    let (latest, next) = rest.split_first_chunk::<8>()?;
    matches!(next.len(), 0 | 8 | 16).then_some(())?;
    Some((
        u64::from_be_bytes(*sequence),
        rows::decode_time(latest).ok()?,
    ))
}

/// Those that an older format has not are not in its row.
fn next_blocks(checkpoint: &[u8]) -> Next {
    let at = |place| Number::from_key(checkpoint.get(place)?).ok();
    Next {
        answers: at(16..24),
        sessions: at(24..32),
    }
}
