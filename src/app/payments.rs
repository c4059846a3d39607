//! Sessions and their payments: the verbs of the API (contract, section 5). Each claims its idempotency key, waits for its
//! turn at the session, decides by what it finds, and keeps effect and answer in one write.

use std::sync::Arc;

use super::objects::refund_object;
use super::once::Begun;
use super::telling::refund_id;
use super::turns::Turn;
use super::{Answer, App, Call, Who};
use crate::domain::fields::Fields;
use crate::domain::id::{PaymentId, SessionId};
use crate::domain::idempotency::Reply;
use crate::domain::json::Json;
use crate::domain::key::Mode;
use crate::domain::new_session::{NewSession, word};
use crate::domain::payment::{Attempt, Payment, PaymentStatus};
use crate::domain::refusal::Refusal;
use crate::domain::session::{CancellationReason, ClientSecret, Session, SessionStatus};
use crate::domain::session_change::SessionChange;
use crate::domain::time::Timestamp;
use crate::entropy;
use crate::simulator::confirmation;
use crate::store::Effect;
use crate::{domain, policy};

/// What was decided about a session.
struct Decided {
    effect: Effect,
    reply: Reply,
}

/// A session that nobody else changes meanwhile.
pub(super) struct Held {
    pub(super) session: Box<Session>,
    pub(super) turn: Turn,
    /// When its turn came. A request that came before, and then was slow, is judged by this.
    pub(super) at: Timestamp,
}

impl App {
    /// Makes a payment session.
    ///
    /// # Errors
    /// Any refusal of idempotency, of a member of the body, or of the store.
    pub async fn create_session(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
    ) -> Result<Answer, Refusal> {
        let claim = match self.begin(&call, body)? {
            Begun::Run(claim) => claim,
            Begun::Replay(reply) => return Ok(Answer::again(reply)),
        };
        let Decided { effect, reply } = self.order(&call, body)?;
        self.finish(call, claim, effect, reply, None).await
    }

    fn order(&self, call: &Call, body: &Json) -> Result<Decided, Refusal> {
        let session = self.new_session(&call.who, body, call.now)?;
        if session.mode == Mode::Live {
            return Err(Refusal::LiveModeUnavailable);
        }
        let reply = Reply::json(201, &self.session_object(&session));
        let effect = self.effect(None, session, None, call.cause(), call.now)?;
        Ok(Decided { effect, reply })
    }

    /// A session as a merchant asks for it, kept nowhere yet.
    pub(super) fn new_session(
        &self,
        who: &Who,
        body: &Json,
        now: Timestamp,
    ) -> Result<Session, Refusal> {
        let Who::Merchant(entry) = who else {
            return Err(Refusal::KeyUnknown);
        };
        let asked = NewSession::parse(body, now)?;
        let id = SessionId::new(now, entropy::base62()?);
        let secret = ClientSecret::new(&id, self.secrets.tag(id.as_bytes()));
        let owner = (entry.key.account.clone(), entry.key.mode);
        Ok(Session::new(asked, id, secret, owner, now))
    }

    /// The session of a client secret, if we gave it out. Whether its time is over is seen when it is read.
    pub fn buyer(&self, secret: &[u8]) -> Option<SessionId> {
        let (id, tag) = secret
            .strip_prefix(b"cs_")?
            .split_at_checked(SessionId::LENGTH)?;
        self.secrets
            .holds(id, tag)
            .then(|| SessionId::from_bytes(id))
            .flatten()
    }

    /// Changes what a session asks for.
    ///
    /// # Errors
    /// As [`App::create_session`], and [`Refusal::SessionNotUpdatable`].
    pub async fn update_session(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        id: &str,
    ) -> Result<Answer, Refusal> {
        self.change(call, body, id, |app, before, call| {
            let change = SessionChange::parse(body)?;
            let session = before.clone().update(change, call.now)?;
            app.shown(before, session, call)
        })
        .await
    }

    /// Gives a session up.
    ///
    /// # Errors
    /// As [`App::create_session`], and [`Refusal::SessionNotCancelable`].
    pub async fn cancel_session(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        id: &str,
    ) -> Result<Answer, Refusal> {
        self.change(call, body, id, |app, before, call| {
            let reason = reason(body)?;
            let session = before.clone().cancel(reason, call.now)?;
            app.shown(before, session, call)
        })
        .await
    }

    /// Pays, or tries to: a decline is an answer that is kept.
    ///
    /// # Errors
    /// As [`App::create_session`]; [`Refusal::SessionCompleted`], [`Refusal::SessionProcessing`] and what
    /// [`confirmation::read`] finds.
    pub async fn confirm(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        id: &str,
    ) -> Result<Answer, Refusal> {
        self.change(call, body, id, |app, before, call| {
            before.check_confirmable()?;
            let attempt = confirmation::read(body, &before.asked, call.now)?;
            app.pay(before, attempt, call)
        })
        .await
    }

    /// Takes money that is held.
    ///
    /// # Errors
    /// As [`App::create_session`]; [`Refusal::PaymentNotFound`], [`Refusal::PaymentNotCapturable`].
    pub async fn capture(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        payment: &str,
    ) -> Result<Answer, Refusal> {
        self.change_payment(call, body, payment, |app, before, call| {
            let amount = amount(body)?;
            let session = before.clone().capture(amount, call.now)?;
            let payment = session.payment.as_ref().ok_or(Refusal::PaymentNotFound)?;
            let reply = Reply::json(200, &app.payment_object(&session, payment));
            let effect = app.effect(Some(before), session, None, call.cause(), call.now)?;
            Ok(Decided { reply, effect })
        })
        .await
    }

