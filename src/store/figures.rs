//! What the store counts of itself, and what it can tell of its size without walking through it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Store;
use crate::domain::time::Timestamp;
use crate::metrics::{Counters, Family, Histograms, gauge};
use crate::policy;

/// What became of a commit; also its place among the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is on disk.
    Kept,
    /// It was turned away: the disk is nearly full, or too many wait.
    Refused,
    /// The store failed.
    Failed,
}

/// What the writer and those who hand it commits count.
pub(super) struct Figures {
    commits: Counters,
    /// Commits of a group; so many groups, too.
    groups: Histograms,
    syncs: Histograms,
    checkpoints: Counters,
    swept: Counters,
    /// Commits that wait for the writer.
    queued: AtomicUsize,
    journal_bytes: AtomicU64,
}

impl Figures {
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            commits: Counters::new(
                "atlas_store_commits_total",
                "Commits by what became of them: kept on disk, refused (disk nearly full or queue full), failed.",
                ["result"],
                [["kept"], ["refused"], ["failed"]],
            )?,
            groups: Histograms::single(
                "atlas_store_group_commits",
                "Commits that shared one sync; their number is that of the groups.",
                &policy::metrics::GROUP_SIZES,
            )?,
            syncs: Histograms::single(
                "atlas_store_sync_duration_seconds",
                "Time to write one group to the journal and sync it.",
                &policy::metrics::SYNC_SECONDS,
            )?,
            checkpoints: Counters::single(
                "atlas_store_checkpoints_total",
                "Times that the tables were brought to the disk and the journal begun anew.",
            )?,
            swept: Counters::single(
                "atlas_store_swept_records_total",
                "Idempotency records removed after their time was over.",
            )?,
            queued: AtomicUsize::new(0),
            journal_bytes: AtomicU64::new(0),
        })
    }

    /// Commits have ended.
    pub(super) fn ended(&self, commits: usize, fate: Fate) {
        self.commits.add(fate as usize, commits);
    }

    /// A commit goes to the writer.
    pub(super) fn queue(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// The writer has taken commits, or they could not be queued.
    pub(super) fn unqueue(&self, commits: usize) {
        self.queued.fetch_sub(commits, Ordering::Relaxed);
    }

    /// A group was synced, and the journal is filled so far.
    pub(super) fn synced(&self, commits: usize, took: std::time::Duration, journal: u64) {
        self.groups.observe(0, commits as f64);
        self.syncs.took(0, took);
        self.journal_bytes.store(journal, Ordering::Relaxed);
    }

    /// The journal begins anew.
    pub(super) fn checkpoint(&self) {
        self.checkpoints.add(0, 1);
        self.journal_bytes.store(0, Ordering::Relaxed);
    }

    /// Expired records were removed.
    pub(super) fn swept(&self, records: usize) {
        self.swept.add(0, records);
    }

    fn families(&self) -> Vec<Family> {
        let queued = self.queued.load(Ordering::Relaxed) as f64;
        let journal = self.journal_bytes.load(Ordering::Relaxed) as f64;
        let mut all = vec![
            gauge(
                "atlas_store_queue_commits",
                "Commits that wait for the writer.",
                queued,
            ),
            gauge(
                "atlas_store_queue_limit_commits",
                "Commits that may wait; one more is refused.",
                policy::QUEUE as f64,
            ),
            gauge(
                "atlas_store_journal_bytes",
                "Bytes logged since the last checkpoint.",
                journal,
            ),
            gauge(
                "atlas_store_journal_limit_bytes",
                "Size of the journal; a full one makes a checkpoint.",
                policy::JOURNAL_BYTES as f64,
            ),
        ];
        for own in [&self.commits, &self.checkpoints, &self.swept] {
            all.extend(own.families());
        }
        for own in [&self.groups, &self.syncs] {
            all.extend(own.families());
        }
        all
    }
}

impl Store {
    /// What the store counts and measures of itself. Reads a few rows and changes nothing; what can't be read is left
    /// out.
    pub fn figures(&self, now: Timestamp) -> Vec<Family> {
        let mut all = self.figures.families();
        if let Ok(answers) = self.trees.answers() {
            all.push(gauge(
                "atlas_store_records",
                "Idempotency records kept, expired ones that are not swept yet among them.",
                answers.len() as f64,
            ));
            all.extend(answers.first_over().ok().map(|first| {
                gauge(
                    "atlas_store_sweep_lag_seconds",
                    "For how long the oldest records that are not swept yet have been over; they are swept after the time a body may take and a minute.",
                    first.map_or(0.0, |at| now.since(at).as_secs_f64()),
                )
            }));
        }
        all.push(gauge(
            "atlas_store_size_bytes",
            "Bytes of the store's files.",
            size_of(&self.dir.join("store")) as f64,
        ));
        if let Ok(disk) = rustix::fs::statvfs(&self.dir) {
            all.push(gauge(
                "atlas_disk_free_bytes",
                "Bytes free on the disk of the data directory.",
                disk.f_bavail.saturating_mul(disk.f_frsize) as f64,
            ));
        }
        all.push(gauge(
            "atlas_disk_free_limit_bytes",
            "Bytes that must be free (min_free_disk), or payments are refused.",
            self.options.min_free_disk as f64,
        ));
        all.push(gauge(
            "atlas_store_writable",
            "1 while payments can be kept, 0 when the disk is nearly full or the store has failed.",
            f64::from(u8::from(self.writable().is_ok())),
        ));
        all.push(gauge(
            "atlas_store_unclean_start",
            "1 if who had the store before this start has not closed it: it was killed, or its store failed.",
            f64::from(u8::from(self.ending.was_left_open())),
        ));
        all
    }
}

/// Bytes of the files in a directory and those right below it.
fn size_of(dir: &Path) -> u64 {
    let sizes = |dir: &Path| -> (u64, Vec<std::path::PathBuf>) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.fold((0, Vec::new()), |(bytes, mut below), entry| {
            match entry.metadata() {
                Ok(data) if data.is_dir() => {
                    below.push(entry.path());
                    (bytes, below)
                }
                Ok(data) => (bytes + data.len(), below),
                // It went away meanwhile.
                Err(_) => (bytes, below),
            }
        })
    };
    let (own, below) = sizes(dir);
    own + below.iter().map(|dir| sizes(dir).0).sum::<u64>()
}
