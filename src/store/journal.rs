//! The writer: one thread that turns commits into groups, and each group into one synced entry of the write-ahead log.
//!
//! A group is logged as *one* entry, synced, and only then applied to the tables row by row. So after a crash it is there
//! as a whole or not at all, whatever sled's own recovery finds of the rows, and no reader ever sees what a crash could
//! take back. The rows reach the disk later, at a checkpoint; a start applies again what was logged since.
//!
//! Why not sled alone: its `apply_batch` stops every reader meanwhile (p99 of a read 28 us -> 300 us) and its recovery
//! leans on snapshots; a commit by its `flush` costs twice the processor time, since it hands every write to a pool of
//! threads, and promises nothing at a power loss (Linux is only asked for `sync_file_range`), so that a checkpoint here
//! adds the `fdatasync` that it leaves out. And sled cuts its log silently at the first byte that it can't read.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use tokio::sync::Notify;

use super::Options;
use super::open::damaged;
use super::rows::{self, Row, Table};
use super::wal::{Entry, Wal};
use crate::domain::time::Timestamp;
use crate::policy;

/// Why nothing could be kept. The caller answers 503; the log has said the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Whether work that can wait is refused when the disk is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Payments: refused with 503 while space is short.
    Ordinary,
    /// Keys and counts: small, and a revocation must get through.
    Urgent,
}

/// Rows that stand or fall together. Whoever waits for them is always told: a commit that is dropped has failed.
pub(super) struct Commit {
    urgency: Urgency,
    /// The time of the request: the store remembers the latest, so that a clock set back is noticed at the next start.
    at: Timestamp,
    rows: Vec<Row>,
    done: Option<Done>,
}

/// Who is told what became of a commit.
pub(super) type Done = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;

impl Commit {
    pub(super) fn new(urgency: Urgency, at: Timestamp, rows: Vec<Row>, done: Done) -> Self {
        Self {
            urgency,
            at,
            rows,
            done: Some(done),
        }
    }

    fn tell(&mut self, outcome: Result<(), Unavailable>) {
        if let Some(done) = self.done.take() {
            done(outcome);
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        self.tell(Err(Unavailable));
    }
}

/// The trees behind the tables, shared by readers and the writer.
pub(super) struct Trees([sled::Tree; Table::ALL.len()]);

impl Trees {
    pub(super) fn open(db: &sled::Db) -> sled::Result<Self> {
        let [keys, last_used, replies, answers, sessions, days] =
            Table::ALL.map(|table| db.open_tree(table.name()));
        Ok(Self([
            keys?, last_used?, replies?, answers?, sessions?, days?,
        ]))
    }

    pub(super) const fn of(&self, table: Table) -> &sled::Tree {
        &self.0[table as usize]
    }

    pub(super) fn apply(&self, row: &Row) -> sled::Result<()> {
        match row {
            Row::Put { table, key, value } => {
                self.of(*table).insert(key, value.as_slice()).map(drop)
            }
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
        }
    }
}

/// What the writer tells the world about itself.
#[derive(Default)]
pub(super) struct Health {
    /// Bytes short of the free space we want; 0 when all is well.
    short_of: AtomicU64,
    failed: std::sync::atomic::AtomicBool,
    pub(super) failure: Notify,
}

impl Health {
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        if self.has_failed() || self.short_of.load(Ordering::Relaxed) > 0 {
            Err(Unavailable)
        } else {
            Ok(())
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.failure.notify_one();
    }
}

/// A thread that the store can't do without: should it panic, the store has failed.
pub(super) struct Vital<'a>(pub(super) &'a Health);

impl Drop for Vital<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

/// Owns the disk: the log, the checkpoints, and the free space.
pub(super) struct Journal {
    db: sled::Db,
    pub(super) trees: Arc<Trees>,
    meta: sled::Tree,
    wal: Wal,
    /// Our own handle on sled's file, to sync it for real.
    tables: File,
    dir: PathBuf,
    min_free: u64,
    sequence: u64,
    latest: Timestamp,
}

pub(super) const CHECKPOINT: &str = "checkpoint";

impl Journal {
    /// Takes over an open database and applies what was logged since its last checkpoint.
    pub(super) fn recover(db: sled::Db, dir: PathBuf, options: Options) -> Result<Self, String> {
        let fault = |e: sled::Error| format!("the store can't be read: {e}");
        let trees = Arc::new(Trees::open(&db).map_err(fault)?);
        let meta = db.open_tree("meta").map_err(fault)?;
        let tables = File::open(dir.join("db"))
            .map_err(|e| format!("the store's file can't be opened: {e}"))?;
        let (wal, entries) = Wal::open(&dir).map_err(|why| damaged(&dir, &why))?;
        let (sequence, latest) = match meta.get(CHECKPOINT).map_err(fault)? {
            Some(bytes) => decode_checkpoint(&bytes)
                .ok_or_else(|| damaged(&dir, "its checkpoint can't be read"))?,
            None => (0, Timestamp::default()),
        };
        let min_free = options.min_free_disk;
        let mut journal = Self {
            db,
            trees,
            meta,
            wal,
            tables,
            dir,
            min_free,
            sequence,
            latest,
        };
        journal.apply_again(entries)?;
        journal.latest = options
            .latest
            .map_or(journal.latest, |latest| journal.latest.min(latest));
        journal.checkpoint().map_err(fault)?;
        Ok(journal)
    }

