//! Managing keys: the verbs behind the command line and the admin socket, one implementation for both.

mod words;

use std::sync::Arc;
use std::time::Duration;

pub use self::words::{Change, KeyAnswer, KeyChange, KeyCommand, KeyReport, NewKey, SecretReport};
use super::{App, KeyEntry};
use crate::domain::id::KeyId;
use crate::domain::key::{Account, ApiKey, KeyState, Mode, OwnLimits};
use crate::domain::refusal::Refusal;
use crate::domain::secret::{Secret, SecretHash, mask};
use crate::domain::time::Timestamp;
use crate::store::Unavailable;
use crate::{entropy, policy};

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
    /// starts afterwards. Goes on when whoever asked is gone: half a change would be on disk and not in force.
    pub async fn manage_keys(self: &Arc<Self>, command: KeyCommand) -> KeyAnswer {
        let app = Arc::clone(self);
        let work = tokio::spawn(async move { app.carry_out(command).await });
        work.await
            .unwrap_or_else(|_| KeyAnswer::Failed("something went wrong; see the log".to_owned()))
    }

    async fn carry_out(&self, command: KeyCommand) -> KeyAnswer {
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

    /// The mock's key for a secret it sees for the first time, of an account of its own.
    pub(super) async fn adopt_key(
        self: &Arc<Self>,
        text: String,
        now: Timestamp,
    ) -> Result<Arc<KeyEntry>, Refusal> {
        let app = Arc::clone(self);
        let work = tokio::spawn(async move {
            let _one_at_a_time = app.changing_keys.lock().await;
            let hash = app.hash(&text);
            if let Some(entry) = app.directory.find(&hash) {
                return Ok(entry);
            }
            let id = KeyId::new(now, entropy::base62()?);
            let key = ApiKey {
                id,
                account: Account::try_from(format!("mock-{id}")).map_err(|_| Refusal::Internal)?,
                mode: Mode::Test,
                name: "mock".parse().map_err(|_| Refusal::Internal)?,
                mask: mask(&text),
                secret: hash,
                retired: Vec::new(),
                created_at: now,
                expires_at: None,
                revoked_at: None,
                limits: OwnLimits::default(),
            };
            Ok(app.keep(key, now).await?)
        });
        work.await.unwrap_or(Err(Refusal::Internal))
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
            .rolled(&secret, self.hash(secret.expose()), grace, now)?;
        self.keep(key.clone(), now).await?;
        let ends = now.plus(grace);
        let ends = key.expires_at.map_or(ends, |end| end.min(ends));
        let old_secret_works_until = Some(ends.rfc3339());
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
        if change.end_old_secrets {
            key = key.without_old_secrets(now);
        }
        if let Some(name) = change.name {
            key.name = name;
        }
        if let Some(expires) = change.expires {
            check_expiry(expires.value())?;
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
        check_expiry(new.expires_in_seconds)?;
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

fn check_expiry(seconds: Option<u64>) -> Result<(), String> {
    if seconds.is_none_or(|seconds| (1..=policy::EXPIRY_MAX.as_secs()).contains(&seconds)) {
        Ok(())
    } else {
        Err("an expiry lies between 1s and 36500d ahead".to_owned())
    }
}
