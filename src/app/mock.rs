//! What only the mock lets a developer do: move the clock, ask for faults, begin anew, set what is left of a limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::faults::Faults;
use super::{App, KeyEntry};
use crate::domain::fault::{NewRule, Rule};
use crate::domain::id::{FaultId, KeyId};
use crate::domain::key::Mode;
use crate::domain::refusal::Refusal;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::entropy;
use crate::limiter::Remains;
use crate::policy;

/// What the handles hold; empty in a server that is no mock.
#[derive(Default)]
pub struct Mock {
    /// The rules in force.
    pub faults: Faults,
    /// Told when the clock was moved.
    moved: watch::Sender<()>,
    /// The clock is moved, and all is begun anew, one at a time.
    one_at_a_time: tokio::sync::Mutex<()>,
}

/// How far to move the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMove {
    /// So far.
    By(Duration),
    /// Until it shows this.
    To(Timestamp),
}

const KEY: &str = "must be the secret of a test key, as sk_test_xxx, or the id of one that there is, as key_...; \
                   `atlas keys list` shows them.";

impl App {
    /// Moves the clock forward and does what falls due by it. Goes on when whoever asked is gone.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] when that lies behind or too far ahead, and then it is not moved.
    pub async fn move_clock(self: &Arc<Self>, by: ClockMove) -> Result<(), Refusal> {
        let app = Arc::clone(self);
        let work = tokio::spawn(async move { app.moved_clock(by).await });
        work.await.unwrap_or(Err(Refusal::Internal))
    }

    async fn moved_clock(self: &Arc<Self>, by: ClockMove) -> Result<(), Refusal> {
        let _one_at_a_time = self.mock.one_at_a_time.lock().await;
        let now = self.clock.now();
        let (param, to) = match by {
            ClockMove::By(span) => ("advance", now.plus(span)),
            ClockMove::To(to) => ("set", to),
        };
        if to < now {
            let must = format!(
                "must not lie before now, {}: the clock only goes forward.",
                now.rfc3339()
            );
            return Err(Refusal::invalid(param, must));
        }
        if to.millis() > policy::CLOCK_LATEST_MS {
            return Err(Refusal::invalid(
                param,
                "must not lead beyond the year 3000.",
            ));
        }
        match by {
            ClockMove::By(span) => self.clock.advance(span),
            ClockMove::To(to) => drop(self.clock.raise(to)),
        }
        let now = self.clock.now();
        self.store.note_time(now).await?;
        self.catch_up(now).await?;
        self.mock.moved.send_replace(());
        Ok(())
    }

    /// Waits so long: in real time, or until the clock was moved so far, or the server stops.
    pub async fn hold_up(&self, delay: Duration, since: Timestamp) {
        let (mut moved, mut stopping) = (self.mock.moved.subscribe(), self.stopping.subscribe());
        let due = since.plus(delay);
        let is_over = async {
            tokio::select! {
                _ = moved.wait_for(|()| self.clock.now() >= due) => (),
                _ = stopping.wait_for(|stopping| *stopping) => (),
            }
        };
        // Either way it is over.
        let _ = tokio::time::timeout(delay, is_over).await;
    }

    /// Puts a rule of faults in force.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] for a key that there can't be, or when there are too many rules.
    pub async fn add_fault(
        self: &Arc<Self>,
        asked: NewRule,
        now: Timestamp,
    ) -> Result<Rule, Refusal> {
        let key = match &asked.key {
            Some(text) => Some(self.test_key(text, now).await?.key.id),
            None => None,
        };
        let id = FaultId::new(now, entropy::base62()?);
        self.mock.faults.add(id, asked, key)
    }

    /// The test key of this secret or id. A secret that was never seen becomes a key, as on its first use.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] when there is none and can't be one.
    pub async fn test_key(
        self: &Arc<Self>,
        text: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyEntry>, Refusal> {
        let invalid = || Refusal::invalid("key", KEY);
        match self.find_key(text)? {
            Some(entry) if entry.key.mode == Mode::Test => Ok(entry),
            Some(_) => Err(invalid()),
            None => self.adopt(text.as_bytes(), now).await,
        }
    }

    /// The key of this secret or id; None for a test secret that was never seen.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] when there is none and can't be one.
    pub fn find_key(&self, text: &str) -> Result<Option<Arc<KeyEntry>>, Refusal> {
        let found = match KeyId::parse(text) {
            Some(id) => self.directory.by_id(&id),
            None => self.directory.find(&self.pepper.hash(text.as_bytes())),
        };
        let may_come = || Secret::mode_of(text, policy::MOCK_LENGTH) == Some(Mode::Test);
        if found.is_none() && !may_come() {
            return Err(Refusal::invalid("key", KEY));
        }
        Ok(found)
    }

    /// Leaves so much of a key's limits from now on.
    pub fn set_remaining(&self, entry: &KeyEntry, remains: Remains, now: Timestamp) {
        let used = entry.limiter.set_remaining(remains, now);
        if remains.day.is_some() {
            // So that a crash does not give the day back. A fault of the store is in its log.
            self.store
                .lease(now.day(), &entry.key.id, used, now, |_| ());
        }
    }

    /// Forgets whatever came of requests, rules of faults and all that was counted. Keys and the clock stay. Goes on
    /// when whoever asked is gone.
    ///
    /// # Errors
    /// [`Refusal::StorageUnavailable`], and then nothing is forgotten.
    pub async fn reset(self: &Arc<Self>) -> Result<(), Refusal> {
        let app = Arc::clone(self);
        let work = tokio::spawn(async move { app.begin_anew().await });
        work.await.unwrap_or(Err(Refusal::Internal))
    }

    async fn begin_anew(&self) -> Result<(), Refusal> {
        let _one_at_a_time = self.mock.one_at_a_time.lock().await;
        let now = self.clock.now();
        // First what is on disk: a lease that was under way is told before this is, and so forgotten below.
        self.store.reset(now).await?;
        self.claims.reset();
        self.replays.reset();
        self.directory.reset_counters(now);
        self.addresses.reset();
        self.buyers.reset();
        self.mock.faults.clear();
        self.requests.clear();
        Ok(())
    }
}
