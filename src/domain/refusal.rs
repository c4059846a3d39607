//! The closed list of reasons to turn a request away. What each looks like on the wire stands in one table,
//! `http::refusal`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::domain::limit::Allowance;

/// How somebody finds out what became of a request that went upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// By its repetition: it changes nothing.
    Repeat,
    /// By its repetition under the same idempotency key.
    RepeatUnderKey,
    /// By an operator, who looks into the upstream's books.
    Settle,
    /// By looking at what there is: it had no idempotency key.
    Look,
}

/// Why a request was not done. Nothing was stored or spent unless the variant says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is not one well-formed JSON object; `why` says where.
    InvalidJson {
        /// What is wrong, as a sentence.
        why: String,
    },
    /// A required member is absent.
    ParameterMissing {
        /// The member's path, as `customer.email`.
        param: &'static str,
        /// What belongs there, as a sentence.
        must: &'static str,
    },
    /// A member has a value that it can't have.
    ParameterInvalid {
        /// The member's path, as `customer.email`.
        param: Cow<'static, str>,
        /// What it must be, as a sentence.
        must: Cow<'static, str>,
    },
    /// The `Idempotency-Key` header can't be used; `why` says what is wrong.
    IdempotencyKeyInvalid {
        /// What is wrong, as a sentence.
        why: &'static str,
    },
    /// Two `Authorization` headers: a proxy and we might each believe another one.
    AuthorizationTwice,
    /// No API key, a malformed one or an unknown one: one wording for all.
    KeyUnknown,
    /// The whole secret matched a key that was revoked.
    KeyRevoked,
    /// The whole secret matched a key that has expired, or a secret whose grace is over.
    KeyExpired,
    /// The payment was declined by running it; this answer is kept and replayed.
    PaymentFailed {
        /// The issuer's reason, as `insufficient_funds`.
        decline_code: &'static str,
    },
    /// A live key asked for something that only test mode has.
    TestModeOnly,
    /// A browser asked, for a page whose origin is not allowed.
    OriginNotAllowed,
    /// No session of this id in this account and mode.
    SessionNotFound,
    /// No payment of this id in this account and mode.
    PaymentNotFound,
    /// No client secret where only that is taken.
    ClientSecretMissing,
    /// A client secret that was never given out, of another session, or of one whose time is over.
    ClientSecretInvalid,
    /// Somebody has paid or tried to, or the session has ended.
    SessionNotUpdatable,
    /// The session has ended, or money was taken.
    SessionNotCancelable,
    /// The session has ended, so nobody can pay.
    SessionCompleted,
    /// Somebody pays already.
    SessionProcessing,
    /// The session stands where this can't be done.
    SessionStateInvalid,
    /// Nothing is held that could be taken.
    PaymentNotCapturable,
    /// Nothing was taken that could be given back.
    PaymentNotRefundable,
    /// The session does not take this means of payment.
    PaymentMethodInvalid {
        /// What it takes, as words of the API.
        takes: String,
    },
    /// The session asks for another sum than the buyer's page showed.
    AmountChanged,
    /// Not a provider of tokens that is known.
    TokenProviderInvalid,
    /// The Dashboard wants to know who is there.
    LogInRequired,
    /// A log-in link that was used, has expired or never was.
    LinkSpent,
    /// Not the Dashboard's password, or none is set.
    PasswordWrong,
    /// The Dashboard is asked for by a name that is not known as this server's.
    HostUnknown,
    /// A page of another origin sent a form of the Dashboard.
    OriginForeign,
    /// A form without the token that our own pages put into it.
    FormTokenWrong,
    /// What was sent is not a form.
    NotAForm,
    /// A form's field can't be used; `field` and `must` say which and why.
    FieldInvalid {
        /// The field's name.
        field: &'static str,
        /// What it must be, as a sentence without its subject.
        must: String,
    },
    /// There is no such key.
    KeyNotFound,
    /// There is no such request any more.
    RequestNotFound,
    /// There is no such webhook endpoint.
    EndpointNotFound,
    /// There is no such event any more.
    EventNotFound,
    /// There is no such rule of the mock's faults.
    FaultNotFound,
    /// A developer asked the mock to fail with this status, which no other refusal has.
    SimulatedFault {
        /// 400 to 599.
        status: u16,
    },
    /// A page of another origin asked for a handle of the mock.
    PageForeign,
    /// As many pages watch as may.
    TooManyWatchers,
    /// Nothing is served at this path.
    RouteNotFound,
    /// Something is served at this path, by other methods.
    MethodNotAllowed {
        /// The methods that work, as in the `Allow` header.
        allow: &'static str,
    },
    /// The first request with this idempotency key still runs.
    IdempotencyKeyInUse,
    /// This idempotency key was used for another request.
    IdempotencyKeyReused,
    /// The body is larger than the limit.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    TooSlow {
        /// The time a body has.
        limit: Duration,
    },
    /// The body is not declared as plain JSON.
    UnsupportedMediaType,
    /// A limit is reached.
    RateLimited(RateLimited),
    /// A fault of ours. The log has more under the request id.
    Internal,
    /// The store can't answer or can't promise to keep; nothing was run.
    StorageUnavailable,
    /// There is no such open claim.
    ClaimNotFound,
    /// It was done, and its answer is not there to be given again.
    AnswerNotKept {
        /// How it was answered; None when an operator settled it.
        status: Option<u16>,
    },
    /// No connection to the upstream, so nothing was done.
    UpstreamUnreachable,
    /// It went upstream, and nobody here knows what became of it.
    UpstreamOutcomeUnknown {
        /// How to find out.
        next: Next,
    },
    /// The upstream is down or busy; nothing was sent.
    UpstreamUnavailable {
        /// When to try again.
        retry_after: Duration,
        /// It was sent before, and nobody here knows what became of that.
        is_open: bool,
    },
    /// It came on a connection that is being closed.
    ConnectionCloses,
    /// Live requests need an upstream, and none is set.
    LiveModeUnavailable,
}

/// Which limit refused, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// The limit that refused.
    pub allowance: Allowance,
    /// After this wait a request is admitted, if no other takes the place.
    pub retry_after: Duration,
}

impl Refusal {
    /// Whether another credential of the API would have been let in.
    pub const fn is_of_a_credential(&self) -> bool {
        matches!(
            self,
            Self::KeyUnknown
                | Self::KeyRevoked
                | Self::KeyExpired
                | Self::ClientSecretMissing
                | Self::ClientSecretInvalid
        )
    }

    /// A member with an impossible value.
    pub fn invalid(
        param: impl Into<Cow<'static, str>>,
        must: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::ParameterInvalid {
            param: param.into(),
            must: must.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
