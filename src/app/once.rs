//! Exactly once: the way of a request from its claim to its kept answer (contract, section 3).

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use super::turns::Turn;
use super::{App, KeyEntry};
use crate::domain::asked::Asked;
use crate::domain::claim::OpenClaim;
use crate::domain::id::SessionId;
use crate::domain::idempotency::{
    Decision, Fingerprint, IdempotencyKey, Kept, Record, RecordId, Reply, decide,
};
use crate::domain::json::Json;
use crate::domain::key::Mode;
use crate::domain::masking::{masked, masked_beginning};
use crate::domain::refusal::{Next, Refusal};
use crate::domain::time::Timestamp;
use crate::limiter::Permit;
use crate::policy;
use crate::store::Effect;

/// Who asks.
#[derive(Clone)]
pub enum Who {
    /// A merchant, by an API key.
    Merchant(Arc<KeyEntry>),
    /// A buyer, by the client secret of this session.
    Buyer(SessionId),
    /// A buyer, by the page of this session.
    Page(SessionId),
}

impl Who {
    /// Where the answer to a request under this key is kept.
    pub fn record(&self, key: &IdempotencyKey) -> RecordId {
        match self {
            Self::Merchant(entry) => RecordId::of(&entry.key.account, entry.key.mode, key),
            Self::Buyer(session) | Self::Page(session) => RecordId::of_buyer(session, key),
        }
    }
}

/// A request that came through the gate.
pub struct Call {
    /// Whose it is.
    pub who: Who,
    /// A merchant's place among the running; kept until the work has ended, also when the client is gone.
    pub permit: Option<Arc<Permit>>,
    /// Its id.
    pub request_id: String,
    /// How a refusal looks that is kept as an answer.
    pub refused: fn(&Refusal, &str) -> Reply,
    /// When it came.
    pub now: Timestamp,
    /// `POST` or `PATCH`.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, without `?`.
    pub query: String,
    /// The key that makes it safe to repeat.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What the client gets.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub reply: Reply,
    /// It was kept from an earlier request.
    pub replayed: bool,
}

/// The right to run a request.
pub(super) struct Claim(Option<Place>);

impl Answer {
    /// The answer of an earlier request.
    pub(super) const fn again(reply: Reply) -> Self {
        Self {
            reply,
            replayed: true,
        }
    }
}

impl Claim {
    /// The right to run a request that nobody can repeat.
    pub(super) const fn of_nothing() -> Self {
        Self(None)
    }

    /// The right to run a request that came before.
    fn since(mut self, first_at: Timestamp) -> Self {
        if let Some(place) = &mut self.0 {
            place.first_at = first_at;
        }
        self
    }

    /// The claim as it is kept while its request is upstream; None of a request that nobody can repeat.
    pub(super) fn open(
        &self,
        call: &Call,
        lifetime: Duration,
        upstream: &str,
    ) -> Option<OpenClaim> {
        let (place, key) = self.0.as_ref().zip(call.idempotency_key.as_ref())?;
        let Who::Merchant(entry) = &call.who else {
            return None;
        };
        Some(OpenClaim {
            record: place.alone.record,
            fingerprint: place.fingerprint,
            first_at: place.first_at,
            expires_at: place.first_at.plus(lifetime),
            account: entry.key.account.clone(),
            mode: entry.key.mode,
            idempotency_key: masked(key.as_str()).into_owned(),
            method: call.method.clone(),
            path: masked_beginning(&call.path, policy::CLAIM_PATH).into_owned(),
            upstream: upstream.to_owned(),
        })
    }

    /// What is to be remembered of the request, and where; None of a request that nobody can repeat.
    pub(super) fn record(
        &self,
        call: &Call,
        lifetime: Duration,
        is_test: bool,
        kept: impl FnOnce() -> Kept,
    ) -> Option<(RecordId, Record)> {
        let place = self.0.as_ref()?;
        let (method, path, query) = (&call.method, &call.path, &call.query);
        let asked = is_test
            .then(|| Asked::of(method, path, query, &place.canonical))
            .flatten();
        let record = Record::new(place.fingerprint, place.first_at, lifetime, kept(), asked);
        Some((place.alone.record, record))
    }
}

/// Where the answer is to be kept, and for which request.
struct Place {
    alone: Alone,
    fingerprint: Fingerprint,
    /// The body in canonical form.
    canonical: Vec<u8>,
    /// When it first came.
    first_at: Timestamp,
}

/// While it lives, whoever comes to the same place is told to wait; dropped, the place is free again.
pub struct Alone {
    app: Arc<App>,
    record: RecordId,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.app.running.lock().remove(&self.record);
    }
}

/// How a request goes on.
pub(super) enum Begun {
    Run(Claim),
    Replay(Reply),
}

/// The same for a request that may go upstream.
pub(super) enum Found {
    Run(Claim),
    /// It went upstream before, and nobody here knows what became of it.
    Resume(Claim, Box<OpenClaim>),
    Replay(Reply),
}

/// Why a request under an idempotency key is neither run nor answered with what is kept there.
pub(super) enum Conflict {
    /// The first request still runs.
    InUse,
    /// It was another request.
    Mismatch,
    /// It was done with this status, and its answer could not be kept.
    NotKept(Option<u16>),
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::InUse => Self::IdempotencyKeyInUse,
            Conflict::Mismatch => Self::IdempotencyKeyReused,
            Conflict::NotKept(status) => Self::AnswerNotKept { status },
        }
    }
}

