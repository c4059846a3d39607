//! The writer: one thread that turns commits into groups, and each group into one synced entry of the write-ahead log.
//! (A second thread that applies one group while the next is synced was tried: groups got smaller, syncs more, and it
//! did a third less.)
//!
//! A group is logged as *one* entry, synced, and only then applied to the tables row by row. So after a crash it is there
//! as a whole or not at all, whatever sled's own recovery finds of the rows, and no reader ever sees what a crash could
//! take back. The rows reach the disk later, at a checkpoint; a start applies again what was logged since.
//!
//! Why not sled alone: its `apply_batch` stops every reader meanwhile (p99 of a read 28 us -> 300 us) and its recovery
//! leans on snapshots; a commit by its `flush` costs more processor time, since it hands every write to a pool of
//! threads; and it cuts its log silently at the first byte that it can't read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::vec::IntoIter;

use tokio::sync::Notify;

use super::Options;
use super::backup::Tap;
use super::figures::{Fate, Figures};
use super::open::{damaged, unreadable};
use super::rows::Row;
use super::tables::{self, Tables};
use super::wal::{Entry, Wal};
use crate::clock::Stopwatch;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::policy;

/// Why nothing could be kept. The caller answers 503; the log has said the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl From<Unavailable> for Refusal {
    fn from(Unavailable: Unavailable) -> Self {
        Self::StorageUnavailable
    }
}

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

    /// The store has failed, for this reason.
    fn fail_with(&self, error: &sled::Error) {
        // First, in case the log is blocked.
        self.fail();
        log::error!(
            "the store failed and will not be written again: {error}; free space or mend the disk, then start again"
        );
    }

    fn fail(&self) {
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

/// Owns the disk: the log, the tables, the free space, and how far everything is.
pub(super) struct Journal {
    wal: Wal,
    pub(super) tables: Tables,
    /// Where a backup listens.
    pub(super) tap: Arc<Tap>,
    dir: PathBuf,
    min_free: u64,
    sequence: u64,
    latest: Timestamp,
    pub(super) figures: Arc<Figures>,
}

impl Journal {
    /// Takes over open tables and applies what was logged since their last checkpoint.
    pub(super) fn recover(tables: Tables, dir: PathBuf, options: Options) -> Result<Self, String> {
        let (wal, entries) = Wal::open(&dir).map_err(|why| damaged(&dir, &why))?;
        let (sequence, latest) = tables
            .last_checkpoint()
            .map_err(|why| damaged(&dir, &why))?;
        let fault = |e: sled::Error| unreadable(&e);
        let mut journal = Self {
            figures: Arc::new(Figures::new()?),
            wal,
            tables,
            tap: Arc::default(),
            dir,
            min_free: options.min_free_disk,
            sequence,
            latest,
        };
        journal.apply_again(entries)?;
        journal.end_sweep().map_err(fault)?;
        journal.latest = options
            .latest
            .map_or(journal.latest, |latest| journal.latest.min(latest));
        journal
            .checkpoint()
            .map_err(|e| format!("the store can't be written: {e}"))?;
        journal.tap = Arc::new(Tap::new(journal.sequence, journal.latest));
        Ok(journal)
    }

    fn apply_again(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        let checkpoint = self.sequence;
        if entries
            .first()
            .is_some_and(|first| first.sequence > checkpoint + 1)
        {
            let why = format!("its tables end at group {checkpoint} and its journal begins later");
            return Err(damaged(&self.dir, &why));
        }
        for entry in entries
            .into_iter()
            .filter(|entry| entry.sequence > checkpoint)
        {
            let trees = &self.tables.trees;
            let laid = trees.lay(entry.rows.iter());
            let applied = laid.and_then(|mut laid| trees.apply_all(&entry.rows, &mut laid));
            applied.map_err(|e| format!("the store can't be written: {e}"))?;
            (self.sequence, self.latest) = (entry.sequence, entry.latest);
        }
        let acknowledged = self.wal.acknowledged();
        if self.sequence < acknowledged {
            return Err(damaged(
                &self.dir,
                &format!("it ends at group {} of {acknowledged}", self.sequence),
            ));
        }
        Ok(())
    }

    /// Ends a sweep that a kill has cut off: it was up to a time that was logged, or that margin later.
    fn end_sweep(&self) -> sled::Result<()> {
        let answers = self.tables.trees.answers();
        answers.map_or(Ok(()), |answers| {
            answers.end_sweep(self.latest.plus(policy::SWEEP_MARGIN))
        })
    }

    /// The latest time that any commit was made at.
    pub(super) const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Brings every row that was applied to the disk for good, and begins the log anew.
    fn checkpoint(&mut self) -> sled::Result<()> {
        self.tables.checkpoint(self.sequence, self.latest)?;
        self.wal.rewind()?;
        self.figures.checkpoint();
        Ok(())
    }

    /// Logs a group, and applies its commits one after the other. Each is told when its own rows are there: whoever waits
    /// for it goes on while the next are applied. After an error those are left that were not told.
    fn commit(&mut self, group: &mut IntoIter<Commit>) -> sled::Result<()> {
        let sequence = self.sequence + 1;
        let commits = group.as_slice();
        let latest = commits
            .iter()
            .map(|commit| commit.at)
            .fold(self.latest, Timestamp::max);
        let rows = || commits.iter().map(|commit| commit.rows.as_slice());
        if !self.wal.prepare(sequence, latest, rows()) {
            self.checkpoint()?;
        }
        let mut turn = self.tap.turn();
        let watch = Stopwatch::start();
        self.wal.append(sequence)?;
        self.figures
            .synced(commits.len(), watch.elapsed(), self.wal.end());
        (self.sequence, self.latest) = (sequence, latest);
        turn.logged(sequence, latest, rows().flatten().count(), self.wal.rows());
        let mut laid = self.tables.trees.lay(rows().flatten())?;
        while let Some(commit) = group.as_mut_slice().first_mut() {
            self.tables.trees.apply_all(&commit.rows, &mut laid)?;
            self.figures.ended(1, Fate::Kept);
            commit.tell(Ok(()));
            drop(group.next());
        }
        tables::free();
        Ok(())
    }

    /// The last checkpoint; nothing is committed after it.
    pub(super) fn close(mut self, now: Timestamp) -> sled::Result<()> {
        self.latest = self.latest.max(now);
        self.checkpoint()
    }

    /// Serves commits until the last sender is gone, then gives the journal back.
    pub(super) fn run(mut self, queue: &Receiver<Commit>, health: &Health) -> Self {
        let _vital = Vital(health);
        while let Ok(first) = queue.recv() {
            let mut group = gather(first, queue);
            self.figures.unqueue(group.len());
            self.watch_space(health);
            if health.check().is_err() {
                let refused = |commit: &mut Commit| {
                    commit.urgency == Urgency::Ordinary || health.has_failed()
                };
                let refused: Vec<Commit> = group.extract_if(.., refused).collect();
                // Before they are dropped, which tells who waits.
                self.figures.ended(refused.len(), Fate::Refused);
            }
            if group.is_empty() {
                continue;
            }
            let mut group = group.into_iter();
            if let Err(error) = self.commit(&mut group) {
                health.fail_with(&error);
                // Before they are dropped, which tells who waits.
                self.figures.ended(group.len(), Fate::Failed);
            }
        }
        self.tap.close();
        self
    }

    fn watch_space(&self, health: &Health) {
        let short = missing_space(&self.dir, self.min_free);
        let before = health.short_of.swap(short, Ordering::Relaxed);
        match (before, short) {
            (0, 1..) => log::error!(
                "the disk is nearly full: payments get 503 until {short} more bytes are free"
            ),
            (1.., 0) => log::info!("the disk has space again: payments are served"),
            _ => (),
        }
    }
}

/// Bytes of free space that are missing to what we want, on the disk that holds `dir`.
pub(super) fn missing_space(dir: &Path, min_free: u64) -> u64 {
    // A disk that can't be asked will say what is wrong when it is written to.
    rustix::fs::statvfs(dir).map_or(0, |disk| lacking(&disk, min_free))
}

/// The same on the disk that holds an open file: the way to it may be another user's.
pub(super) fn missing_space_of(file: &File, min_free: u64) -> u64 {
    rustix::fs::fstatvfs(file).map_or(0, |disk| lacking(&disk, min_free))
}

fn lacking(disk: &rustix::fs::StatVfs, min_free: u64) -> u64 {
    min_free.saturating_sub(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// All that waits, up to the size of a group.
fn gather(first: Commit, queue: &Receiver<Commit>) -> Vec<Commit> {
    let size = |commit: &Commit| -> usize {
        commit.rows.iter().map(|row| if let Row::Put { value, .. } = row { value.len() } else { 0 } + 64).sum()
    };
    let mut bytes = size(&first);
    let mut group = vec![first];
    while group.len() < policy::GROUP_COMMITS && bytes < policy::GROUP_BYTES {
        let Ok(next) = queue.try_recv() else { break };
        bytes += size(&next);
        group.push(next);
    }
    group
}
