//! What of a change is told to the merchant's servers: the events that come of it, those that a test asks for, and those
//! that come of time alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::task::JoinSet;

use super::objects::refund_object;
use super::once::Begun;
use super::payments::Held;
use super::{Answer, App, Call};
use crate::domain::event::{Cause, EventType, Outgoing, happened};
use crate::domain::id::{RefundId, SessionId};
use crate::domain::idempotency::Reply;
use crate::domain::json::Json;
use crate::domain::key::{Account, Mode};
use crate::domain::payment::Refund;
use crate::domain::refusal::Refusal;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::simulator::rehearsal::{self, Rehearsal};
use crate::store::{Effect, Unavailable};
use crate::{entropy, policy};

/// Wakes the deliverer when dropped: there is something new to send.
pub(super) struct Wake(Arc<App>);

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.wake_deliveries();
    }
}

impl App {
    /// What there is to keep of a session that has become another, and of whom it is told.
    ///
    /// # Errors
    /// [`Refusal::Internal`] when an event could not be made.
    pub(super) fn effect(
        &self,
        before: Option<&Session>,
        session: Session,
        refund: Option<Refund>,
        cause: Option<Cause<'_>>,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let mut outgoing = Vec::new();
        for kind in happened(before, &session, refund.as_ref()) {
            outgoing.extend(self.announce_about(kind, &session, refund.as_ref(), cause, now)?);
        }
        let owner = (&session.account, session.mode);
        let expiry_is_told = before.is_none() && self.tells_of_expiry(owner);
        let (made, changed) = match before {
            None => (Some(Box::new(session)), None),
            Some(before) => (None, (*before != session).then(|| Box::new(session))),
        };
        Ok(Effect {
            made,
            changed,
            refund,
            expiry_is_told,
            outgoing,
            claim_done: None,
        })
    }

    /// Something to keep until an effect is on disk.
    pub(super) fn wake_for(self: &Arc<Self>, effect: &Effect) -> Option<Wake> {
        let has_news = !effect.outgoing.is_empty() || effect.expiry_is_told;
        has_news.then(|| Wake(Arc::clone(self)))
    }

    fn announce_about(
        &self,
        kind: EventType,
        session: &Session,
        refund: Option<&Refund>,
        cause: Option<Cause<'_>>,
        now: Timestamp,
    ) -> Result<Option<Outgoing>, Refusal> {
        if !self.is_told(kind, (&session.account, session.mode)) {
            return Ok(None);
        }
        self.new_event_about(kind, session, refund, cause, now)
            .map(Some)
    }

    /// Sends an event that a test asks for (`test-webhooks`), about a session that there is or one that is nowhere kept,
    /// and moves the one that there is, if it is an event that does.
    ///
    /// # Errors
    /// Any refusal of idempotency, of a member of the body, or of the store; [`Refusal::SessionNotFound`];
    /// [`Refusal::SessionStateInvalid`] when such an event can't come of the session any more.
    pub async fn rehearse(self: &Arc<Self>, call: Call, body: &Json) -> Result<Answer, Refusal> {
        let claim = match self.begin(&call, body)? {
            Begun::Run(claim) => claim,
            Begun::Replay(reply) => return Ok(Answer::again(reply)),
        };
        let asked = Rehearsal::read(body, call.now)?;
        let (before, turn, now) = match &asked.session_id {
            Some(id) => {
                let Held { session, turn, at } = self.hold(&call.who, id, call.now).await?;
                (Some(session), Some(turn), at)
            }
            None => (None, None, call.now),
        };
        let call = Call { now, ..call };
        let session = match &before {
            Some(session) => (**session).clone(),
            None => self.new_session(&call.who, &asked.order(), call.now)?,
        };
        let refund = refund_id(call.now)?;
        let (after, refund) = rehearsal::brought_to(session, asked.kind, refund, call.now)?;
        let refund = refund.as_ref();
        let mut outgoing =
            self.new_event_about(asked.kind, &after, refund, call.cause(), call.now)?;
        outgoing.due = call.now.plus(asked.delay);
        let reply = Reply::json(200, &with_deliveries(&outgoing));
        let moved = before.filter(|before| rehearsal::moves(asked.kind) && **before != after);
        let changed = moved.map(|_| Box::new(after));
        let effect = Effect {
            changed,
            outgoing: vec![outgoing],
            ..Effect::default()
        };
        self.finish(call, claim, effect, reply, turn).await
    }

