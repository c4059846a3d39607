//! Reads what event a test wants to be told (`test-webhooks`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::cards::CARDS;
use super::confirmation::{by_card, by_paypal};
use crate::domain::event::EventType;
use crate::domain::fields::Fields;
use crate::domain::id::RefundId;
use crate::domain::json::Json;
use crate::domain::new_session::{self, word};
use crate::domain::payment::{PaymentStatus, Refund};
use crate::domain::refusal::Refusal;
use crate::domain::session::{CancellationReason, Session, SessionStatus};
use crate::domain::time::Timestamp;
use crate::policy;

/// An event that is asked for, every member checked.
pub struct Rehearsal {
    /// Which event.
    pub kind: EventType,
    /// About which session; a made-up one when nothing is said.
    pub session_id: Option<String>,
    /// How much later it is sent.
    pub delay: Duration,
    order: BTreeMap<String, Json>,
}

impl Rehearsal {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Refusal`] that names the first wrong member.
    pub fn read(body: &Json, now: Timestamp) -> Result<Self, Refusal> {
        let fields = Fields::of_body(body)?;
        let kind = kind(&fields)?;
        fields.text("transaction_id", policy::REFERENCE_MAX)?;
        let mut order = BTreeMap::from([
            ("amount".to_owned(), Json::Number("1000".to_owned())),
            ("currency".to_owned(), Json::String("USD".to_owned())),
        ]);
        for name in ["amount", "currency", "metadata"] {
            if let Some(value) = fields.get(name) {
                order.insert(name.to_owned(), value.clone());
            }
        }
        let rehearsal = Self {
            kind,
            session_id: fields.text("session_id", policy::REFERENCE_MAX)?,
            delay: delay(&fields)?,
            order,
        };
        new_session::NewSession::parse(&rehearsal.order(), now).map(|_| rehearsal)
    }

    /// What a made-up session asks for.
    pub fn order(&self) -> Json {
        Json::Object(self.order.clone())
    }
}

fn kind(fields: &Fields<'_>) -> Result<EventType, Refusal> {
    const MUST: &str = "must be the type of an event, as payment.captured; /docs lists them all.";
    match fields.get("event_type") {
        None => Err(Refusal::ParameterMissing {
            param: "event_type",
            must: MUST,
        }),
        Some(value) => {
            word(value, EventType::parse).ok_or_else(|| Refusal::invalid("event_type", MUST))
        }
    }
}

fn delay(fields: &Fields<'_>) -> Result<Duration, Refusal> {
    let Some(value) = fields.get("delay_seconds") else {
        return Ok(Duration::ZERO);
    };
    let longest = policy::REHEARSAL_DELAY_MAX.as_secs();
    new_session::integer(value)
        .map(u64::from)
        .filter(|seconds| *seconds <= longest)
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Refusal::invalid(
                "delay_seconds",
                format!("must be an integer from 0 to {longest}."),
            )
        })
}

/// Where an event leaves the payment that it is about; None of one that only tells of it.
fn payment_status(kind: EventType) -> Option<PaymentStatus> {
    let moving = [
        (EventType::PaymentCaptured, PaymentStatus::Captured),
        (EventType::PaymentFailed, PaymentStatus::Failed),
        (EventType::PaymentCanceled, PaymentStatus::Canceled),
        (EventType::PaymentAuthorized, PaymentStatus::Authorized),
    ];
    let (_, status) = moving.into_iter().find(|(event, _)| *event == kind)?;
    Some(status)
}

/// Whether a session that there is becomes what an event tells of it.
pub fn moves(kind: EventType) -> bool {
    payment_status(kind).is_some()
}

/// A session as the event tells of it, and the refund that it may be of.
///
/// # Errors
/// [`Refusal::SessionStateInvalid`] when such an event can't come of the session any more.
pub fn brought_to(
    session: Session,
    kind: EventType,
    refund: RefundId,
    now: Timestamp,
) -> Result<(Session, Option<Refund>), Refusal> {
    let told = |session: Session, status| session.told(status, by_card(&CARDS[0], now), now);
    let captured = |session: Session| match &session.payment {
        Some(payment) if payment.captured == payment.amount => Ok(session),
        Some(_) | None => told(session, PaymentStatus::Captured),
    };
    let over = |_| Refusal::SessionStateInvalid;
    let session = match kind {
        EventType::SessionExpired if session.is_open() => {
            let expires_at = session.asked.expires_at;
            session.at(expires_at)
        }
        EventType::SessionExpired => return Err(Refusal::SessionStateInvalid),
        EventType::SessionCanceled => session
            .cancel(CancellationReason::RequestedByCustomer, now)
            .map_err(over)?,
        EventType::PaymentRequiresAction if session.status == SessionStatus::RequiresAction => {
            session
        }
        EventType::PaymentRequiresAction => session.confirm(by_paypal(), now).map_err(over)?,
        EventType::PaymentPending => told(session, PaymentStatus::Authorized)?,
        EventType::PaymentRefunded
        | EventType::RefundSucceeded
        | EventType::RefundFailed
        | EventType::RefundPending
        | EventType::RefundUpdated => {
            let refunded = captured(session)?.refund(None, None, refund, now);
            let (session, refund) = refunded.map_err(over)?;
            return Ok((session, Some(refund)));
        }
        EventType::PaymentAuthorized
        | EventType::PaymentCaptured
        | EventType::PaymentFailed
        | EventType::PaymentCanceled => match payment_status(kind) {
            Some(status) => told(session, status)?,
            None => session,
        },
        EventType::DisputeCreated
        | EventType::DisputeUpdated
        | EventType::DisputeClosed
        | EventType::DisputeResolved
        | EventType::DisputeLost
        | EventType::BankTransferInitiated
        | EventType::BankTransferPending
        | EventType::BankTransferSucceeded
        | EventType::BankTransferFailed
        | EventType::BankTransferReturned => captured(session)?,
    };
    Ok((session, None))
}
