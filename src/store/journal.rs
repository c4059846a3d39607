//! The writer: one thread that turns commits into groups, and each group into one synced journal entry.
//!
//! A group is written as *one* value, synced, and only then applied row by row. One value is atomic in sled, so after
//! a crash a group is there as a whole or not at all, and no reader ever sees what a crash could take back. The rows
//! themselves reach the disk with the next group's sync, so two journal slots in turn are enough; a start applies both
//! again. Why not sled's own `apply_batch`: it stops every reader meanwhile (p99 of a read 28 us -> 300 us), costs
//! twice the writes, and its recovery leans on snapshots. Why `sync_data` after `flush`: sled's flush asks Linux for
//! `sync_file_range` only, which promises nothing at a power loss.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use tokio::sync::Notify;

use super::Options;
use super::rows::{self, Row, Table};
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

/// One journal slot, as read at a start.
struct Entry {
    sequence: u64,
    latest: Timestamp,
    rows: Vec<Row>,
}

/// Owns the disk: the journal, the sync, and the free space.
pub(super) struct Journal {
    pub(super) db: sled::Db,
    pub(super) trees: Arc<Trees>,
    slots: sled::Tree,
    /// Our own handle on sled's log, to sync it for real.
    log: File,
    /// The last sequence number known to be on disk. sled cuts its log at the first byte it can't read and calls that
    /// a recovery; this tells a crash from a loss.
    high_water: File,
    dir: PathBuf,
    min_free: u64,
    sequence: u64,
    latest: Timestamp,
    entry: Vec<u8>,
}

const HEAD: usize = 8 + 8;
pub(super) const HIGH_WATER_FILE: &str = "high-water";

impl Journal {
    /// Takes over an open database and applies what the last run may have left unapplied.
    pub(super) fn recover(db: sled::Db, dir: PathBuf, options: Options) -> Result<Self, String> {
        let fault = |e: sled::Error| format!("the store can't be read: {e}");
        let trees = Arc::new(Trees::open(&db).map_err(fault)?);
        let slots = db.open_tree("journal").map_err(fault)?;
        let log = File::open(dir.join("db"))
            .map_err(|e| format!("the store's log can't be opened: {e}"))?;
        let high_water = dir.join(HIGH_WATER_FILE);
        let high_water = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&high_water);
        let high_water =
            high_water.map_err(|e| format!("{HIGH_WATER_FILE} can't be opened: {e}"))?;
        let (min_free, latest, entry) = (options.min_free_disk, Timestamp::default(), Vec::new());
        let mut journal = Self {
            db,
            trees,
            slots,
            log,
            high_water,
            dir,
            min_free,
            sequence: 0,
            latest,
            entry,
        };
        let mut entries = Vec::new();
        for slot in journal.slots.iter().values() {
            entries.push(
                decode_entry(&slot.map_err(fault)?).ok_or("the store's journal can't be read")?,
            );
        }
        entries.sort_by_key(|entry| entry.sequence);
        for entry in entries {
            for row in &entry.rows {
                journal.trees.apply(row).map_err(fault)?;
            }
            (journal.sequence, journal.latest) = (entry.sequence, entry.latest);
        }
        journal.latest = options
            .latest
            .map_or(journal.latest, |latest| journal.latest.min(latest));
        journal.check_high_water()?;
        journal.sync().map_err(fault)?;
        Ok(journal)
    }

    fn check_high_water(&self) -> Result<(), String> {
        let mut bytes = [0; 8];
        let written = match self.high_water.read_exact_at(&mut bytes, 0) {
            Ok(()) => u64::from_be_bytes(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(e) => return Err(format!("{HIGH_WATER_FILE} can't be read: {e}")),
        };
        if written <= self.sequence {
            return Ok(());
        }
        let why = format!("it ends at group {} of {written}", self.sequence);
        let way_out = format!(
            "; to go on with what is left of it, remove {}",
            self.dir.join(HIGH_WATER_FILE).display()
        );
        Err(super::open::damaged(&self.dir, &why) + &way_out)
    }

    /// The latest time that any commit was made at.
    pub(super) const fn latest(&self) -> Timestamp {
        self.latest
    }

    pub(super) fn sync(&self) -> sled::Result<()> {
        self.db.flush()?;
        self.log.sync_data().map_err(sled::Error::from)
    }

    fn commit(&mut self, group: &[Commit]) -> sled::Result<()> {
        self.sequence += 1;
        self.latest = group
            .iter()
            .map(|commit| commit.at)
            .fold(self.latest, Timestamp::max);
        self.entry.clear();
        self.entry.extend_from_slice(&self.sequence.to_be_bytes());
        self.entry
            .extend_from_slice(&self.latest.millis().to_be_bytes());
        for commit in group {
            rows::encode_rows(&commit.rows, &mut self.entry);
        }
        self.slots.insert(
            [u8::from(self.sequence.is_multiple_of(2))],
            self.entry.as_slice(),
        )?;
        self.sync()?;
        self.high_water
            .write_all_at(&self.sequence.to_be_bytes(), 0)?;
        group
            .iter()
            .flat_map(|commit| &commit.rows)
            .try_for_each(|row| self.trees.apply(row))
    }

    /// Empties both slots once everything in them is in the tables for good: what is written after this stays as it is.
    pub(super) fn clear(mut self, now: Timestamp) -> sled::Result<()> {
        self.sync()?;
        self.latest = self.latest.max(now);
        self.commit(&[])?;
        self.commit(&[])?;
        self.high_water.sync_data().map_err(sled::Error::from)
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

fn decode_entry(bytes: &[u8]) -> Option<Entry> {
    let (head, rows) = bytes.split_first_chunk::<HEAD>()?;
    let (sequence, latest) = head.split_first_chunk::<8>()?;
    Some(Entry {
        sequence: u64::from_be_bytes(*sequence),
        latest: rows::decode_time(latest).ok()?,
        rows: rows::decode_rows(rows).ok()?,
    })
}
