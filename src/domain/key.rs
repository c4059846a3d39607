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
    /// What a person calls a key: 1 to 100 characters, one of them to be seen, none that steers a terminal or turns a line
    /// around.
    KeyName,
    |text| {
        let fits = (1..=policy::NAME_MAX).contains(&text.chars().count());
        if fits && text.chars().any(is_seen) && !text.chars().any(steers) {
            Ok(())
        } else {
            Err("must be 1 to 100 characters, not blank, without control characters".to_owned())
        }
    }
);

/// Control characters, those that end a line, and those that change the direction of what follows (Unicode, UAX #9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character leaves a mark. Some that are no white space leave none: joiners and the like, and empty letters.
fn is_seen(c: char) -> bool {
    let is_empty = matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}');
    !c.is_whitespace() && !is_empty
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
            let before = &key.retired[1..];
            match before.iter().rposition(|old| now >= old.works_until) {
                Some(over) => {
                    key.retired.remove(over + 1);
                }
                // What must end at once does.
                None if grace.is_zero() => break,
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

    /// When each of the old secrets that still work ends, latest first. None of them outlives the key.
    pub fn old_secrets_end(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let end = |old: &RetiredSecret| {
            self.expires_at
                .map_or(old.works_until, |end| end.min(old.works_until))
        };
        self.retired
            .iter()
            .map(end)
            .filter(move |until| now < *until)
    }

    /// This key, with no old secret that still works.
    #[must_use]
    pub fn without_old_secrets(&self, now: Timestamp) -> Self {
        let mut key = self.clone();
        for old in &mut key.retired {
            old.works_until = old.works_until.min(now);
        }
        key
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
mod tests;
