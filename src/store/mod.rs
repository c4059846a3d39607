//! What must outlive the process. Speaks of keys, replies, sessions and days; that there are sled trees behind it
//! shows nowhere else, so that another engine could stand here.
//!
//! Promises:
//! - What was acknowledged is on disk. A commit is there as a whole or not at all, also after `kill -9` or a power loss.
//! - A read sees only what is on disk.
//! - When the disk is short of space, payments are refused and the store stays whole; when it fails, nothing is
//!   written any more and [`Store::failed`] tells.

mod answers;
mod backup;
mod blocks;
mod claims;
mod ending;
mod figures;
mod format;
mod journal;
mod new_sessions;
mod open;
mod operator;
mod outbox;
mod owner;
mod payments;
mod real_sync;
mod reset;
mod restore;
mod rewritten;
mod rows;
mod statistics;
mod sweep;
mod tables;
mod taken;
#[cfg(test)]
mod tests;
mod verify;
mod wal;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::ending::Ending;
use self::figures::{Fate, Figures};
use self::journal::{Commit, Done, Health, Journal, Urgency, Vital, missing_space};
use self::rows::{Row, Table, Unreadable};
use self::tables::Trees;
use crate::domain::id::KeyId;
use crate::domain::idempotency::{Record, RecordId};
use crate::domain::key::ApiKey;
use crate::domain::time::{Day, Timestamp};
use crate::policy;

pub use self::backup::{
    Extent, GoOn, Head, Kept, NewFile, Summary, check_copy, keep_latest, name_of, open_backup,
};
pub use self::journal::Unavailable;
pub use self::open::OPENER;
pub use self::outbox::Due;
pub use self::owner::be_root_again;
pub use self::payments::{Effect, KeptSession};
pub use self::real_sync::make_syncs_real;
pub use self::restore::{Restored, restore};
#[doc(hidden)]
pub use self::rewritten::{OTHERS, rewritten, tables};
pub use self::taken::{Taken, abandoned, in_use, is_in_use, take, take_if_free};
pub use self::verify::{Fault, Verification};

/// Settings of the store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Page cache, in bytes.
    pub cache: u64,
    /// Free space, in bytes, under which payments are refused.
    pub min_free_disk: u64,
    /// Forget that a later time than this was seen.
    pub latest: Option<Timestamp>,
}

/// The open store.
pub struct Store {
    trees: Arc<Trees>,
    /// Where a backup listens to the writer.
    tap: Arc<backup::Tap>,
    /// Held by whoever removes rows beside the log that belong together.
    unlogged: Mutex<()>,
    health: Arc<Health>,
    figures: Arc<Figures>,
    dir: PathBuf,
    options: Options,
    latest: Timestamp,
    /// The time that was last logged for the sweeper.
    logged_time: AtomicU64,
    /// Other processes are kept out while this lives.
    ending: Ending,
    // Taken at the end: the writer stops when the queue is gone.
    writer: Mutex<Option<(SyncSender<Commit>, JoinHandle<Journal>)>>,
}

impl Store {
    /// The latest time of any commit: a clock that shows less was set back.
    pub fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Every key.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn keys(&self) -> Result<Vec<ApiKey>, Unavailable> {
        self.read_all(Table::Keys, |_, value| rows::decode_key(value))
    }

