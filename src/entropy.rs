//! Randomness of the operating system, as the base62 characters and the bytes that ids and secrets are made of.

use crate::domain::id::base62_of_random;
use crate::domain::refusal::Refusal;

/// Why a secret could not be made: the operating system gave no randomness. Nothing weaker is used instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl From<NoEntropy> for Refusal {
    fn from(NoEntropy: NoEntropy) -> Self {
        Self::Internal
    }
}

/// `N` random base62 characters, each as likely as any other.
///
/// # Errors
/// [`NoEntropy`]
pub fn base62<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut out = [0; N];
    let mut filled = 0;
    while filled < N {
        // One system call is enough in nearly all cases: 8 of 256 bytes are passed over.
        let random: [u8; 64] = bytes()?;
        let fair = random.into_iter().filter_map(base62_of_random);
        for (place, character) in out[filled..].iter_mut().zip(fair) {
            *place = character;
            filled += 1;
        }
    }
    Ok(out)
}

/// `N` random bytes.
///
/// # Errors
/// [`NoEntropy`]
pub fn bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|error| {
        log::error!("the operating system gave no randomness: {error}");
        NoEntropy
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn characters_are_base62_and_differ() {
        let one = super::base62::<300>().expect("randomness");
        assert!(one.iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(one, super::base62::<300>().expect("randomness"));
    }
}
