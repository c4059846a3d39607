//! Payment sessions: what became of what a client asked for (contract, section 5), and every way from one state to the
//! next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::id::{PaymentId, RefundId, SessionId};
use crate::domain::key::{Account, Mode};
use crate::domain::new_session::{CaptureMethod, NewSession};
use crate::domain::payment::{Attempt, Payment, PaymentStatus, Refund};
use crate::domain::refusal::Refusal;
use crate::domain::session_change::SessionChange;
use crate::domain::time::Timestamp;
use crate::domain::words::words;

words!(
    /// Where a session stands.
    SessionStatus {
        /// Made; nobody has paid yet.
        RequiresPaymentMethod = "requires_payment_method",
        /// The buyer has something to do first.
        RequiresAction = "requires_action",
        /// The money is held and not, or not all, taken.
        Processing = "processing",
        /// Paid.
        Succeeded = "succeeded",
        /// Declined.
        Failed = "failed",
        /// Given up, or its time was over.
        Canceled = "canceled",
    }
);

words!(
    /// Why a session was canceled.
    CancellationReason {
        /// There is another for the same order.
        Duplicate = "duplicate",
        /// The merchant does not trust it.
        Fraudulent = "fraudulent",
        /// The buyer wants it so.
        RequestedByCustomer = "requested_by_customer",
        /// The buyer went away.
        Abandoned = "abandoned",
        /// Its time was over.
        Expired = "expired",
    }
);

/// The second credential of a session, for the buyer's browser. Not printable by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// `cs_`, the characters of the session's id, and a tag that only the server can make.
    pub fn new(session: &SessionId, tag: [u8; 24]) -> Self {
        let mut secret = String::with_capacity(3 + SessionId::LENGTH + tag.len());
        secret.push_str("cs_");
        // Letters and digits only, either of them.
        for characters in [session.as_bytes(), &tag] {
            secret.push_str(std::str::from_utf8(characters).unwrap_or_default());
        }
        Self(secret)
    }

    /// The secret in clear, for the answer to the merchant.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cs_...")
    }
}

/// When and why a session was canceled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: CancellationReason,
}

/// A payment session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: Account,
    /// Test or live.
    pub mode: Mode,
    /// The second credential.
    pub client_secret: ClientSecret,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was asked for, as it was changed since.
    pub asked: NewSession,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When and why it was given up.
    pub cancellation: Option<Cancellation>,
    /// Its payment, once somebody has tried to pay.
    pub payment: Option<Payment>,
}

impl Session {
    /// A session just made.
    pub fn new(
        asked: NewSession,
        id: SessionId,
        secret: ClientSecret,
        owner: (Account, Mode),
        now: Timestamp,
    ) -> Self {
        let (account, mode) = owner;
        Self {
            id,
            account,
            mode,
            client_secret: secret,
            status: SessionStatus::RequiresPaymentMethod,
            created_at: now,
            asked,
            updated_at: now,
            cancellation: None,
            payment: None,
        }
    }

    /// The id of its payment.
    pub fn payment_id(&self) -> PaymentId {
        PaymentId::from(self.id)
    }

    /// Whether it waits for the buyer: then its time can be over.
    pub fn is_open(&self) -> bool {
        matches!(
            self.status,
            SessionStatus::RequiresPaymentMethod | SessionStatus::RequiresAction
        )
    }

    /// Whether nobody has paid in time; its client secret is worth nothing then.
    pub fn is_expired(&self) -> bool {
        self.cancellation
            .is_some_and(|canceled| canceled.reason == CancellationReason::Expired)
    }

