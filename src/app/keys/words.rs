//! The words in which keys are managed: commands and what came of them, as JSON between command line and server.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::app::KeyEntry;
use crate::domain::id::KeyId;
use crate::domain::key::{Account, ApiKey, KeyName, KeyState, Mode, OwnLimits};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// What can be done to keys.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum KeyCommand {
    /// Make a key.
    Create(NewKey),
    /// Make a key for a secret that exists elsewhere.
    Import {
        /// The secret.
        secret: Zeroizing<String>,
        /// All about it but the mode, which the secret says.
        key: NewKey,
    },
    /// Show every key, without secrets.
    List,
    /// Give a key a new secret.
    Roll {
        /// Which key.
        id: KeyId,
        /// How long the old secret goes on, in seconds.
        grace_seconds: u64,
    },
    /// Make a key useless for good.
    Revoke {
        /// Which key.
        id: KeyId,
    },
    /// Change what is given.
    Update {
        /// Which key.
        id: KeyId,
        /// What to change.
        change: KeyChange,
    },
}

/// A key to be made.
#[derive(Serialize, Deserialize)]
pub struct NewKey {
    /// Name for people.
    pub name: KeyName,
    /// Test or live.
    pub mode: Mode,
    /// Whose it is.
    pub account: Account,
    /// It works for so many seconds.
    pub expires_in_seconds: Option<u64>,
    /// Its own limits.
    pub limits: OwnLimits,
}

/// What to change of a key; what is absent stays.
#[derive(Default, Serialize, Deserialize)]
pub struct KeyChange {
    /// Another name.
    pub name: Option<KeyName>,
    /// Another expiry.
    pub expires: Option<Change<u64>>,
    /// Another minute limit.
    pub per_minute: Option<Change<u32>>,
    /// Another day limit.
    pub per_day: Option<Change<u32>>,
    /// Another limit of requests at once.
    pub concurrent: Option<Change<u32>>,
    /// No old secret works any more.
    #[serde(default)]
    pub end_old_secrets: bool,
}

/// A new value of something that may be unset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change<T> {
    /// To this value; for an expiry, seconds from now.
    To(T),
    /// To none of its own.
    Unset,
}

impl<T> Change<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::To(value) => Some(value),
            Self::Unset => None,
        }
    }
}

/// What came of a command.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyAnswer {
    /// A key with its secret, which is never shown again.
    Secret(SecretReport),
    /// A key.
    Key(KeyReport),
    /// Every key.
    Keys(Vec<KeyReport>),
    /// Nothing was done; a sentence for the operator.
    Failed(String),
}

/// A key and its secret, at creation and rolling only.
#[derive(Serialize, Deserialize)]
pub struct SecretReport {
    /// Key id.
    pub id: KeyId,
    /// Whose it is.
    pub account: Account,
    /// Test or live.
    pub mode: Mode,
    /// Name for people.
    pub name: KeyName,
    /// The secret.
    pub secret: Zeroizing<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// After rolling: the old secret works below this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old_secret_works_until: Option<String>,
}

/// A key without its secret.
#[derive(Serialize, Deserialize)]
pub struct KeyReport {
    /// Key id.
    pub id: KeyId,
    /// Whose it is.
    pub account: Account,
    /// Test or live.
    pub mode: Mode,
    /// Name for people.
    pub name: KeyName,
    /// Active, expired or revoked.
    pub state: KeyState,
    /// Prefix and last four characters of the secret.
    pub masked: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; at most a minute late after a crash.
    pub last_used_at: Option<String>,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// RFC 3339.
    pub revoked_at: Option<String>,
    /// When each old secret that still works ends (RFC 3339), latest first.
    #[serde(default)]
    pub old_secrets_work_until: Vec<String>,
    /// Limits of its own; null where the server's apply.
    pub limits: OwnLimits,
    /// Requests admitted today (UTC).
    pub used_today: u32,
}

impl KeyReport {
    pub(super) fn of(entry: &KeyEntry, now: Timestamp) -> Self {
        let key = &entry.key;
        let (day, used) = entry.limiter.day_count();
        Self {
            id: key.id,
            account: key.account.clone(),
            mode: key.mode,
            name: key.name.clone(),
            state: key.state(now),
            masked: key.mask.clone(),
            created_at: key.created_at.rfc3339(),
            last_used_at: entry.used_at().map(Timestamp::rfc3339),
            expires_at: key.expires_at.map(Timestamp::rfc3339),
            revoked_at: key.revoked_at.map(Timestamp::rfc3339),
            old_secrets_work_until: key.old_secrets_end(now).map(Timestamp::rfc3339).collect(),
            limits: key.limits,
            used_today: if day == now.day() { used } else { 0 },
        }
    }
}

impl SecretReport {
    pub(super) fn of(key: &ApiKey, secret: &Secret) -> Self {
        Self {
            id: key.id,
            account: key.account.clone(),
            mode: key.mode,
            name: key.name.clone(),
            secret: Zeroizing::new(secret.expose().to_owned()),
            created_at: key.created_at.rfc3339(),
            expires_at: key.expires_at.map(Timestamp::rfc3339),
            old_secret_works_until: None,
        }
    }
}
