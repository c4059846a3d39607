//! What is to be said of an operation of the API.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::handles;
use crate::domain::limit::{Allowance, Scope};
use crate::domain::refusal::{Next, RateLimited, Refusal};
use crate::domain::time::Timestamp;
use crate::http::refusal::describe;
use crate::policy;

/// Who may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    Nobody,
    Merchant,
    Buyer,
    Anyone,
}

/// What stands in the path or the query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) text: &'static str,
    pub(super) schema: fn() -> Value,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) schema: fn() -> Value,
    pub(super) required: bool,
    pub(super) example: fn() -> Value,
}

/// What is answered when all is well.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) text: &'static str,
    pub(super) schema: Option<fn(&mut SchemaGenerator) -> Value>,
}

/// Something that can be asked for.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) auth: Auth,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answered>,
    /// Refusals beyond those that each operation of its kind has.
    pub(super) own_refusals: Vec<Refusal>,
}

/// A status of refusals.
pub(super) struct Refused {
    pub(super) status: u16,
    /// The codes that come with it, as the table of refusals has them.
    pub(super) codes: Vec<&'static str>,
    pub(super) has_credential: bool,
}

impl Operation {
    /// Whether an `Idempotency-Key` counts.
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self.method, "post" | "patch") && self.auth != Auth::Nobody
    }

    /// Every status of a refusal.
    pub(super) fn refusals(&self) -> Vec<Refused> {
        let mut all: Vec<Refused> = Vec::new();
        let kinds = [self.of_the_caller(), self.of_the_body(), of_anything()];
        for refusal in self.own_refusals.iter().chain(kinds.iter().flatten()) {
            let (status, _, code, _) = describe(refusal);
            match all.iter_mut().find(|refused| refused.status == status) {
                Some(refused) if refused.codes.contains(&code) => (),
                Some(refused) => refused.codes.push(code),
                None => all.push(Refused {
                    status,
                    codes: vec![code],
                    has_credential: refusal.is_of_a_credential(),
                }),
            }
        }
        all
    }

    /// What is refused because of who asks.
    fn of_the_caller(&self) -> Vec<Refusal> {
        let mut all = Vec::new();
        if matches!(self.auth, Auth::Merchant | Auth::Anyone) {
            let (next, retry_after) = (Next::Repeat, policy::CIRCUIT_REST);
            all.extend([
                Refusal::KeyUnknown,
                Refusal::KeyRevoked,
                Refusal::KeyExpired,
                Refusal::UpstreamUnreachable,
                Refusal::UpstreamUnavailable {
                    retry_after,
                    is_open: false,
                },
                Refusal::UpstreamOutcomeUnknown { next },
            ]);
        }
        if self.auth == Auth::Buyer {
            all.push(Refusal::ClientSecretMissing);
        }
        if matches!(self.auth, Auth::Buyer | Auth::Anyone) {
            all.push(Refusal::ClientSecretInvalid);
        }
        if self.auth != Auth::Nobody {
            let allowance = Allowance {
                scope: Scope::Minute,
                limit: 0,
                remaining: 0,
                resets_at: Timestamp::default(),
            };
            let retry_after = policy::MINUTE;
            all.extend([
                Refusal::AuthorizationTwice,
                Refusal::RateLimited(RateLimited {
                    allowance,
                    retry_after,
                }),
            ]);
        }
        if self.tag == handles::TAG {
            all.extend([
                Refusal::PageForeign,
                Refusal::RouteNotFound,
                Refusal::HostUnknown,
            ]);
        }
        all
    }

    /// What is refused because of what is sent.
    fn of_the_body(&self) -> Vec<Refusal> {
        let mut all = Vec::new();
        if self.body.is_some() {
            all.extend([
                Refusal::InvalidJson { why: String::new() },
                Refusal::ParameterMissing {
                    param: "",
                    must: "",
                },
                Refusal::TooSlow {
                    limit: policy::BODY_TIMEOUT,
                },
                Refusal::TooLarge {
                    limit: policy::BODY_MAX,
                },
                Refusal::UnsupportedMediaType,
            ]);
        }
        if self.is_idempotent() {
            all.extend([
                Refusal::IdempotencyKeyInvalid { why: "" },
                Refusal::IdempotencyKeyInUse,
                Refusal::IdempotencyKeyReused,
            ]);
        }
        if self.is_idempotent() && self.auth != Auth::Buyer {
            all.push(Refusal::AnswerNotKept { status: None });
        }
        all
    }
}

/// What any request may be refused for.
fn of_anything() -> Vec<Refusal> {
    vec![
        Refusal::invalid("Host", ""),
        Refusal::Internal,
        Refusal::StorageUnavailable,
        Refusal::ConnectionCloses,
    ]
}

impl Refused {
    /// What it means, and the codes.
    pub(super) fn text(&self) -> String {
        let text = match self.status {
            400 => {
                "Something in the request, or what it is about, does not allow it; the message says what."
            }
            401 => "No good key or client secret.",
            402 => "The payment was declined; decline_code says why.",
            403 => "Not for who asks.",
            404 => "There is no such thing here, or not for this key.",
            408 => "The body did not arrive in time.",
            409 => "Another request stands in the way.",
            413 => "The body is too large.",
            415 => "The body is not JSON.",
            421 => "Asked for by a name that is not this server's.",
            429 => "A limit is reached; wait as long as Retry-After says.",
            502 => "The upstream can't be reached, and nothing was sent to it.",
            503 => "Nothing can be kept, or sent upstream, right now.",
            504 => "The request went upstream, and its answer did not come. It may have been done.",
            _ => "A fault of ours.",
        };
        format!("{text} `{}`", self.codes.join("`, `"))
    }
}