    /// The session as it stands at `now`: one that nobody has paid in time is canceled.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        if self.is_open() && now >= self.asked.expires_at {
            let at = self.asked.expires_at;
            self.given_up(CancellationReason::Expired, at)
        } else {
            self
        }
    }

    fn given_up(self, reason: CancellationReason, at: Timestamp) -> Self {
        let payment = self.payment.map(Payment::canceled);
        let (cancellation, status) = (Some(Cancellation { at, reason }), SessionStatus::Canceled);
        Self {
            status,
            cancellation,
            payment,
            updated_at: at,
            ..self
        }
    }

    /// Changes what was asked for, while nobody has paid.
    ///
    /// # Errors
    /// [`Refusal::SessionNotUpdatable`], or [`Refusal::ParameterInvalid`] for too much metadata.
    pub fn update(self, change: SessionChange, now: Timestamp) -> Result<Self, Refusal> {
        if self.status != SessionStatus::RequiresPaymentMethod {
            return Err(Refusal::SessionNotUpdatable);
        }
        let asked = change.applied_to(self.asked)?;
        Ok(Self {
            asked,
            updated_at: now,
            ..self
        })
    }

    /// Gives the session up.
    ///
    /// # Errors
    /// [`Refusal::SessionNotCancelable`] once it has ended or money was taken.
    pub fn cancel(self, reason: CancellationReason, now: Timestamp) -> Result<Self, Refusal> {
        let has_taken = self
            .payment
            .as_ref()
            .is_some_and(|payment| payment.captured > 0);
        match self.status {
            SessionStatus::RequiresPaymentMethod | SessionStatus::RequiresAction => {
                Ok(self.given_up(reason, now))
            }
            SessionStatus::Processing if !has_taken => Ok(self.given_up(reason, now)),
            SessionStatus::Processing
            | SessionStatus::Succeeded
            | SessionStatus::Failed
            | SessionStatus::Canceled => Err(Refusal::SessionNotCancelable),
        }
    }

    /// Whether somebody may try to pay.
    ///
    /// # Errors
    /// [`Refusal::SessionCompleted`] or [`Refusal::SessionProcessing`].
    pub fn check_confirmable(&self) -> Result<(), Refusal> {
        match self.status {
            SessionStatus::RequiresPaymentMethod => Ok(()),
            SessionStatus::RequiresAction | SessionStatus::Processing => {
                Err(Refusal::SessionProcessing)
            }
            SessionStatus::Succeeded | SessionStatus::Failed | SessionStatus::Canceled => {
                Err(Refusal::SessionCompleted)
            }
        }
    }

    /// Pays, or tries to.
    ///
    /// # Errors
    /// As [`Session::check_confirmable`].
    pub fn confirm(self, attempt: Attempt, now: Timestamp) -> Result<Self, Refusal> {
        self.check_confirmable()?;
        let payment = Payment::new(attempt, self.asked.money.amount, self.is_automatic(), now);
        Ok(self.with_payment(payment, now))
    }

    /// The buyer has done their part of a payment that asked for it, or has not.
    ///
    /// # Errors
    /// [`Refusal::SessionStateInvalid`] when nothing was asked of the buyer.
    pub fn acted(mut self, passed: bool, now: Timestamp) -> Result<Self, Refusal> {
        let is_automatic = self.is_automatic();
        match self.payment.take() {
            Some(payment) if self.status == SessionStatus::RequiresAction => {
                Ok(self.with_payment(payment.acted(passed, is_automatic), now))
            }
            _ => Err(Refusal::SessionStateInvalid),
        }
    }

    /// Takes money that is held.
    ///
    /// # Errors
    /// As [`Payment::capture`]; [`Refusal::PaymentNotFound`] before anybody tried to pay.
    pub fn capture(self, amount: Option<u32>, now: Timestamp) -> Result<Self, Refusal> {
        let payment = self.payment.as_ref().ok_or(Refusal::PaymentNotFound)?;
        let after = payment.capture(amount)?;
        if after == *payment {
            Ok(self)
        } else {
            Ok(self.with_payment(after, now))
        }
    }

    /// Gives money back that was taken. The session stays as it is; the payment tells.
    ///
    /// # Errors
    /// As [`Payment::refund`]; [`Refusal::PaymentNotFound`] before anybody tried to pay.
    pub fn refund(
        self,
        amount: Option<u32>,
        reason: Option<String>,
        id: RefundId,
        now: Timestamp,
    ) -> Result<(Self, Refund), Refusal> {
        let payment = self.payment.as_ref().ok_or(Refusal::PaymentNotFound)?;
        let (after, amount) = payment.refund(amount)?;
        let refund = Refund {
            id,
            payment: self.payment_id(),
            amount,
            reason,
            created_at: now,
        };
        Ok((
            Self {
                payment: Some(after),
                updated_at: now,
                ..self
            },
            refund,
        ))
    }

    /// The session with its payment as a processor would tell of it, for tests of a shop.
    ///
    /// # Errors
    /// [`Refusal::SessionStateInvalid`] once the session has ended.
    pub fn told(
        self,
        status: PaymentStatus,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if matches!(
            self.status,
            SessionStatus::Succeeded | SessionStatus::Failed | SessionStatus::Canceled
        ) {
            return Err(Refusal::SessionStateInvalid);
        }
        let made = Payment::new(attempt, self.asked.money.amount, false, now);
        let known = self.payment.clone().unwrap_or(made);
        let captured = if status == PaymentStatus::Captured {
            known.amount
        } else {
            known.captured
        };
        if status == PaymentStatus::Canceled && captured == 0 {
            let paid = Self {
                payment: Some(known),
                ..self
            };
            return Ok(paid.given_up(CancellationReason::RequestedByCustomer, now));
        }
        if captured > 0 && status != PaymentStatus::Captured {
            return Err(Refusal::SessionStateInvalid);
        }
        let failure = (status == PaymentStatus::Failed)
            .then_some(super::payment::DeclineCode::GenericDecline);
        let payment = Payment {
            status,
            captured,
            failure,
            awaits: None,
            ..known
        };
        Ok(self.with_payment(payment, now))
    }

    /// A session stands where its payment has brought it.
    fn with_payment(self, payment: Payment, now: Timestamp) -> Self {
        let status = match payment.status {
            PaymentStatus::RequiresAction => SessionStatus::RequiresAction,
            PaymentStatus::Authorized => SessionStatus::Processing,
            PaymentStatus::Captured | PaymentStatus::Refunded => SessionStatus::Succeeded,
            PaymentStatus::Failed => SessionStatus::Failed,
            PaymentStatus::Canceled => SessionStatus::Canceled,
        };
        Self {
            status,
            payment: Some(payment),
            updated_at: now,
            ..self
        }
    }

    fn is_automatic(&self) -> bool {
        self.asked.capture_method == CaptureMethod::Automatic
    }
}
