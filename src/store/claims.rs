//! Open claims: on disk before a request goes upstream, gone with the commit that keeps its answer.

use serde::{Deserialize, Serialize};

use super::journal::Urgency;
use super::rows::{self, Row, Table, Unreadable};
use super::{Store, Unavailable};
use crate::domain::claim::OpenClaim;
use crate::domain::idempotency::{Fingerprint, RecordId};
use crate::domain::key::{Account, Mode};
use crate::domain::time::Timestamp;

#[derive(Serialize, Deserialize)]
struct ClaimRow {
    fingerprint: [u8; 32],
    first_at: Timestamp,
    expires_at: Timestamp,
    account: Account,
    mode: Mode,
    idempotency_key: String,
    method: String,
    path: String,
    upstream: String,
}

impl Store {
    /// Every open claim, those whose time is over too.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn open_claims(&self) -> Result<Vec<OpenClaim>, Unavailable> {
        self.read_all(Table::Claims, decode)
    }

    /// Keeps a claim: on disk when this returns.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept: then nothing may go upstream.
    pub async fn keep_claim(&self, claim: &OpenClaim, now: Timestamp) -> Result<(), Unavailable> {
        let row = Row::put(Table::Claims, claim.record.as_bytes(), encode(claim));
        self.commit(Urgency::Ordinary, now, vec![row], ()).await
    }

    /// Forgets a claim: gone from the disk when this returns.
    ///
    /// # Errors
    /// [`Unavailable`] when that could not be kept: then it is open.
    pub async fn drop_claim(&self, claim: &RecordId, now: Timestamp) -> Result<(), Unavailable> {
        self.commit(Urgency::Urgent, now, vec![done_row(claim)], ())
            .await
    }

    /// The same, for a thread that may wait.
    ///
    /// # Errors
    /// As [`Store::drop_claim`].
    pub fn forget_claim(&self, claim: &RecordId, now: Timestamp) -> Result<(), Unavailable> {
        self.commit_and_wait(now, vec![done_row(claim)])
    }
}

/// The row that says that a claim is not open any more.
pub(super) fn done_row(claim: &RecordId) -> Row {
    Row::remove(Table::Claims, claim.as_bytes())
}

pub(super) fn encode(claim: &OpenClaim) -> Vec<u8> {
    rows::versioned(&ClaimRow {
        fingerprint: *claim.fingerprint.as_bytes(),
        first_at: claim.first_at,
        expires_at: claim.expires_at,
        account: claim.account.clone(),
        mode: claim.mode,
        idempotency_key: claim.idempotency_key.clone(),
        method: claim.method.clone(),
        path: claim.path.clone(),
        upstream: claim.upstream.clone(),
    })
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<OpenClaim, Unreadable> {
    let row: ClaimRow = rows::unversioned(value)?;
    Ok(OpenClaim {
        record: RecordId::from_bytes(key.try_into().map_err(|_| Unreadable)?),
        fingerprint: Fingerprint::from_bytes(row.fingerprint),
        first_at: row.first_at,
        expires_at: row.expires_at,
        account: row.account,
        mode: row.mode,
        idempotency_key: row.idempotency_key,
        method: row.method,
        path: row.path,
        upstream: row.upstream,
    })
}
