//! API keys: whose they are, and whether one is good at a given time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::KeyId;
use crate::domain::secret::{Secret, SecretHash};
use crate::domain::time::Timestamp;
use crate::policy;

/// Test or live: two worlds that never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is charged.
    Test,
    /// Real charges.
    Live,
}

impl Mode {
    /// What a secret of this mode begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Test => "sk_test_",
            Self::Live => "sk_live_",
        }
    }

    /// `test` or `live`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "test" => Ok(Self::Test),
            "live" => Ok(Self::Live),
            _ => Err("must be test or live".to_owned()),
        }
    }
}

/// A text that was checked when it was made.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}

checked_text!(
    /// A merchant: 1 to 64 of `A-Za-z0-9._-`.
    Account,
    |text| {
        let fits = (1..=policy::ACCOUNT_MAX).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if fits && clean { Ok(()) } else { Err("must be 1 to 64 of A-Z a-z 0-9 . _ -".to_owned()) }
    }
);
checked_text!(
    /// What a person calls a key: 1 to 100 characters, not blank, none that steers a terminal or turns a line around.
    KeyName,
    |text| {
        let fits = (1..=policy::NAME_MAX).contains(&text.chars().count());
        if fits && !text.trim().is_empty() && !text.chars().any(steers) {
            Ok(())
        } else {
            Err("must be 1 to 100 characters, not blank, without control characters".to_owned())
        }
    }
);

/// Control characters, and those that change the direction of what follows (Unicode, UAX #9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Default for Account {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// Limits set for one key; what is absent follows the server's setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnLimits {
    /// Requests a minute.
    pub per_minute: Option<u32>,
    /// Requests a UTC day.
    pub per_day: Option<u32>,
    /// Requests at once.
    pub concurrent: Option<u32>,
}

/// A secret that was replaced by rolling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredSecret {
    /// Its hash.
    pub hash: SecretHash,
    /// It works below this time.
    pub works_until: Timestamp,
}

/// An API key: who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its name for machines, for life.
    pub id: KeyId,
    /// Whose it is.
    pub account: Account,
    /// Test or live.
    pub mode: Mode,
    /// Its name for people.
    pub name: KeyName,
    /// Prefix and last four characters of the present secret.
    pub mask: String,
    /// Hash of the present secret.
    pub secret: SecretHash,
    /// Secrets before it, latest first.
    pub retired: Vec<RetiredSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It works below this time.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Its own limits.
    pub limits: OwnLimits,
}

/// What a key is good for at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It works.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked, for good.
    Revoked,
}

impl KeyState {
    /// `active`, `expired` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl ApiKey {
    /// Whether the key as such works.
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|end| now >= end) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }

    /// Whether the key works when reached by this secret, which is the present one or a retired one of it.
    pub fn state_by(&self, secret: &SecretHash, now: Timestamp) -> KeyState {
        let over = self
            .retired
            .iter()
            .any(|old| old.hash == *secret && now >= old.works_until);
        match self.state(now) {
            KeyState::Active if over => KeyState::Expired,
            state @ (KeyState::Active | KeyState::Expired | KeyState::Revoked) => state,
        }
    }

    /// This key with a new secret; the one it had works for another `grace`.
    ///
    /// # Errors
    /// A sentence, when as many old secrets as are remembered still work: none of them may be forgotten.
    pub fn rolled(
        &self,
        secret: &Secret,
        hash: SecretHash,
        grace: Duration,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut key = self.clone();
        key.retired.insert(
            0,
            RetiredSecret {
                hash: self.secret,
                works_until: now.plus(grace),
            },
        );
        // Those that are over are only remembered to tell "expired" from "unknown"; the oldest may go.
        while key.retired.len() > policy::RETIRED_SECRETS {
            match key.retired.iter().rposition(|old| now >= old.works_until) {
                Some(over) => {
                    key.retired.remove(over);
                }
                None => {
                    return Err(format!(
                        "{} has {} old secrets that still work: wait until one's grace is over, or revoke the key",
                        self.id,
                        policy::RETIRED_SECRETS
                    ));
                }
            }
        }
        key.secret = hash;
        key.mask = secret.mask();
        Ok(key)
    }

    /// This key, revoked; the first time counts.
    #[must_use]
    pub fn revoked(&self, now: Timestamp) -> Self {
        let mut key = self.clone();
        key.revoked_at.get_or_insert(now);
        key
    }

    /// Every hash under which the key is found: the present secret and the retired ones.
    pub fn hashes(&self) -> impl Iterator<Item = SecretHash> + '_ {
        std::iter::once(self.secret).chain(self.retired.iter().map(|old| old.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Pepper;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn key(secret: &Secret, pepper: &Pepper) -> ApiKey {
        ApiKey {
            id: KeyId::new(at(0), [b'a'; 20]),
            account: Account::default(),
            mode: secret.mode(),
            name: "Server".parse().expect("a name"),
            mask: secret.mask(),
            secret: pepper.hash(secret.expose().as_bytes()),
            retired: Vec::new(),
            created_at: at(0),
            expires_at: None,
            revoked_at: None,
            limits: OwnLimits::default(),
        }
    }

    #[test]
    fn an_old_secret_works_below_the_end_of_its_grace() {
        let pepper = Pepper::new([7; 32]);
        let (old, new) = (
            Secret::mint(Mode::Test, [b'o'; 30]),
            Secret::mint(Mode::Test, [b'n'; 30]),
        );
        let (old_hash, new_hash) = (
            pepper.hash(old.expose().as_bytes()),
            pepper.hash(new.expose().as_bytes()),
        );
        let rolled = key(&old, &pepper)
            .rolled(&new, new_hash, HOUR, at(1_000))
            .expect("rolled");
        assert_eq!(rolled.state_by(&new_hash, at(1_000)), KeyState::Active);
        assert_eq!(rolled.state_by(&old_hash, at(3_600_999)), KeyState::Active);
        assert_eq!(rolled.state_by(&old_hash, at(3_601_000)), KeyState::Expired);
        assert_eq!(rolled.state_by(&new_hash, at(3_601_000)), KeyState::Active);
        let at_once = key(&old, &pepper)
            .rolled(&new, new_hash, Duration::ZERO, at(1_000))
            .expect("rolled");
        assert_eq!(at_once.state_by(&old_hash, at(1_000)), KeyState::Expired);
    }

    #[test]
    fn a_revoked_key_stays_revoked_and_says_so_before_expired() {
        let pepper = Pepper::new([7; 32]);
        let mut key = key(&Secret::mint(Mode::Live, [b'o'; 30]), &pepper);
        key.expires_at = Some(at(10));
        assert_eq!(key.state(at(9)), KeyState::Active);
        assert_eq!(key.state(at(10)), KeyState::Expired);
        let revoked = key.revoked(at(5)).revoked(at(8));
        assert_eq!(revoked.revoked_at, Some(at(5)));
        assert_eq!(revoked.state(at(10)), KeyState::Revoked);
    }

    #[test]
    fn names_and_accounts_are_checked() {
        for (text, good) in [
            ("shop-1.eu_x", true),
            ("", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(text.parse::<Account>().is_ok(), good, "{text:?}");
        }
        for (text, good) in [
            ("<img src=x>", true),
            ("   ", false),
            ("a\nb", false),
            ("a\u{202e}b", false),
            ("é", true),
        ] {
            assert_eq!(text.parse::<KeyName>().is_ok(), good, "{text:?}");
        }
    }
}
