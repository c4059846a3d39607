//! Every key, in memory: no request reads the store to learn who it comes from.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::traffic::Traffic;
use crate::domain::id::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::limit::Limits;
use crate::domain::outcome::Outcomes;
use crate::domain::secret::SecretHash;
use crate::domain::time::{Day, Timestamp};
use crate::limiter::KeyLimiter;
use crate::store::{Store, Unavailable};

/// A key as it stands, with what moves: counters and time of last use. A changed key is a new entry that shares them.
#[derive(Debug)]
pub struct KeyEntry {
    /// The key.
    pub key: ApiKey,
    /// Its counters.
    pub limiter: Arc<KeyLimiter>,
    /// How its requests ended.
    pub traffic: Arc<Traffic>,
    used_at: Arc<LastUsed>,
}

/// Milliseconds since the epoch, 0 for never.
#[derive(Debug, Default)]
struct LastUsed {
    seen: AtomicU64,
    written: AtomicU64,
}

impl KeyEntry {
    /// Notes that the key was used.
    pub fn touch(&self, now: Timestamp) {
        self.used_at.seen.store(now.millis(), Ordering::Relaxed);
    }

    /// When the key was last used.
    pub fn used_at(&self) -> Option<Timestamp> {
        Some(self.used_at.seen.load(Ordering::Relaxed))
            .filter(|millis| *millis > 0)
            .map(Timestamp::from_millis)
    }
}

#[derive(Default)]
struct Keys {
    by_secret: HashMap<SecretHash, Arc<KeyEntry>>,
    by_id: HashMap<KeyId, Arc<KeyEntry>>,
}

/// The keys by secret and by id.
pub struct Directory {
    limits: Limits,
    keys: RwLock<Keys>,
}

impl Directory {
    /// Every key of the store, each counting on from what of today is on disk.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn load(store: &Store, limits: Limits, now: Timestamp) -> Result<Self, Unavailable> {
        let directory = Self {
            limits,
            keys: RwLock::default(),
        };
        let used_at = store.last_used()?;
        let counts = store.day_counts(now.day())?;
        let outcomes = store.outcomes_of_day(now.day())?;
        for key in store.keys()? {
            let seen = used_at.get(&key.id).map_or(0, |at| at.millis());
            let used_at = LastUsed {
                seen: AtomicU64::new(seen),
                written: AtomicU64::new(seen),
            };
            let count = counts.get(&key.id).copied().unwrap_or(0);
            let limiter = KeyLimiter::new(limits.with(key.limits), now.day(), count);
            let ended = outcomes.get(&key.id).copied().unwrap_or_default();
            directory.insert(KeyEntry {
                key,
                limiter: Arc::new(limiter),
                traffic: Arc::new(Traffic::restored(now.day(), ended, now)),
                used_at: Arc::new(used_at),
            });
        }
        Ok(directory)
    }

    /// The key that has this secret, present or retired.
    pub fn find(&self, secret: &SecretHash) -> Option<Arc<KeyEntry>> {
        self.keys.read().by_secret.get(secret).map(Arc::clone)
    }

    /// The key of this id.
    pub fn by_id(&self, id: &KeyId) -> Option<Arc<KeyEntry>> {
        self.keys.read().by_id.get(id).map(Arc::clone)
    }

    /// Every key, oldest first.
    pub fn all(&self) -> Vec<Arc<KeyEntry>> {
        let mut all: Vec<_> = self.keys.read().by_id.values().map(Arc::clone).collect();
        all.sort_by_key(|entry| entry.key.id);
        all
    }

    /// Shows every key, in no order.
    pub fn each(&self, look: impl FnMut(&Arc<KeyEntry>)) {
        self.keys.read().by_id.values().for_each(look);
    }

    /// Puts a key in force as it now is; its counters go on.
    pub fn put(&self, key: ApiKey, now: Timestamp) -> Arc<KeyEntry> {
        let limits = self.limits.with(key.limits);
        let entry = match self.by_id(&key.id) {
            Some(old) => {
                old.limiter.set_limits(limits, now);
                KeyEntry {
                    key,
                    limiter: Arc::clone(&old.limiter),
                    traffic: Arc::clone(&old.traffic),
                    used_at: Arc::clone(&old.used_at),
                }
            }
            None => KeyEntry {
                key,
                limiter: Arc::new(KeyLimiter::new(limits, now.day(), 0)),
                traffic: Arc::default(),
                used_at: Arc::default(),
            },
        };
        self.insert(entry)
    }

    fn insert(&self, entry: KeyEntry) -> Arc<KeyEntry> {
        let entry = Arc::new(entry);
        let mut keys = self.keys.write();
        let forgotten = keys.by_id.insert(entry.key.id, Arc::clone(&entry));
        for hash in forgotten.iter().flat_map(|old| old.key.hashes()) {
            keys.by_secret.remove(&hash);
        }
        for hash in entry.key.hashes() {
            keys.by_secret.insert(hash, Arc::clone(&entry));
        }
        drop(keys);
        entry
    }

    /// Forgets what every key has used and how its requests ended.
    pub fn reset_counters(&self, now: Timestamp) {
        for entry in self.keys.read().by_id.values() {
            entry.limiter.reset(now);
            entry.traffic.reset();
        }
    }

    /// Keys used since this was last asked, with the time.
    pub fn newly_used(&self) -> Vec<(KeyId, Timestamp)> {
        let keys = self.keys.read();
        let newly = |entry: &Arc<KeyEntry>| {
            let seen = entry.used_at.seen.load(Ordering::Relaxed);
            let written = entry.used_at.written.swap(seen, Ordering::Relaxed);
            (seen > written).then_some((entry.key.id, Timestamp::from_millis(seen)))
        };
        keys.by_id.values().filter_map(newly).collect()
    }

    /// How requests ended, by day and key, where that has changed since this was last asked.
    pub fn unwritten_outcomes(&self) -> Vec<(Day, KeyId, Outcomes)> {
        let keys = self.keys.read();
        let of = |entry: &Arc<KeyEntry>| {
            let id = entry.key.id;
            let counts = entry.traffic.unwritten().into_iter();
            counts.map(move |(day, outcomes)| (day, id, outcomes))
        };
        keys.by_id.values().flat_map(of).collect()
    }

    /// For each key that was used on this day, the requests admitted on it.
    pub fn counts_of(&self, today: Day) -> Vec<(KeyId, u32)> {
        let count = |entry: &Arc<KeyEntry>| {
            let (day, count) = entry.limiter.day_count();
            (day == today && count > 0).then_some((entry.key.id, count))
        };
        self.keys.read().by_id.values().filter_map(count).collect()
    }
}
