//! Secrets of API keys: their form, and what of them is kept. A secret can't be printed, and only its keyed hash is
//! stored, looked up and compared.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::id::{base62_of_hash, base62_of_number};
use crate::domain::key::Mode;
use crate::policy;

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

    /// The bytes, which belong into a backup and nowhere else: who has them can try secrets.
    pub const fn for_backup(&self) -> &[u8; 32] {
        &self.0
    }

    /// The keyed hash of a secret as presented. The time taken depends on the length alone.
    pub fn hash(&self, presented: &[u8]) -> SecretHash {
        SecretHash(*blake3::keyed_hash(&self.0, presented).as_bytes())
    }

    /// A key for one purpose, from which nobody gets back to the pepper.
    pub fn tagger(&self, purpose: &'static str) -> Tagger {
        Tagger(blake3::derive_key(purpose, &self.0))
    }

    /// `N` base62 characters that only who knows the pepper can tell, for a purpose and an input. `context` names the
    /// purpose: a constant, used for nothing else.
    pub fn derive<const N: usize>(&self, context: &'static str, input: &[u8]) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.0);
        hasher.update(input);
        base62_of_hash(&hasher)
    }

    /// Names this pepper without telling it: a store remembers under which one its keys were hashed.
    pub fn fingerprint(&self) -> [u8; 16] {
        let hash = blake3::derive_key("atlas 2026-11-25 pepper fingerprint", &self.0);
        let mut out = [0; 16];
        out.copy_from_slice(&hash[..16]);
        out
    }
}

/// Makes tags that nobody else can make: what carries one was given out by this server.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Tagger([u8; 32]);

impl Tagger {
    /// The tag of these bytes: 24 base62 characters, 142 bits.
    pub fn tag(&self, bytes: &[u8]) -> [u8; 24] {
        base62_of_hash(blake3::Hasher::new_keyed(&self.0).update(bytes))
    }

    /// Whether `tag` is the tag of these bytes. The time taken tells nothing of the right one.
    pub fn holds(&self, bytes: &[u8], tag: &[u8]) -> bool {
        blake3::hash(&self.tag(bytes)) == blake3::hash(tag)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_derived_differs_by_pepper_purpose_and_input() {
        let derive = |pepper: u8, context, input: &[u8]| -> [u8; 32] {
            Pepper::new([pepper; 32]).derive(context, input)
        };
        let one = derive(1, "a", b"x");
        assert!(one.iter().all(u8::is_ascii_alphanumeric));
        assert_eq!(one, derive(1, "a", b"x"));
        for other in [
            derive(2, "a", b"x"),
            derive(1, "b", b"x"),
            derive(1, "a", b"y"),
        ] {
            assert_ne!(one, other);
        }
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
}
