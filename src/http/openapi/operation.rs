//! What is to be said of an operation of the API.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::handles;

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
    /// Statuses of refusals beyond those that each operation of its kind has.
    pub(super) own_refusals: &'static [(u16, &'static str)],
}

impl Operation {
    /// Whether an `Idempotency-Key` counts.
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self.method, "post" | "patch") && self.auth != Auth::Nobody
    }

    /// Every status of a refusal.
    pub(super) fn refusals(&self) -> Vec<(u16, &'static str)> {
        let mut all: Vec<(u16, &'static str)> = self.own_refusals.to_vec();
        let mut add = |refusals: &[(u16, &'static str)]| {
            for refusal in refusals {
                if !all.iter().any(|(status, _)| *status == refusal.0) {
                    all.push(*refusal);
                }
            }
        };
        if self.auth != Auth::Nobody {
            add(&[
                (
                    400,
                    "Something in the request is wrong; the message says what.",
                ),
                (401, "No good key or client secret."),
                (429, "A limit is reached; wait as long as Retry-After says."),
            ]);
        }
        if matches!(self.auth, Auth::Merchant | Auth::Anyone) {
            add(&[
                (
                    502,
                    "The upstream can't be reached, and nothing was sent to it.",
                ),
                (
                    504,
                    "The request went upstream, and its answer did not come. It may have been done.",
                ),
            ]);
        }
        if self.body.is_some() {
            add(&[
                (408, "The body did not arrive in time."),
                (
                    409,
                    "The Idempotency-Key is in use or was used for another request, or its answer is not there to be given again.",
                ),
                (413, "The body is too large."),
                (415, "The body is not JSON."),
            ]);
        }
        if self.tag == handles::TAG {
            add(&[
                (
                    400,
                    "Something in the request is wrong; the message says what.",
                ),
                (403, "A page of another origin asks."),
                (
                    404,
                    "There is no such thing here; only `atlas mock` has handles.",
                ),
                (421, "Asked for by a name that is not this server's."),
            ]);
        }
        add(&[
            (500, "A fault of ours."),
            (503, "Nothing can be kept, or sent upstream, right now."),
        ]);
        all
    }
}
