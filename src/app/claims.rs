//! Open claims in memory: every keyed request asks whether there is one, and few ever are. Operators list and settle them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::App;
use crate::domain::claim::{OpenClaim, Settlement};
use crate::domain::id::ClaimId;
use crate::domain::idempotency::{Kept, Record, RecordId};
use crate::domain::time::Timestamp;
use crate::store::{Effect, Store, Unavailable};

/// The open claims by where their record would be.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<RecordId, OpenClaim>>);

impl Claims {
    /// The claims of the store.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub(super) fn load(store: &Store) -> Result<Self, Unavailable> {
        let claims = store.open_claims()?.into_iter();
        Ok(Self(Mutex::new(
            claims.map(|claim| (claim.record, claim)).collect(),
        )))
    }

    /// The claim that is open at this place.
    pub(super) fn find(&self, record: &RecordId, now: Timestamp) -> Option<OpenClaim> {
        self.get(record).filter(|claim| now < claim.expires_at)
    }

    /// The same, also where its time is over.
    fn get(&self, record: &RecordId) -> Option<OpenClaim> {
        self.0.lock().get(record).cloned()
    }

    pub(super) fn put(&self, claim: OpenClaim) {
        self.0.lock().insert(claim.record, claim);
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// How many there are, and since when the oldest is.
    pub(super) fn standing(&self) -> (usize, Option<Timestamp>) {
        let claims = self.0.lock();
        let oldest = claims.values().map(|claim| claim.first_at).min();
        (claims.len(), oldest)
    }

    /// Those that were over before this time.
    fn over_before(&self, over: Timestamp) -> Vec<RecordId> {
        let claims = self.0.lock();
        let old = claims.values().filter(|claim| claim.expires_at <= over);
        old.map(|claim| claim.record).collect()
    }

    pub(super) fn remove(&self, record: &RecordId) {
        self.0.lock().remove(record);
    }

    /// Forgets all of them.
    pub(super) fn reset(&self) {
        self.0.lock().clear();
    }

    fn all(&self) -> Vec<OpenClaim> {
        let mut all: Vec<_> = self.0.lock().values().cloned().collect();
        all.sort_by_key(|claim| (claim.first_at, claim.id()));
        all
    }
}

/// What is asked about open claims, by the command line or the Dashboard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ClaimCommand {
    /// Shows those that are open.
    List,
    /// Says what became of one.
    Settle {
        /// Which.
        id: ClaimId,
        /// What an operator found out.
        settlement: Settlement,
    },
}

/// What becomes of a [`ClaimCommand`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimAnswer {
    /// The open claims, oldest first.
    Claims(Vec<ClaimReport>),
    /// It is settled.
    Settled(Box<ClaimReport>),
    /// It could not be done, as a sentence without its full stop.
    Failed(String),
}

/// An open claim as people and machines are told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimReport {
    /// `clm_...`
    pub id: ClaimId,
    /// Whose it is.
    pub account: String,
    /// `test` or `live`
    pub mode: String,
    /// The client's key.
    pub idempotency_key: String,
    /// `POST` or `PATCH`
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Where it went.
    pub upstream: String,
    /// When it first came, in RFC 3339.
    pub since: String,
    /// When its idempotency key is free at the latest, in RFC 3339.
    pub expires_at: String,
    /// `running` while its request waits for the upstream, `unknown` while nobody knows what became of it; `done` or
    /// `free` once it is settled.
    pub state: String,
}

impl App {
    /// Every open claim, oldest first, and whether its request waits for the upstream right now.
    pub fn open_claims(&self, now: Timestamp) -> Vec<(OpenClaim, bool)> {
        let mut open = self.claims.all();
        open.retain(|claim| now < claim.expires_at);
        let running = self.running.lock();
        let runs = |claim: &OpenClaim| running.contains_key(&claim.record);
        let all = open.into_iter().map(|claim| (runs(&claim), claim));
        all.map(|(runs, claim)| (claim, runs)).collect()
    }

    /// Does what a command says; on disk when this returns.
    pub async fn manage_claims(self: &Arc<Self>, command: ClaimCommand) -> ClaimAnswer {
        match command {
            ClaimCommand::List => {
                let open = self.open_claims(self.clock.now());
                let state = |runs| if runs { "running" } else { "unknown" };
                let reports = open.iter().map(|(claim, runs)| report(claim, state(*runs)));
                ClaimAnswer::Claims(reports.collect())
            }
            ClaimCommand::Settle { id, settlement } => {
                let app = Arc::clone(self);
                let work = tokio::spawn(async move { app.settle(&id, settlement).await });
                let settled = work
                    .await
                    .unwrap_or_else(|_| Err("something went wrong; see the log".to_owned()));
                match settled {
                    Ok(claim) => ClaimAnswer::Settled(Box::new(claim)),
                    Err(why) => ClaimAnswer::Failed(why),
                }
            }
        }
    }

    async fn settle(
        self: &Arc<Self>,
        id: &ClaimId,
        settlement: Settlement,
    ) -> Result<ClaimReport, String> {
        let now = self.clock.now();
        let named = self.claims.all().into_iter().find(|open| open.id() == *id);
        let Some(record) = named.map(|open| open.record) else {
            return Err(none_open(id));
        };
        // Nobody runs it while it is settled.
        let Ok(_alone) = self.alone_at(record, None) else {
            return Err(format!(
                "{id} runs right now: its request waits for the upstream. Wait for its end"
            ));
        };
        let open = self.claims.find(&record, now);
        // Meanwhile it may have ended, and another request under the same key have left a claim.
        let claim = open
            .filter(|claim| claim.id() == *id)
            .ok_or_else(|| none_open(id))?;
        match settlement {
            Settlement::Free => self.store.drop_claim(&record, now).await?,
            Settlement::Done => {
                let lifetime = claim.expires_at.since(claim.first_at);
                let kept = Kept::Done(None);
                let done = Record::new(claim.fingerprint, claim.first_at, lifetime, kept, None);
                let effect = Effect {
                    claim_done: Some(record),
                    ..Effect::default()
                };
                let done = Some((&record, &done));
                self.store.keep(&effect, done, now, ()).await?;
            }
        }
        self.claims.remove(&record);
        log::info!("{id} was settled as {}", settlement.as_str());
        Ok(report(&claim, settlement.as_str()))
    }

    /// Forgets claims that were over before this time.
    pub(super) fn forget_claims(self: &Arc<Self>, over: Timestamp, now: Timestamp) {
        for old in self.claims.over_before(over) {
            // Under the same key another request may run, or may just have left a claim of its own.
            let Ok(_alone) = self.alone_at(old, None) else {
                continue;
            };
            let is_over = |claim: OpenClaim| claim.expires_at <= over;
            let is_there = self.claims.get(&old).is_some_and(is_over);
            if is_there && self.store.forget_claim(&old, now).is_ok() {
                self.claims.remove(&old);
            }
        }
    }
}

fn none_open(id: &ClaimId) -> String {
    format!("there is no open claim {id}: `atlas claims list` shows those there are")
}

fn report(claim: &OpenClaim, state: &str) -> ClaimReport {
    ClaimReport {
        id: claim.id(),
        account: claim.account.as_str().to_owned(),
        mode: claim.mode.as_str().to_owned(),
        idempotency_key: claim.idempotency_key.clone(),
        method: claim.method.clone(),
        path: claim.path.clone(),
        upstream: claim.upstream.clone(),
        since: claim.first_at.rfc3339(),
        expires_at: claim.expires_at.rfc3339(),
        state: state.to_owned(),
    }
}
