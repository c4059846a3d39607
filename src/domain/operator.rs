//! What lets a person into the Dashboard: tokens that are shown once and kept as digests.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The token of a log-in link or of a session: random, so that nobody guesses it. Not printable by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Token(String);

impl Token {
    /// Characters of a token: 32 of base62 are 190 bits.
    pub const LENGTH: usize = 32;

    /// From base62 characters of the operating system's randomness.
    pub fn new(random: [u8; Self::LENGTH]) -> Self {
        let mut text = String::with_capacity(Self::LENGTH);
        text.extend(random.iter().map(|byte| char::from(*byte)));
        Self(text)
    }

    /// What somebody showed; None when it can't be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == Self::LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    /// The token in clear, for its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept and compared instead of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(*blake3::hash(self.0.as_bytes()).as_bytes())
    }

    /// What the forms of this session carry: only a page of ours can know it, and it does not tell the token.
    pub fn form_token(&self) -> FormToken {
        let key = blake3::derive_key("atlas 2026-11-25 dashboard form token", self.0.as_bytes());
        FormToken(blake3::Hash::from(key))
    }
}

/// The blake3 hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

/// Shows that a form came from a page of ours (a defence against cross-site request forgery).
#[derive(Clone, Copy)]
pub struct FormToken(blake3::Hash);

impl FormToken {
    /// Whether a form carried this one. The time it takes says nothing.
    pub fn is(&self, shown: &str) -> bool {
        blake3::Hash::from_hex(shown).is_ok_and(|shown| shown == self.0)
    }
}

impl fmt::Display for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_hex().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_token_belongs_to_one_session() {
        let (one, other) = (Token::new([b'a'; 32]), Token::new([b'b'; 32]));
        let shown = one.form_token().to_string();
        assert!(one.form_token().is(&shown));
        assert!(!other.form_token().is(&shown));
        assert!(!one.form_token().is(""));
        assert!(!shown.contains(one.expose()));
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn what_we_never_made_is_no_token() {
        for text in ["", "short", &"a".repeat(33), &"-".repeat(32)] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
        assert!(Token::parse(&"a".repeat(32)).is_some());
    }
}
