//! Claims: requests that went upstream under an idempotency key, and whose answer is not kept. While one is open, nobody
//! here knows whether it was done.

use serde::{Deserialize, Serialize};

use crate::domain::id::ClaimId;
use crate::domain::idempotency::{Fingerprint, RecordId};
use crate::domain::key::{Account, Mode};
use crate::domain::time::Timestamp;
use crate::domain::words::words;

words!(
    /// What an operator found out about an open claim.
    Settlement {
        /// It was done: repeats are told so, and nothing is done again.
        Done = "done",
        /// It was not done: the idempotency key is free.
        Free = "free",
    }
);

/// A request whose outcome is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenClaim {
    /// Where its record would be kept.
    pub record: RecordId,
    /// Which request it is.
    pub fingerprint: Fingerprint,
    /// When it first came.
    pub first_at: Timestamp,
    /// Below this time it is open.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub account: Account,
    /// Test or live.
    pub mode: Mode,
    /// The client's key, for people; secrets masked.
    pub idempotency_key: String,
    /// `POST` or `PATCH`.
    pub method: String,
    /// Its path without the query, for people; secrets masked.
    pub path: String,
    /// Where it went: no other upstream knows what became of it.
    pub upstream: String,
}

impl OpenClaim {
    /// What people call it by.
    pub fn id(&self) -> ClaimId {
        ClaimId::of(&self.record, self.first_at, &self.fingerprint)
    }
}
