//! API keys: the form of a secret, what of it is kept, and whether a key is good at a given time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::id::{KeyId, base62_of_number};
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
    /// What a person calls a key: 1 to 100 characters without control characters, not blank.
    KeyName,
    |text| {
        let fits = (1..=policy::NAME_MAX).contains(&text.chars().count());
        if fits && !text.trim().is_empty() && !text.chars().any(char::is_control) {
            Ok(())
        } else {
            Err("must be 1 to 100 characters, not blank, without control characters".to_owned())
        }
    }
);

impl Default for Account {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// The whole secret of a key. Can't be printed or serialised by accident, and is wiped when dropped; the only way
/// to its text is [`Secret::expose`].
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// A new secret: prefix, `random` (base62), and six base62 characters that are the CRC-32 of all before them.
    pub fn mint(mode: Mode, random: [u8; policy::SECRET_RANDOM]) -> Self {
        let prefix = mode.prefix();
        // Sized at once: a growing string would leave copies of the secret behind.
        let mut text = String::with_capacity(prefix.len() + random.len() + policy::SECRET_CHECKSUM);
        text.push_str(prefix);
        text.extend(random.iter().map(|byte| char::from(*byte)));
        let checksum = checksum(&text);
        text.extend(checksum.iter().map(|byte| char::from(*byte)));
        Self(text)
    }

    /// A secret that exists elsewhere, checked for its form.
    ///
    /// # Errors
    /// A sentence that says what the form is, without the secret.
    pub fn import(text: &str) -> Result<Self, String> {
        match Self::mode_of(text, policy::IMPORT_LENGTH) {
            Some(_) => Ok(Self(text.to_owned())),
            None => {
                Err("a secret is sk_test_ or sk_live_ followed by 16 to 247 of A-Z a-z 0-9 _; nothing else may be on \
                     the line"
                    .to_owned())
            }
        }
    }

    /// The mode of a text that has the form of a secret with so many characters after the prefix.
    pub fn mode_of(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<Mode> {
        let mode = [Mode::Test, Mode::Live]
            .into_iter()
            .find(|mode| text.starts_with(mode.prefix()))?;
        let rest = &text.as_bytes()[mode.prefix().len()..];
        let clean = rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        (clean && length.contains(&rest.len())).then_some(mode)
    }

    /// The mode that the prefix says.
    pub fn mode(&self) -> Mode {
        if self.0.starts_with(Mode::Live.prefix()) {
            Mode::Live
        } else {
            Mode::Test
        }
    }

    /// The secret in clear: to show it once to its owner, and to hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown for ever: the prefix and the last four characters.
    pub fn mask(&self) -> String {
        mask(&self.0)
    }
}

/// Prefix and last four characters of a text in the form of a secret.
pub fn mask(text: &str) -> String {
    let tail: String = text
        .chars()
        .rev()
        .take(4)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let prefix: String = text.chars().take(Mode::Test.prefix().len()).collect();
    format!("{prefix}...{tail}")
}

/// Whether a mistyped minted secret can be told offline: the last six characters are the checksum of the rest.
pub fn checksum_holds(text: &str) -> bool {
    text.len()
        .checked_sub(policy::SECRET_CHECKSUM)
        .and_then(|at| text.split_at_checked(at))
        .is_some_and(|(head, tail)| checksum(head) == tail.as_bytes())
}

fn checksum(text: &str) -> [u8; policy::SECRET_CHECKSUM] {
    base62_of_number(u64::from(crc32fast::hash(text.as_bytes())))
}

/// The key under which secrets are hashed; it lives beside the store and never in it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Pepper([u8; 32]);

impl Pepper {
    /// From 32 bytes of the operating system's randomness.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The keyed hash of a secret as presented. The time taken depends on the length alone.
    pub fn hash(&self, presented: &[u8]) -> SecretHash {
        SecretHash(*blake3::keyed_hash(&self.0, presented).as_bytes())
    }

    /// Names this pepper without telling it: a store remembers under which one its keys were hashed.
    pub fn fingerprint(&self) -> [u8; 16] {
        let hash = blake3::derive_key("atlas 2026-11-25 pepper fingerprint", &self.0);
        let mut out = [0; 16];
        out.copy_from_slice(&hash[..16]);
        out
    }
}

/// The keyed blake3 hash of a secret: what is stored, looked up and compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecretHash([u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
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
    #[must_use]
    pub fn rolled(
        &self,
        secret: &Secret,
        hash: SecretHash,
        grace: Duration,
        now: Timestamp,
    ) -> Self {
        let mut key = self.clone();
        key.retired.insert(
            0,
            RetiredSecret {
                hash: self.secret,
                works_until: now.plus(grace),
            },
        );
        key.retired.truncate(policy::RETIRED_SECRETS);
        key.secret = hash;
        key.mask = secret.mask();
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
mod tests {
    use super::*;

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
    fn a_secret_has_prefix_randomness_and_checksum() {
        let secret = Secret::mint(Mode::Test, [b'a'; 30]);
        let text = secret.expose();
        assert_eq!(text.len(), 8 + 30 + 6);
        assert!(text.starts_with("sk_test_aaaa"));
        assert!(checksum_holds(text));
        assert!(!checksum_holds(&text.replacen('a', "b", 1)));
        assert_eq!(secret.mask(), format!("sk_test_...{}", &text[40..]));
    }

    #[test]
    fn the_checksum_is_crc_32_of_all_before_it_in_base62() {
        // "123456789" has the CRC-32 0xCBF43926 = 3421780262, the check value of the standard.
        assert_eq!(&checksum("123456789"), &base62_of_number::<6>(0xCBF4_3926));
    }

    #[test]
    fn a_secret_from_elsewhere_needs_the_form() {
        assert!(Secret::import(&format!("sk_live_{}", "A_9b".repeat(4))).is_ok());
        for wrong in [
            "",
            "sk_live_short",
            "pk_live_AAAAAAAAAAAAAAAA",
            "sk_test_AAAAAAAAAAAAAAA-",
            "sk_test_AAAAAAAAAAAAAAAA\n",
        ] {
            assert!(Secret::import(wrong).is_err(), "{wrong:?}");
        }
        assert!(Secret::import(&format!("sk_test_{}", "a".repeat(247))).is_ok());
        assert!(Secret::import(&format!("sk_test_{}", "a".repeat(248))).is_err());
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
        let rolled = key(&old, &pepper).rolled(&new, new_hash, HOUR, at(1_000));
        assert_eq!(rolled.state_by(&new_hash, at(1_000)), KeyState::Active);
        assert_eq!(rolled.state_by(&old_hash, at(3_600_999)), KeyState::Active);
        assert_eq!(rolled.state_by(&old_hash, at(3_601_000)), KeyState::Expired);
        assert_eq!(rolled.state_by(&new_hash, at(3_601_000)), KeyState::Active);
        let at_once = key(&old, &pepper).rolled(&new, new_hash, Duration::ZERO, at(1_000));
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
            ("é", true),
        ] {
            assert_eq!(text.parse::<KeyName>().is_ok(), good, "{text:?}");
        }
    }
}