    fn new_event_about(
        &self,
        kind: EventType,
        session: &Session,
        refund: Option<&Refund>,
        cause: Option<Cause<'_>>,
        now: Timestamp,
    ) -> Result<Outgoing, Refusal> {
        let owner = (&session.account, session.mode);
        match (refund, &session.payment) {
            (Some(refund), _) if kind.is_of_a_refund() => {
                let object = refund_object(session, refund).as_told_by(kind);
                self.new_event(kind, owner, &object, cause, now)
            }
            (_, Some(payment)) if !kind.is_of_a_session() => {
                let object = self.payment_object(session, payment);
                self.new_event(kind, owner, &object, cause, now)
            }
            _ => self.new_event(kind, owner, &self.session_object(session), cause, now),
        }
    }

    /// Ends the next few sessions whose time is over and whose merchants want to be told, in few commits; says when the
    /// next one is: now, while there are more.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or written; what was not done is still due.
    pub(super) async fn expire_due(
        self: &Arc<Self>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Unavailable> {
        let mut ending = JoinSet::new();
        for (id, at) in self.store.expiries(now)? {
            let app = Arc::clone(self);
            ending.spawn(async move {
                app.expire(&id, now).await?;
                app.store.forget_expiry(&id, at)
            });
        }
        let mut outcome = Ok(());
        while let Some(ended) = ending.join_next().await {
            outcome = outcome.and(ended.unwrap_or(Err(Unavailable)));
        }
        outcome.and_then(|()| self.store.next_expiry())
    }

    async fn expire(self: &Arc<Self>, id: &SessionId, now: Timestamp) -> Result<(), Unavailable> {
        let turn = self.turns.of(id).await;
        let Some(before) = self.store.session(id)? else {
            return Ok(());
        };
        let after = before.clone().at(now);
        if after == before {
            return Ok(());
        }
        let effect = self
            .effect(Some(&before), after, None, None, now)
            .map_err(|_| Unavailable)?;
        let wake = self.wake_for(&effect);
        self.store.keep(&effect, None, now, (turn, wake)).await
    }

    /// Whether something is told of a session whose time is over: that it is, or that a payment was given up with it.
    fn tells_of_expiry(&self, owner: (&Account, Mode)) -> bool {
        self.is_told(EventType::SessionExpired, owner)
            || self.is_told(EventType::PaymentCanceled, owner)
    }

    /// Notes the expiries of open sessions that somebody wants to be told of: of those that were made before anybody did.
    /// Waits until they are on disk.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or written.
    pub(super) fn watch_expiries(&self, now: Timestamp) -> Result<(), Unavailable> {
        let oldest = now.minus(policy::SESSION_LIFETIME_MAX);
        let mut watched = Vec::new();
        for session in self.store.sessions(None) {
            let session = session?;
            if session.created_at < oldest {
                break;
            }
            // What expired before anybody asked is nobody's news.
            let expires_at = session.asked.expires_at;
            let since = self.listens_since((&session.account, session.mode));
            if session.is_open() && since.is_some_and(|since| since < expires_at) {
                watched.push((session.id, expires_at));
            }
        }
        self.store.note_expiries(&watched, now)?;
        self.wake_deliveries();
        Ok(())
    }

    /// Does the same if anybody has asked for it since.
    pub(super) fn watch_if_asked(&self, now: Timestamp) {
        let watch = self.webhooks.unwatched.swap(false, Ordering::AcqRel);
        if watch && self.watch_expiries(now).is_err() {
            self.webhooks.unwatched.store(true, Ordering::Release);
        }
    }
}

impl Call {
    /// As an event names it.
    pub(super) fn cause(&self) -> Option<Cause<'_>> {
        Some(Cause {
            request_id: &self.request_id,
            idempotency_key: self.idempotency_key.as_ref(),
        })
    }
}

/// The event as it is sent, and to how many.
fn with_deliveries(outgoing: &Outgoing) -> Value {
    let mut event: Value = serde_json::from_slice(&outgoing.event.body).unwrap_or_default();
    event["deliveries"] = outgoing.to.len().into();
    event
}

/// A refund's id, for whoever gives money back.
pub(super) fn refund_id(now: Timestamp) -> Result<RefundId, Refusal> {
    Ok(RefundId::new(now, entropy::base62()?))
}
