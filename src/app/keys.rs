//! Managing keys: the verbs behind the command line and the admin socket, one implementation for both.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{App, KeyEntry};
use crate::domain::id::KeyId;
use crate::domain::key::{Account, ApiKey, KeyName, KeyState, Mode, OwnLimits, Secret, SecretHash};
use crate::domain::time::Timestamp;
use crate::store::Unavailable;
use crate::{entropy, policy};

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
    fn value(self) -> Option<T> {
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
    /// Limits of its own; null where the server's apply.
    pub limits: OwnLimits,
    /// Requests admitted today (UTC).
    pub used_today: u32,
}

impl KeyReport {
    fn of(entry: &KeyEntry, now: Timestamp) -> Self {
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
            limits: key.limits,
            used_today: if day == now.day() { used } else { 0 },
        }
    }
}

impl SecretReport {
    fn of(key: &ApiKey, secret: &Secret) -> Self {
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

impl From<Unavailable> for String {
    fn from(Unavailable: Unavailable) -> Self {
        "the store could not keep it, so nothing was changed; see the log".to_owned()
    }
}

impl From<entropy::NoEntropy> for String {
    fn from(entropy::NoEntropy: entropy::NoEntropy) -> Self {
        "the operating system gave no randomness, so no secret was made".to_owned()
    }
}

impl App {
    /// Does what a command says. What it changes is on disk when this returns, and in force for every request that
    /// starts afterwards.
    pub async fn manage_keys(&self, command: KeyCommand) -> KeyAnswer {
        let now = self.clock.now();
        let _one_at_a_time = self.changing_keys.lock().await;
        let answer = match command {
            KeyCommand::Create(new) => self.create_key(new, now).await.map(KeyAnswer::Secret),
            KeyCommand::Import { secret, key } => {
                self.import_key(&secret, key, now).await.map(KeyAnswer::Key)
            }
            KeyCommand::List => Ok(KeyAnswer::Keys(
                self.directory
                    .all()
                    .iter()
                    .map(|entry| KeyReport::of(entry, now))
                    .collect(),
            )),
            KeyCommand::Roll { id, grace_seconds } => self
                .roll_key(&id, grace_seconds, now)
                .await
                .map(KeyAnswer::Secret),
            KeyCommand::Revoke { id } => self.revoke_key(&id, now).await.map(KeyAnswer::Key),
            KeyCommand::Update { id, change } => {
                self.update_key(&id, change, now).await.map(KeyAnswer::Key)
            }
        };
        answer.unwrap_or_else(KeyAnswer::Failed)
    }

    /// Whether there is no key yet.
    pub fn has_no_keys(&self) -> bool {
        self.directory.all().is_empty()
    }

    async fn create_key(&self, new: NewKey, now: Timestamp) -> Result<SecretReport, String> {
        let secret = Secret::mint(new.mode, entropy::base62()?);
        let key = self.new_key(new, &secret, now)?;
        self.keep(key.clone(), now).await?;
        Ok(SecretReport::of(&key, &secret))
    }

    async fn import_key(
        &self,
        secret: &str,
        new: NewKey,
        now: Timestamp,
    ) -> Result<KeyReport, String> {
        let secret = Secret::import(secret)?;
        let new = NewKey {
            mode: secret.mode(),
            ..new
        };
        let key = self.new_key(new, &secret, now)?;
        if let Some(known) = self.directory.find(&key.secret) {
            return Err(format!("this secret is already known, as {}", known.key.id));
        }
        let entry = self.keep(key, now).await?;
        Ok(KeyReport::of(&entry, now))
    }

    /// The mock's key for a secret it sees for the first time: an account of its own, named after the secret's hash.
    pub(super) async fn adopt_key(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyEntry>, crate::domain::refusal::Refusal> {
        use crate::domain::refusal::Refusal;
        let _one_at_a_time = self.changing_keys.lock().await;
        let hash = self.hash(text);
        if let Some(entry) = self.directory.find(&hash) {
            return Ok(entry);
        }
        let id = KeyId::new(
            now,
            entropy::base62().map_err(|entropy::NoEntropy| Refusal::Internal)?,
        );
        let name = KeyName::try_from("mock".to_owned()).map_err(|_| Refusal::Internal)?;
        let account = Account::try_from(format!("mock-{}", &id.to_string()[KeyId::LENGTH - 8..]))
            .map_err(|_| Refusal::Internal)?;
        let key = ApiKey {
            id,
            account,
            mode: Mode::Test,
            name,
            mask: crate::domain::key::mask(text),
            secret: hash,
            retired: Vec::new(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            limits: OwnLimits::default(),
        };
        self.keep(key, now)
            .await
            .map_err(|Unavailable| Refusal::StorageUnavailable)
    }

    async fn roll_key(
        &self,
        id: &KeyId,
        grace_seconds: u64,
        now: Timestamp,
    ) -> Result<SecretReport, String> {
        let entry = self.active(id, now)?;
        let grace = Duration::from_secs(grace_seconds);
        if grace > policy::GRACE_MAX {
            return Err(
                "the grace can be at most 30 days; for longer, make a second key".to_owned(),
            );
        }
        let secret = Secret::mint(entry.key.mode, entropy::base62()?);
        let key = entry
            .key
            .rolled(&secret, self.hash(secret.expose()), grace, now);
        self.keep(key.clone(), now).await?;
        let old_secret_works_until = Some(now.plus(grace).rfc3339());
        Ok(SecretReport {
            old_secret_works_until,
            ..SecretReport::of(&key, &secret)
        })
    }

    async fn revoke_key(&self, id: &KeyId, now: Timestamp) -> Result<KeyReport, String> {
        let entry = self.known(id)?;
        let entry = self.keep(entry.key.revoked(now), now).await?;
        Ok(KeyReport::of(&entry, now))
    }

    async fn update_key(
        &self,
        id: &KeyId,
        change: KeyChange,
        now: Timestamp,
    ) -> Result<KeyReport, String> {
        let entry = self.known(id)?;
        if entry.key.revoked_at.is_some() {
            return Err(format!(
                "{id} is revoked for good: make a new key with `atlas keys create`"
            ));
        }
        let mut key = entry.key.clone();
        if let Some(name) = change.name {
            key.name = name;
        }
        if let Some(expires) = change.expires {
            key.expires_at = expires
                .value()
                .map(|seconds| now.plus(Duration::from_secs(seconds)));
        }
        let limits = &mut key.limits;
        let changes = [
            (&mut limits.per_minute, change.per_minute),
            (&mut limits.per_day, change.per_day),
            (&mut limits.concurrent, change.concurrent),
        ];
        for (limit, change) in changes {
            *limit = change.map_or(*limit, Change::value);
        }
        check_limits(key.limits)?;
        let entry = self.keep(key, now).await?;
        Ok(KeyReport::of(&entry, now))
    }

    fn new_key(&self, new: NewKey, secret: &Secret, now: Timestamp) -> Result<ApiKey, String> {
        check_limits(new.limits)?;
        Ok(ApiKey {
            id: KeyId::new(now, entropy::base62()?),
            account: new.account,
            mode: new.mode,
            name: new.name,
            mask: secret.mask(),
            secret: self.hash(secret.expose()),
            retired: Vec::new(),
            created_at: now,
            expires_at: new
                .expires_in_seconds
                .map(|seconds| now.plus(Duration::from_secs(seconds))),
            revoked_at: None,
            limits: new.limits,
        })
    }

    fn hash(&self, secret: &str) -> SecretHash {
        self.pepper.hash(secret.as_bytes())
    }

    fn known(&self, id: &KeyId) -> Result<Arc<KeyEntry>, String> {
        self.directory
            .by_id(id)
            .ok_or_else(|| format!("there is no key {id}: `atlas keys list` shows those there are"))
    }

    fn active(&self, id: &KeyId, now: Timestamp) -> Result<Arc<KeyEntry>, String> {
        let entry = self.known(id)?;
        match entry.key.state(now) {
            KeyState::Active => Ok(entry),
            state @ (KeyState::Expired | KeyState::Revoked) => Err(format!(
                "{id} is {}: make a new key with `atlas keys create`",
                state.as_str()
            )),
        }
    }

    /// On disk first, then in force.
    async fn keep(&self, key: ApiKey, now: Timestamp) -> Result<Arc<KeyEntry>, Unavailable> {
        self.store.keep_key(&key, now).await?;
        Ok(self.directory.put(key, now))
    }
}

fn check_limits(limits: OwnLimits) -> Result<(), String> {
    let fits =
        |limit: Option<u32>| limit.is_none_or(|limit| (1..=policy::LIMIT_MAX).contains(&limit));
    if [limits.per_minute, limits.per_day, limits.concurrent]
        .into_iter()
        .all(fits)
    {
        Ok(())
    } else {
        Err(format!(
            "a limit is a whole number from 1 to {}",
            policy::LIMIT_MAX
        ))
    }
}
