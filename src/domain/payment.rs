//! Payments of sessions: what a card led to, and how much of the money was taken and given back.
//!
//! A session has one payment at most: it is made by the first confirmation, and a session whose payment has failed can't
//! be confirmed again.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::id::{PaymentId, RefundId};
use crate::domain::new_session::PaymentMethod;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::words::words;

words!(
    /// Where a payment stands.
    PaymentStatus {
        /// The buyer has something to do first.
        RequiresAction = "requires_action",
        /// The money is held and not, or not all, taken.
        Authorized = "authorized",
        /// All of it is taken.
        Captured = "captured",
        /// Declined.
        Failed = "failed",
        /// Given up before anything was taken.
        Canceled = "canceled",
        /// All of it was taken and given back.
        Refunded = "refunded",
    }
);

words!(
    /// Why an issuer declines.
    DeclineCode {
        /// No reason given.
        GenericDecline = "generic_decline",
        /// Not enough money.
        InsufficientFunds = "insufficient_funds",
        /// Reported lost.
        LostCard = "lost_card",
        /// Reported stolen.
        StolenCard = "stolen_card",
        /// Expired.
        ExpiredCard = "expired_card",
        /// The card's code is wrong.
        InvalidCvc = "invalid_cvc",
        /// There is no such card.
        InvalidNumber = "invalid_number",
        /// Something failed on the way.
        ProcessingError = "processing_error",
        /// Blocked as too risky.
        Fraudulent = "fraudulent",
        /// The buyer did not prove to be the card's owner.
        AuthenticationFailed = "authentication_failed",
    }
);

words!(
    /// Processors that a client may ask for.
    Processor {
        /// Stripe.
        Stripe = "stripe",
        /// Adyen.
        Adyen = "adyen",
        /// Authorize.Net.
        Authorizenet = "authorizenet",
        /// Chase.
        Chase = "chase",
        /// Nuvei.
        Nuvei = "nuvei",
        /// dLocal.
        Dlocal = "dlocal",
        /// Braintree.
        Braintree = "braintree",
        /// Checkout.com.
        Checkoutcom = "checkoutcom",
        /// Airwallex.
        Airwallex = "airwallex",
        /// Windcave.
        Windcave = "windcave",
        /// PayPal.
        Paypal = "paypal",
    }
);

words!(
    /// Card networks.
    Brand {
        /// Visa.
        Visa = "visa",
        /// Mastercard.
        Mastercard = "mastercard",
        /// American Express.
        Amex = "amex",
        /// Discover.
        Discover = "discover",
        /// Diners Club.
        Diners = "diners",
        /// JCB.
        Jcb = "jcb",
        /// UnionPay.
        Unionpay = "unionpay",
    }
);

words!(
    /// How a buyer proved to be the card's owner.
    Authentication {
        /// By a step of their bank.
        Authenticated = "authenticated",
        /// Without noticing.
        Frictionless = "frictionless",
        /// Their bank takes part, and asked for nothing.
        Attempted = "attempted",
        /// Not at all.
        Failed = "failed",
    }
);

/// What is kept of a card: never more of its number than the last four digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its network.
    pub brand: Brand,
    /// The last four digits.
    pub last4: String,
    /// 1 to 12.
    pub exp_month: u8,
    /// As 2034.
    pub exp_year: u16,
}

/// What came of asking for money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is there; for some cards with a word on how the buyer was known.
    Approved(Option<Authentication>),
    /// It is not.
    Declined(DeclineCode),
    /// The buyer has something to do first; the rest is known already.
    Action(AfterAction),
}

/// What comes of it once the buyer has done their part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterAction {
    /// The money is there.
    Approved,
    /// It is not, whatever the buyer did.
    Declined(DeclineCode),
}

/// How a client wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// By which means.
    pub method: PaymentMethod,
    /// Through which processor, when one was asked for.
    pub asked_processor: Option<Processor>,
    /// With which card.
    pub card: Option<Card>,
    /// Afterwards the buyer disputes it.
    pub disputed: bool,
    /// What comes of it.
    pub verdict: Verdict,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// By which means.
    pub method: PaymentMethod,
    /// Through which processor.
    pub processor: Processor,
    /// A client asked for that one.
    pub processor_was_asked: bool,
    /// Where it stands.
    pub status: PaymentStatus,
    /// With which card.
    pub card: Option<Card>,
    /// How much, in minor units.
    pub amount: u32,
    /// How much of it was taken.
    pub captured: u32,
    /// How much of that was given back.
    pub refunded: u32,
    /// Why it failed.
    pub failure: Option<DeclineCode>,
    /// How the buyer was known.
    pub authentication: Option<Authentication>,
    /// What comes of it once the buyer has done their part.
    pub awaits: Option<AfterAction>,
    /// The buyer disputes it.
    pub disputed: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// Of which payment.
    pub payment: PaymentId,
    /// How much, in minor units.
    pub amount: u32,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