    /// Gives money back.
    ///
    /// # Errors
    /// As [`App::create_session`]; [`Refusal::PaymentNotFound`], [`Refusal::PaymentNotRefundable`].
    pub async fn refund(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        payment: &str,
    ) -> Result<Answer, Refusal> {
        self.change_payment(call, body, payment, |app, before, call| {
            let amount = amount(body)?;
            let reason = Fields::of_body(body)?.text("reason", policy::TEXT_MAX)?;
            let id = refund_id(call.now)?;
            let (session, refund) = before.clone().refund(amount, reason, id, call.now)?;
            let reply = Reply::json(200, &refund_object(&session, &refund));
            let cause = call.cause();
            let effect = app.effect(Some(before), session, Some(refund), cause, call.now)?;
            Ok(Decided { reply, effect })
        })
        .await
    }

    fn pay(&self, before: &Session, attempt: Attempt, call: &Call) -> Result<Decided, Refusal> {
        let session = before.clone().confirm(attempt, call.now)?;
        let payment = session.payment.as_ref().ok_or(Refusal::Internal)?;
        let reply = match declined(payment) {
            Some(refusal) => (call.refused)(&refusal, &call.request_id),
            None => Reply::json(200, &self.payment_object(&session, payment)),
        };
        let effect = self.effect(Some(before), session, None, call.cause(), call.now)?;
        Ok(Decided { reply, effect })
    }

    fn shown(&self, before: &Session, session: Session, call: &Call) -> Result<Decided, Refusal> {
        let reply = Reply::json(200, &self.session_object(&session));
        let effect = self.effect(Some(before), session, None, call.cause(), call.now)?;
        Ok(Decided { reply, effect })
    }

    async fn change_payment(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        payment: &str,
        decide: impl FnOnce(&Self, &Session, &Call) -> Result<Decided, Refusal>,
    ) -> Result<Answer, Refusal> {
        // What is no payment's id is no session's either: the idempotency key has its say first, as with any other.
        let id = PaymentId::parse(payment).map(|id| SessionId::from(id).to_string());
        let id = id.unwrap_or_default();
        let changed = self.change(call, body, &id, decide).await;
        changed.map_err(|refusal| {
            if refusal == Refusal::SessionNotFound {
                Refusal::PaymentNotFound
            } else {
                refusal
            }
        })
    }

    /// The way of a request that changes a session.
    async fn change(
        self: &Arc<Self>,
        call: Call,
        body: &Json,
        id: &str,
        decide: impl FnOnce(&Self, &Session, &Call) -> Result<Decided, Refusal>,
    ) -> Result<Answer, Refusal> {
        if let Who::Buyer(_) = call.who {
            // A credential whose time is over opens nothing, not even a kept answer.
            self.session(&call.who, id, call.now)?;
        }
        let claim = match self.begin(&call, body)? {
            Begun::Run(claim) => claim,
            Begun::Replay(reply) => return Ok(Answer::again(reply)),
        };
        let Held { session, turn, at } = self.hold(&call.who, id, call.now).await?;
        let call = Call { now: at, ..call };
        let Decided { effect, reply } = decide(self, &session, &call)?;
        self.finish(call, claim, effect, reply, Some(turn)).await
    }

    pub(super) async fn hold(&self, who: &Who, id: &str, now: Timestamp) -> Result<Held, Refusal> {
        let place = SessionId::parse(id).ok_or(Refusal::SessionNotFound)?;
        let turn = self.turns.of(&place).await;
        let at = now.max(self.clock.now());
        let session = Box::new(self.session(who, id, at)?);
        Ok(Held { session, turn, at })
    }

    /// Whether a session can still be paid.
    ///
    /// # Errors
    /// [`Refusal::SessionStateInvalid`] once it has ended.
    pub fn check_open(session: &Session) -> Result<(), Refusal> {
        match session.status {
            SessionStatus::RequiresPaymentMethod
            | SessionStatus::RequiresAction
            | SessionStatus::Processing => Ok(()),
            SessionStatus::Succeeded | SessionStatus::Failed | SessionStatus::Canceled => {
                Err(Refusal::SessionStateInvalid)
            }
        }
    }
}

fn declined(payment: &Payment) -> Option<Refusal> {
    let code = payment
        .failure
        .filter(|_| payment.status == PaymentStatus::Failed)?;
    Some(Refusal::PaymentFailed {
        decline_code: code.as_str(),
    })
}

/// An amount that may be left out.
fn amount(body: &Json) -> Result<Option<u32>, Refusal> {
    let fields = Fields::of_body(body)?;
    let given = fields.get("amount").is_some();
    given
        .then(|| domain::new_session::amount(&fields))
        .transpose()
}

fn reason(body: &Json) -> Result<CancellationReason, Refusal> {
    let fields = Fields::of_body(body)?;
    let Some(value) = fields.get("cancellation_reason") else {
        return Ok(CancellationReason::RequestedByCustomer);
    };
    let reason = word(value, CancellationReason::parse);
    reason
        .filter(|reason| *reason != CancellationReason::Expired)
        .ok_or_else(|| {
            let must = "must be one of duplicate, fraudulent, requested_by_customer, abandoned.";
            Refusal::invalid("cancellation_reason", must)
        })
}