    /// Requests of a day that are accounted for, by key.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn day_counts(&self, day: Day) -> Result<HashMap<KeyId, u32>, Unavailable> {
        self.read_day(Table::Days, day, rows::decode_number)
    }

    /// The record of a request under an idempotency key, expired or not.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or has failed: then nobody knows, and nothing may be run.
    pub fn record(&self, id: &RecordId) -> Result<Option<Record>, Unavailable> {
        if self.health.has_failed() {
            return Err(Unavailable);
        }
        let found = self.trees.answers()?.get(id.as_bytes())?;
        found
            .map(|found| answers::record::decode(found.bytes(), found.expires_at))
            .transpose()
            .map_err(|e| unreadable(Table::Answers.name(), &e))
    }

    /// Keeps a key as it now is.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn keep_key(&self, key: &ApiKey, now: Timestamp) -> Result<(), Unavailable> {
        let row = Row::put(Table::Keys, key.id.as_bytes(), rows::encode_key(key));
        self.commit(Urgency::Urgent, now, vec![row], ()).await
    }

    /// Accounts for `count` requests of a key on a day, without waiting; `done` is told whether that is on disk. A
    /// lower count than the one kept changes nothing.
    pub fn lease(
        &self,
        day: Day,
        key: &KeyId,
        count: u32,
        now: Timestamp,
        done: impl FnOnce(bool) + Send + 'static,
    ) {
        let row = Row::Raise {
            table: Table::Days,
            key: rows::day_key(day, key),
            to: count,
        };
        self.submit(
            Urgency::Urgent,
            now,
            vec![row],
            Box::new(move |kept| done(kept.is_ok())),
        );
    }

    /// Whether payments can be kept right now.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk is short of space or the store has failed.
    pub fn writable(&self) -> Result<(), Unavailable> {
        let short = missing_space(&self.dir, self.options.min_free_disk) > 0;
        if short || self.health.has_failed() {
            Err(Unavailable)
        } else {
            Ok(())
        }
    }

    /// Waits until the store fails for good.
    pub async fn failed(&self) {
        self.health.failure.notified().await;
    }

    /// Finishes what is queued, writes the exact counts of a day, syncs and lets go of the files.
    ///
    /// # Errors
    /// [`Unavailable`] when the last writes did not reach the disk.
    pub fn close(&self, now: Timestamp, counts: &[(KeyId, u32)]) -> Result<(), Unavailable> {
        let Some((sender, writer)) = self.writer.lock().take() else {
            return Ok(());
        };
        drop(sender);
        let journal = writer.join().map_err(|_| Unavailable)?;
        if self.health.has_failed() {
            return Err(Unavailable);
        }
        let days = self.trees.of(Table::Days);
        let exact = |(key, count): &(KeyId, u32)| {
            days.insert(rows::day_key(now.day(), key), rows::encode_number(*count))
                .map(drop)
        };
        counts
            .iter()
            .try_for_each(exact)
            .and_then(|()| journal.close(now))
            .map(|()| self.ending.closed())
            .map_err(|error| {
                log::error!("the store could not be closed cleanly: {error}");
                Unavailable
            })
    }

    /// Hands rows to the writer at once, whether anybody waits for what becomes of them or not.
    fn commit<T: Send + 'static>(
        &self,
        urgency: Urgency,
        now: Timestamp,
        rows: Vec<Row>,
        until_kept: T,
    ) -> impl Future<Output = Result<(), Unavailable>> + use<T> {
        let (done, receipt) = oneshot::channel();
        let tell = move |kept| {
            drop(until_kept);
            // Nobody waits any more when the receipt is gone; the rows are kept all the same.
            let _ = done.send(kept);
        };
        self.submit(urgency, now, rows, Box::new(tell));
        async move { receipt.await.unwrap_or(Err(Unavailable)) }
    }

    /// Logs that it is `now`, and waits for that: who has removed what had expired must not find itself before that time
    /// after a crash. Once a minute is enough, since nothing is removed before its time and a margin.
    fn log_time(&self, now: Timestamp) -> Result<(), Unavailable> {
        if now.since(Timestamp::from_millis(
            self.logged_time.load(Ordering::Relaxed),
        )) < policy::SWEEP_MARGIN
        {
            return Ok(());
        }
        self.commit_and_wait(now, Vec::new())?;
        self.logged_time.store(now.millis(), Ordering::Relaxed);
        Ok(())
    }

    /// For threads that serve nobody.
    fn commit_and_wait(&self, now: Timestamp, rows: Vec<Row>) -> Result<(), Unavailable> {
        let (done, kept) = sync_channel(1);
        let tell = move |outcome| {
            let _ = done.send(outcome);
        };
        self.submit(Urgency::Urgent, now, rows, Box::new(tell));
        kept.recv().unwrap_or(Err(Unavailable))
    }

    fn submit(&self, urgency: Urgency, at: Timestamp, rows: Vec<Row>, done: Done) {
        let sender = self
            .writer
            .lock()
            .as_ref()
            .map(|(sender, _)| sender.clone());
        let commit = Commit::new(urgency, at, rows, done);
        // A commit that can't be queued is dropped, and so told that it failed.
        self.figures.queue();
        if sender.is_none_or(|sender| sender.try_send(commit).is_err()) {
            self.figures.unqueue(1);
            self.figures.ended(1, Fate::Refused);
        }
    }

    /// A guard for a thread that the store can't do without: should it panic, the store has failed.
    pub fn vital(&self) -> impl Drop + '_ {
        Vital(&self.health)
    }

    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        decode: impl Fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unavailable> {
        let row = self.row(table, key)?;
        row.map(|value| decode(&value))
            .transpose()
            .map_err(|e| unreadable(table.name(), &e))
    }

    fn row(&self, table: Table, key: &[u8]) -> Result<Option<sled::IVec>, Unavailable> {
        if self.health.has_failed() {
            return Err(Unavailable);
        }
        let row = self.trees.of(table).get(key);
        row.map_err(|e| unreadable(table.name(), &e))
    }

    fn read_day<T>(
        &self,
        table: Table,
        day: Day,
        decode: impl Fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<HashMap<KeyId, T>, Unavailable> {
        let mut found = HashMap::new();
        let prefix = day.number().to_be_bytes();
        for row in self.trees.of(table).scan_prefix(prefix) {
            let (key, value) = row.map_err(|e| unreadable(table.name(), &e))?;
            let read = || Ok((rows::decode_day_key(&key)?.1, decode(&value)?));
            let (key, value) = read().map_err(|e: Unreadable| unreadable(table.name(), &e))?;
            found.insert(key, value);
        }
        Ok(found)
    }

    fn read_all<T>(
        &self,
        table: Table,
        decode: impl Fn(&[u8], &[u8]) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unavailable> {
        let mut all = Vec::new();
        for row in self.trees.of(table).iter() {
            let (key, value) = row.map_err(|e| unreadable(table.name(), &e))?;
            all.push(decode(&key, &value).map_err(|e| unreadable(table.name(), &e))?);
        }
        Ok(all)
    }
}

impl Drop for Store {
    /// Not closed, as where a start comes to nothing later on: nobody was killed, and nothing has failed.
    fn drop(&mut self) {
        let is_open = self.writer.lock().is_some();
        if is_open && !self.health.has_failed() && !std::thread::panicking() {
            self.ending.closed();
        }
    }
}

/// What sled says, for an operator.
fn told(error: &sled::Error) -> String {
    if matches!(error, sled::Error::Corruption { .. }) {
        return "its file is damaged".to_owned();
    }
    error.to_string()
}

fn unreadable(what: &str, error: &dyn std::fmt::Debug) -> Unavailable {
    log::error!("the store's {what} can't be read: {error:?}");
    Unavailable
}