impl App {
    /// Takes a place for a request of this fingerprint, where that is known.
    ///
    /// # Errors
    /// The same of who has it.
    pub fn alone_at(
        self: &Arc<Self>,
        record: RecordId,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Alone, Option<Fingerprint>> {
        match self.running.lock().entry(record) {
            Entry::Occupied(taken) => return Err(*taken.get()),
            Entry::Vacant(free) => drop(free.insert(fingerprint)),
        }
        let app = Arc::clone(self);
        Ok(Alone { app, record })
    }

    /// Claims a request that is done here, or finds that it was done before.
    pub(super) fn begin(self: &Arc<Self>, call: &Call, body: &Json) -> Result<Begun, Refusal> {
        match self.find(call, || body.canonical())? {
            Found::Run(claim) => Ok(Begun::Run(claim)),
            Found::Replay(reply) => Ok(Begun::Replay(reply)),
            Found::Resume(..) => Err(Refusal::UpstreamOutcomeUnknown { next: Next::Settle }),
        }
    }

    /// Claims a request, or finds that it was done before. The claim is taken *before* the store is read and given
    /// back *after* the record can be read, so whoever comes second sees one of the two.
    pub(super) fn find(
        self: &Arc<Self>,
        call: &Call,
        canonical: impl FnOnce() -> Vec<u8>,
    ) -> Result<Found, Refusal> {
        let Some(key) = &call.idempotency_key else {
            return Ok(Found::Run(Claim::of_nothing()));
        };
        let id = call.who.record(key);
        let canonical = canonical();
        let (method, path, query) = (&call.method, &call.path, &call.query);
        let fingerprint = Fingerprint::of(method, path, query, &canonical);
        let claim = self.alone_at(id, Some(fingerprint)).map(|alone| {
            Claim(Some(Place {
                alone,
                fingerprint,
                canonical,
                first_at: call.now,
            }))
        });
        let open = self.claims.find(&id, call.now);
        let stored = self.store.record(&id)?;
        let kept_until = stored.as_ref().map(|record| record.expires_at);
        let found = match (decide(stored, open, fingerprint, call.now), claim) {
            (Decision::Run, Ok(claim)) => Ok(Found::Run(claim)),
            (Decision::Resume(open), Ok(claim)) => {
                Ok(Found::Resume(claim.since(open.first_at), Box::new(open)))
            }
            (Decision::Run | Decision::Resume(_), Err(running))
                if running.is_some_and(|running| running != fingerprint) =>
            {
                Err(Conflict::Mismatch)
            }
            (Decision::Run | Decision::Resume(_), Err(_)) => Err(Conflict::InUse),
            (Decision::Replay(reply), _) => {
                kept_until
                    .into_iter()
                    .for_each(|expires_at| self.replays.count(id, expires_at));
                Ok(Found::Replay(reply))
            }
            (Decision::Done(status), _) => Err(Conflict::NotKept(status)),
            (Decision::Mismatch, _) => Err(Conflict::Mismatch),
        };
        self.metrics.found(&found);
        found.map_err(Refusal::from)
    }

    /// Declines a request. As with any business refusal, the answer is kept under its idempotency key.
    ///
    /// # Errors
    /// Any refusal of idempotency or of the store.
    pub async fn decline(
        self: &Arc<Self>,
        call: Call,
        canonical: Vec<u8>,
        refusal: &Refusal,
    ) -> Result<Answer, Refusal> {
        let claim = match self.find(&call, || canonical)? {
            Found::Run(claim) => claim,
            Found::Replay(reply) => return Ok(Answer::again(reply)),
            Found::Resume(..) => {
                return Err(Refusal::UpstreamOutcomeUnknown { next: Next::Settle });
            }
        };
        let reply = (call.refused)(refusal, &call.request_id);
        self.finish(call, claim, Effect::default(), reply, None)
            .await
    }

    /// Keeps effect and answer in one write and then answers. Goes on when the client hangs up: what is to be kept is
    /// handed over as a whole, and claim, permit and turn go with it.
    pub(super) fn finish(
        self: &Arc<Self>,
        call: Call,
        claim: Claim,
        effect: Effect,
        reply: Reply,
        turn: Option<Turn>,
    ) -> impl Future<Output = Result<Answer, Refusal>> + use<> {
        let lifetime = self.settings.idempotency_lifetime;
        let is_test = match &call.who {
            Who::Merchant(entry) => entry.key.mode == Mode::Test,
            Who::Buyer(_) | Who::Page(_) => effect
                .changed
                .as_ref()
                .is_some_and(|session| session.mode == Mode::Test),
        };
        let record = claim.record(&call, lifetime, is_test, || Kept::Answer(reply.clone()));
        let record = record.as_ref().map(|(id, record)| (id, record));
        let until_kept = (claim, call.permit, turn, self.wake_for(&effect));
        let kept = self.store.keep(&effect, record, call.now, until_kept);
        async move {
            kept.await?;
            Ok(Answer {
                reply,
                replayed: false,
            })
        }
    }
}
