//! Exactly once: the way of a request from its claim to its kept answer (contract, section 3).

use std::sync::Arc;

use super::turns::Turn;
use super::{App, KeyEntry};
use crate::domain::asked::Asked;
use crate::domain::id::SessionId;
use crate::domain::idempotency::{
    Decision, Fingerprint, IdempotencyKey, Record, RecordId, Reply, decide,
};
use crate::domain::json::Json;
use crate::domain::key::Mode;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::limiter::Permit;
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

/// The right to run a request. While it lives, the same request elsewhere is told to wait; dropped, it is free again.
pub(super) struct Claim {
    app: Arc<App>,
    place: Option<Place>,
}

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
    pub(super) fn of_nothing(app: &Arc<App>) -> Self {
        Self {
            app: Arc::clone(app),
            place: None,
        }
    }
}

/// Where the answer is to be kept, and for which request.
struct Place {
    id: RecordId,
    fingerprint: Fingerprint,
    /// The body in canonical form.
    canonical: Vec<u8>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.app.running.lock().remove(&place.id);
        }
    }
}

/// How a request goes on.
pub(super) enum Begun {
    Run(Claim),
    Replay(Reply),
}

impl App {
    /// Claims a request, or finds that it was done before. The claim is taken *before* the store is read and given
    /// back *after* the record can be read, so whoever comes second sees one of the two.
    pub(super) fn begin(self: &Arc<Self>, call: &Call, body: &Json) -> Result<Begun, Refusal> {
        let Some(key) = &call.idempotency_key else {
            return Ok(Begun::Run(Claim::of_nothing(self)));
        };
        let id = match &call.who {
            Who::Merchant(entry) => RecordId::of(&entry.key.account, entry.key.mode, key),
            Who::Buyer(session) | Who::Page(session) => RecordId::of_buyer(session, key),
        };
        let canonical = body.canonical();
        let (method, path, query) = (&call.method, &call.path, &call.query);
        let fingerprint = Fingerprint::of(method, path, query, &canonical);
        let is_first = self.running.lock().insert(id);
        let claim = is_first.then(|| Claim {
            app: Arc::clone(self),
            place: Some(Place {
                id,
                fingerprint,
                canonical,
            }),
        });
        let stored = self.store.record(&id)?;
        let kept_until = stored.as_ref().map(|record| record.expires_at);
        match (decide(stored, fingerprint, call.now), claim) {
            (Decision::Run, Some(claim)) => Ok(Begun::Run(claim)),
            (Decision::Run, None) => Err(Refusal::IdempotencyKeyInUse),
            (Decision::Replay(reply), _) => {
                kept_until
                    .into_iter()
                    .for_each(|expires_at| self.replays.count(id, expires_at));
                Ok(Begun::Replay(reply))
            }
            (Decision::Mismatch, _) => Err(Refusal::IdempotencyKeyReused),
        }
    }

    /// Keeps effect and answer in one write and then answers. Goes on when the client hangs up: what is to be kept is
    /// handed over as a whole, and claim, permit and turn go with it.
    pub(super) async fn finish(
        self: &Arc<Self>,
        call: Call,
        claim: Claim,
        effect: Effect,
        reply: Reply,
        turn: Option<Turn>,
    ) -> Result<Answer, Refusal> {
        let lifetime = self.settings.idempotency_lifetime;
        let is_test = match &call.who {
            Who::Merchant(entry) => entry.key.mode == Mode::Test,
            Who::Buyer(_) | Who::Page(_) => effect
                .session
                .as_ref()
                .is_some_and(|session| session.mode == Mode::Test),
        };
        let record = claim.place.as_ref().map(|place| {
            let (method, path, query) = (&call.method, &call.path, &call.query);
            let asked = is_test
                .then(|| Asked::of(method, path, query, &place.canonical))
                .flatten();
            let kept = reply.clone();
            let record = Record::new(place.fingerprint, call.now, lifetime, kept, asked);
            (place.id, record)
        });
        let record = record.as_ref().map(|(id, record)| (id, record));
        let until_kept = (claim, call.permit, turn, self.wake_for(&effect));
        self.store
            .keep(&effect, record, call.now, until_kept)
            .await?;
        Ok(Answer {
            reply,
            replayed: false,
        })
    }
}