    fn apply_again(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        if entries
            .first()
            .is_some_and(|first| first.sequence > self.sequence + 1)
        {
            let why = format!(
                "its tables end at group {} and its journal begins later",
                self.sequence
            );
            return Err(damaged(&self.dir, &why));
        }
        let checkpoint = self.sequence;
        for entry in entries
            .into_iter()
            .filter(|entry| entry.sequence > checkpoint)
        {
            for row in &entry.rows {
                self.trees
                    .apply(row)
                    .map_err(|e| format!("the store can't be written: {e}"))?;
            }
            (self.sequence, self.latest) = (entry.sequence, entry.latest);
        }
        let acknowledged = Wal::acknowledged(&self.dir);
        if self.sequence < acknowledged {
            return Err(damaged(
                &self.dir,
                &format!("it ends at group {} of {acknowledged}", self.sequence),
            ));
        }
        Ok(())
    }

    /// The latest time that any commit was made at.
    pub(super) const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Brings every row that was applied to the disk for good, and begins the log anew.
    fn checkpoint(&mut self) -> sled::Result<()> {
        self.meta.insert(
            CHECKPOINT,
            encode_checkpoint(self.sequence, self.latest).as_slice(),
        )?;
        self.db.flush()?;
        self.tables.sync_data()?;
        self.wal.rewind();
        Ok(())
    }

    fn commit(&mut self, group: &[Commit]) -> sled::Result<()> {
        let sequence = self.sequence + 1;
        let latest = group
            .iter()
            .map(|commit| commit.at)
            .fold(self.latest, Timestamp::max);
        let rows = || group.iter().map(|commit| commit.rows.as_slice());
        if !self.wal.prepare(sequence, latest, rows()) {
            self.checkpoint()?;
        }
        self.wal.append(sequence)?;
        (self.sequence, self.latest) = (sequence, latest);
        rows().flatten().try_for_each(|row| self.trees.apply(row))
    }

    /// The last checkpoint; nothing is committed after it.
    pub(super) fn close(mut self, now: Timestamp) -> sled::Result<()> {
        self.latest = self.latest.max(now);
        self.checkpoint()?;
        self.wal.settle().map_err(sled::Error::from)
    }

    /// Bytes of free space that are missing to what we want.
    fn short_of(&self) -> u64 {
        match rustix::fs::statvfs(&self.dir) {
            Ok(disk) => self
                .min_free
                .saturating_sub(disk.f_bavail.saturating_mul(disk.f_frsize)),
            Err(_) => 0,
        }
    }

    /// Serves commits until the last sender is gone, then syncs and gives the journal back.
    pub(super) fn run(mut self, queue: &Receiver<Commit>, health: &Health) -> Self {
        let _vital = Vital(health);
        let mut group = Vec::with_capacity(policy::GROUP_COMMITS);
        while let Ok(first) = queue.recv() {
            gather(first, queue, &mut group);
            self.watch_space(health);
            if health.check().is_err() {
                let refused = |commit: &mut Commit| {
                    commit.urgency == Urgency::Ordinary || health.has_failed()
                };
                group.extract_if(.., refused).for_each(drop);
            }
            if group.is_empty() {
                continue;
            }
            let outcome = self.commit(&group).map_err(|error| {
                log::error!("the store failed and will not be written again: {error}; free space or mend the disk, then start again");
                health.fail();
                Unavailable
            });
            group.drain(..).for_each(|mut commit| commit.tell(outcome));
        }
        self
    }

    fn watch_space(&self, health: &Health) {
        let short = self.short_of();
        let before = health.short_of.swap(short, Ordering::Relaxed);
        match (before, short) {
            (0, 1..) => log::error!(
                "the disk is nearly full: payments get 503 until {short} more bytes are free"
            ),
            (1.., 0) => log::info!("the disk has space again: payments are served"),
            _ => (),
        }
    }

    /// Looks at the free space now, so that a server that gets no work notices too.
    pub(super) fn space_is_short(dir: &std::path::Path, min_free: u64) -> bool {
        rustix::fs::statvfs(dir)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < min_free)
    }
}

/// All that waits, up to the size of a group.
fn gather(first: Commit, queue: &Receiver<Commit>, group: &mut Vec<Commit>) {
    let size = |commit: &Commit| -> usize {
        commit.rows.iter().map(|row| if let Row::Put { value, .. } = row { value.len() } else { 0 } + 64).sum()
    };
    let mut bytes = size(&first);
    group.push(first);
    while group.len() < policy::GROUP_COMMITS && bytes < policy::GROUP_BYTES {
        let Ok(next) = queue.try_recv() else { break };
        bytes += size(&next);
        group.push(next);
    }
}

fn encode_checkpoint(sequence: u64, latest: Timestamp) -> Vec<u8> {
    [sequence.to_be_bytes(), latest.millis().to_be_bytes()].concat()
}

fn decode_checkpoint(bytes: &[u8]) -> Option<(u64, Timestamp)> {
    let (sequence, latest) = bytes.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*sequence),
        rows::decode_time(latest).ok()?,
    ))
}
