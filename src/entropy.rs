//! Randomness of the operating system, as the base62 characters and the bytes that ids and secrets are made of.

use std::cell::RefCell;

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
    const MOST: usize = 1024;
    let (mut out, mut filled) = ([0; N], 0);
    while filled < N {
        // One system call is enough in nearly all cases: 8 of 256 bytes are passed over.
        let mut random = [0; MOST];
        let missing = N - filled;
        let random = &mut random[..MOST.min(missing + missing / 16 + 16)];
        fill(random)?;
        let usable = random.iter().copied().filter_map(base62_of_random);
        for (place, character) in out[filled..].iter_mut().zip(usable) {
            *place = character;
            filled += 1;
        }
    }
    Ok(out)
}

/// `N` random base62 characters of a name, which is to be unlike any other but no secret: the randomness of several is
/// fetched at once.
///
/// # Errors
/// [`NoEntropy`]
pub fn base62_of_name<const N: usize>() -> Result<[u8; N], NoEntropy> {
    /// Characters that are made at once, for some twenty names.
    const MADE: usize = 512;
    thread_local! {
        /// Such characters, and how many of them are used.
        static KEPT: RefCell<([u8; MADE], usize)> = const { RefCell::new(([0; MADE], MADE)) };
    }
    const { assert!(N <= MADE) };
    KEPT.with_borrow_mut(|(kept, used)| {
        if MADE - *used < N {
            *kept = base62()?;
            *used = 0;
        }
        let mut out = [0; N];
        out.copy_from_slice(&kept[*used..*used + N]);
        *used += N;
        Ok(out)
    })
}

/// `N` random bytes.
///
/// # Errors
/// [`NoEntropy`]
pub fn bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

fn fill(out: &mut [u8]) -> Result<(), NoEntropy> {
    getrandom::fill(out).map_err(|error| {
        log::error!("the operating system gave no randomness: {error}");
        NoEntropy
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn characters_are_base62_and_differ() {
        let one = super::base62::<3000>().expect("randomness");
        assert!(one.iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(one, super::base62::<3000>().expect("randomness"));
    }

    #[test]
    fn names_are_base62_and_none_comes_twice_on_any_thread() {
        let names = || {
            let name = || super::base62_of_name::<12>().expect("randomness");
            (0..2_000).map(|_| name()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(names)).collect();
        let threads = threads.into_iter();
        let all: Vec<_> = threads
            .flat_map(|thread| thread.join().expect("names"))
            .collect();
        assert!(all.as_flattened().iter().all(u8::is_ascii_alphanumeric));
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), 8_000);
    }
}
