//! What the Dashboard looks up: how a key's requests ended, what stands under an idempotency key, which sessions there
//! are.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::request_log::Exchange;
use super::{App, KeyEntry};
use crate::domain::asked::{Asked, Difference};
use crate::domain::claim::OpenClaim;
use crate::domain::id::{KeyId, SessionId};
use crate::domain::idempotency::{IdempotencyKey, Record, RecordId};
use crate::domain::json::Json;
use crate::domain::key::{Account, Mode};
use crate::domain::outcome::Outcomes;
use crate::domain::payment::Refund;
use crate::domain::session::Session;
use crate::domain::time::{Day, Timestamp};
use crate::policy;
use crate::store::Unavailable;

/// What stands under an idempotency key.
#[derive(Debug)]
pub enum Standing {
    /// Nothing: the key is free.
    Unknown,
    /// Its first request runs right now.
    Running,
    /// Its first request went upstream, and nobody knows what became of it.
    Open(Box<OpenClaim>),
    /// An answer is kept and replayed, so often so far.
    Kept(Box<Record>, u32),
    /// An answer was kept, and its time is over.
    Expired(Box<Record>, u32),
}

/// Replays that are not written down yet.
#[derive(Default)]
pub(super) struct Replays(Mutex<HashMap<(RecordId, Timestamp), u32>>);

impl Replays {
    pub(super) fn count(&self, id: RecordId, expires_at: Timestamp) {
        let mut counts = self.0.lock();
        if counts.len() < policy::REPLAYS_COUNTED || counts.contains_key(&(id, expires_at)) {
            let count = counts.entry((id, expires_at)).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn of(&self, id: RecordId, expires_at: Timestamp) -> u32 {
        self.0.lock().get(&(id, expires_at)).copied().unwrap_or(0)
    }

    /// Forgets what was counted.
    pub(super) fn reset(&self) {
        drop(self.take());
    }

    fn take(&self) -> HashMap<(RecordId, Timestamp), u32> {
        std::mem::take(&mut self.0.lock())
    }
}

impl App {
    /// Every key, oldest first.
    pub fn keys(&self) -> Vec<std::sync::Arc<KeyEntry>> {
        self.directory.all()
    }

    /// The key of this id.
    pub fn key(&self, id: &KeyId) -> Option<std::sync::Arc<KeyEntry>> {
        self.directory.by_id(id)
    }

    /// How a key's requests ended, day by day, today last.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn last_days(
        &self,
        entry: &KeyEntry,
        now: Timestamp,
    ) -> Result<Vec<(Day, Outcomes)>, Unavailable> {
        let today = now.day();
        let of = |back| {
            let day = today.before(back);
            let outcomes = if back == 0 {
                entry.traffic.of_day(day)
            } else {
                self.store.outcomes(&entry.key.id, day)?
            };
            Ok((day, outcomes))
        };
        (0..policy::CHART_DAYS).rev().map(of).collect()
    }

    /// What stands under an idempotency key of an account and mode.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn standing_of(
        &self,
        account: &Account,
        mode: Mode,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Standing, Unavailable> {
        let id = RecordId::of(account, mode, key);
        let runs = self.running.lock().contains_key(&id);
        if let Some(claim) = self.claims.find(&id, now).filter(|_| !runs) {
            return Ok(Standing::Open(Box::new(claim)));
        }
        let Some(record) = self.store.record(&id)? else {
            return Ok(if runs {
                Standing::Running
            } else {
                Standing::Unknown
            });
        };
        let replays =
            self.store.replays(&id, record.expires_at)? + self.replays.of(id, record.expires_at);
        Ok(if now < record.expires_at {
            Standing::Kept(Box::new(record), replays)
        } else if runs {
            Standing::Running
        } else {
            Standing::Expired(Box::new(record), replays)
        })
    }

    /// Where a request differs from the first one under its idempotency key. None where that is not known: outside
    /// test mode, without a record, or when what was asked was too large to be kept.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn differences(&self, second: &Exchange) -> Result<Option<Vec<Difference>>, Unavailable> {
        let Some((entry, key)) = second.key.as_ref().zip(second.idempotency_key.as_ref()) else {
            return Ok(None);
        };
        let Ok(key) = IdempotencyKey::parse(key.as_bytes()) else {
            return Ok(None);
        };
        let id = RecordId::of(&entry.key.account, entry.key.mode, &key);
        let Some(first) = self.store.record(&id)?.and_then(|record| record.asked) else {
            return Ok(None);
        };
        Ok(asked_of(second).map(|second| first.differences(&second)))
    }

    /// Sessions made before `before`, or the latest, newest first: as many as fit on a page of those that `wanted`
    /// picks, and where the next page begins, if there may be one.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn sessions(
        &self,
        before: Option<SessionId>,
        wanted: impl Fn(&Session) -> bool,
    ) -> Result<(Vec<Session>, Option<SessionId>), Unavailable> {
        let mut found = Vec::new();
        let mut last = None;
        for session in self.store.sessions(before.as_ref()).take(policy::PAGE_SCAN) {
            let session = session?;
            if found.len() == policy::PAGE_ROWS {
                return Ok((found, last));
            }
            last = Some(session.id);
            if wanted(&session) {
                found.push(session);
            }
        }
        let more = last.is_some_and(|last| self.store.sessions(Some(&last)).next().is_some());
        Ok((found, last.filter(|_| more)))
    }

    /// A session of whatever account and mode.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn any_session(&self, id: &SessionId) -> Result<Option<Session>, Unavailable> {
        self.store.session(id)
    }

    /// What was given back of a session's payment, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn refunds(&self, session: &SessionId) -> Result<Vec<Refund>, Unavailable> {
        self.store.refunds(session)
    }

    /// Writes down what was counted for people to look at.
    pub(super) fn note_counts(&self, now: Timestamp) {
        self.store
            .note_outcomes(&self.directory.unwritten_outcomes(), now);
        let counted = self.replays.take();
        let sum = |((id, expires_at), more): ((RecordId, Timestamp), u32)| {
            let kept = self.store.replays(&id, expires_at).unwrap_or(0);
            (id, expires_at, kept.saturating_add(more))
        };
        let replays: Vec<_> = counted.into_iter().map(sum).collect();
        self.store.note_replays(&replays, now);
    }
}

fn asked_of(exchange: &Exchange) -> Option<Asked> {
    let body = Json::parse(&exchange.request_body.bytes).ok()?;
    Asked::of(
        &exchange.method,
        &exchange.path,
        &exchange.query,
        &body.canonical(),
    )
}