impl Payment {
    /// A payment of `amount` as it stands right after it was asked for.
    pub fn new(attempt: Attempt, amount: u32, is_automatic: bool, now: Timestamp) -> Self {
        let default = if attempt.method == PaymentMethod::Paypal {
            Processor::Paypal
        } else {
            Processor::Stripe
        };
        let payment = Self {
            method: attempt.method,
            processor: attempt.asked_processor.unwrap_or(default),
            processor_was_asked: attempt.asked_processor.is_some(),
            status: PaymentStatus::RequiresAction,
            card: attempt.card,
            amount,
            captured: 0,
            refunded: 0,
            failure: None,
            authentication: None,
            awaits: None,
            disputed: attempt.disputed,
            created_at: now,
        };
        match attempt.verdict {
            Verdict::Approved(authentication) => payment.approved(authentication, is_automatic),
            Verdict::Declined(code) => payment.declined(code),
            Verdict::Action(then) => Self {
                awaits: Some(then),
                ..payment
            },
        }
    }

    /// The buyer has done their part, or has not.
    #[must_use]
    pub fn acted(self, passed: bool, is_automatic: bool) -> Self {
        match (self.awaits, passed) {
            (None, _) => self,
            (Some(AfterAction::Approved), true) => {
                let by =
                    (self.method == PaymentMethod::Card).then_some(Authentication::Authenticated);
                self.approved(by, is_automatic)
            }
            (Some(AfterAction::Declined(code)), true) => self.declined(code),
            (Some(_), false) => self.declined(DeclineCode::AuthenticationFailed),
        }
    }

    fn approved(self, authentication: Option<Authentication>, is_automatic: bool) -> Self {
        let (status, captured) = if is_automatic {
            (PaymentStatus::Captured, self.amount)
        } else {
            (PaymentStatus::Authorized, 0)
        };
        Self {
            status,
            captured,
            authentication,
            awaits: None,
            ..self
        }
    }

    fn declined(self, code: DeclineCode) -> Self {
        let authentication =
            (code == DeclineCode::AuthenticationFailed).then_some(Authentication::Failed);
        Self {
            status: PaymentStatus::Failed,
            failure: Some(code),
            authentication,
            awaits: None,
            ..self
        }
    }

    /// Given up, before anything was taken.
    #[must_use]
    pub fn canceled(self) -> Self {
        match self.status {
            PaymentStatus::RequiresAction | PaymentStatus::Authorized if self.captured == 0 => {
                Self {
                    status: PaymentStatus::Canceled,
                    awaits: None,
                    ..self
                }
            }
            PaymentStatus::RequiresAction
            | PaymentStatus::Authorized
            | PaymentStatus::Captured
            | PaymentStatus::Failed
            | PaymentStatus::Canceled
            | PaymentStatus::Refunded => self,
        }
    }

    /// Takes `amount`, or all that is left.
    ///
    /// # Errors
    /// [`Refusal::PaymentNotCapturable`] when nothing is held, [`Refusal::ParameterInvalid`] for more than is left.
    pub fn capture(&self, amount: Option<u32>) -> Result<Self, Refusal> {
        match self.status {
            PaymentStatus::Captured | PaymentStatus::Refunded => return Ok(self.clone()),
            PaymentStatus::Authorized => (),
            PaymentStatus::RequiresAction | PaymentStatus::Failed | PaymentStatus::Canceled => {
                return Err(Refusal::PaymentNotCapturable);
            }
        }
        let left = self.amount - self.captured;
        let captured = self.captured + part(amount, left)?;
        let status = if captured == self.amount {
            PaymentStatus::Captured
        } else {
            PaymentStatus::Authorized
        };
        Ok(Self {
            status,
            captured,
            ..self.clone()
        })
    }

    /// Gives `amount` back, or all that is left; says how much that was.
    ///
    /// # Errors
    /// [`Refusal::PaymentNotRefundable`] when there is nothing to give back, [`Refusal::ParameterInvalid`] for more than
    /// is left.
    pub fn refund(&self, amount: Option<u32>) -> Result<(Self, u32), Refusal> {
        let left = self.captured - self.refunded;
        if left == 0 {
            return Err(Refusal::PaymentNotRefundable);
        }
        let part = part(amount, left)?;
        let refunded = self.refunded + part;
        let is_whole = refunded == self.amount;
        let status = if is_whole {
            PaymentStatus::Refunded
        } else {
            self.status
        };
        Ok((
            Self {
                status,
                refunded,
                ..self.clone()
            },
            part,
        ))
    }
}

fn part(amount: Option<u32>, left: u32) -> Result<u32, Refusal> {
    match amount {
        None => Ok(left),
        Some(amount) if (1..=left).contains(&amount) => Ok(amount),
        Some(_) => Err(Refusal::invalid(
            "amount",
            format!("must be from 1 to {left}, which is what is left."),
        )),
    }
}

impl fmt::Display for DeclineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
