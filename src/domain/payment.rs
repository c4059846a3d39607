//! Payment sessions: what became of what a client asked for (contract, section 5).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::id::SessionId;
use crate::domain::key::{Account, Mode};
use crate::domain::new_session::NewSession;
use crate::domain::time::Timestamp;
use crate::domain::words::words;

words!(
    /// Where a session stands.
    SessionStatus {
        /// Made; nobody has paid yet.
        RequiresPaymentMethod = "requires_payment_method",
    }
);

/// The second credential of a session, for the buyer's browser. Not printable by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// `cs_` and 48 base62 characters of the operating system's randomness.
    pub fn new(random: [u8; 48]) -> Self {
        Self(
            "cs_"
                .chars()
                .chain(random.iter().map(|byte| char::from(*byte)))
                .collect(),
        )
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
    /// What was asked for.
    pub asked: NewSession,
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
        let status = SessionStatus::RequiresPaymentMethod;
        Self {
            id,
            account,
            mode,
            client_secret: secret,
            status,
            created_at: now,
            asked,
        }
    }

    /// Whether a key of this account and mode may see it.
    pub fn belongs_to(&self, account: &Account, mode: Mode) -> bool {
        self.account == *account && self.mode == mode
    }
}
