//! One look over a text that tells whether a search is worth while: nearly all that is logged has nothing in it.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2, memchr2_iter};

use super::{CARD_DIGITS, SECRETS, named};

/// Whether a search may find anything. Says so of more than it would find, and never of less.
pub(super) fn may_hide(bytes: &[u8]) -> bool {
    // What begins an escape, or parts digits in a way that only a search knows.
    let is_plain = bytes.is_ascii() && memchr2(b'%', b'\\', bytes).is_none();
    !is_plain || has_named(bytes) || has_start_of_secret(bytes) || has_digits_of_card(bytes)
}

/// Bytes that stand before the `_` with which a secret may begin.
const ENDS: [bool; 256] = {
    let (mut ends, mut at) = ([false; 256], 0);
    while at < SECRETS.len() {
        let start = SECRETS[at].as_bytes();
        if let [.., end, b'_'] = start {
            ends[*end as usize] = true;
        }
        at += 1;
    }
    ends
};

/// Whether a value stands under a name for which it is to be hidden.
fn has_named(bytes: &[u8]) -> bool {
    memchr2_iter(b':', b'=', bytes).any(|at| named::value_at(bytes, at).is_some())
}

fn has_start_of_secret(bytes: &[u8]) -> bool {
    static OTHERS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
        let others = SECRETS.iter().filter(|start| !start.ends_with('_'));
        others.map(|start| Finder::new(start.as_bytes())).collect()
    });
    let ends_start = |at: usize| {
        // Most words end otherwise.
        let may = at > 0 && ENDS[usize::from(bytes[at - 1])];
        let mut starts = SECRETS.iter().filter(|start| start.ends_with('_'));
        may && starts.any(|start| bytes[..=at].ends_with(start.as_bytes()))
    };
    memchr_iter(b'_', bytes).any(ends_start)
        || OTHERS.iter().any(|start| start.find(bytes).is_some())
}

/// Whether there is a run with as many digits as the shortest card number, however parted.
fn has_digits_of_card(bytes: &[u8]) -> bool {
    let least = *CARD_DIGITS.start();
    let is_of_run = |byte: &&u8| matches!(byte, b'0'..=b'9' | b' ' | b'-' | b'+' | b'.' | b'\t');
    // A run that is long enough has one of the bytes that are so far apart.
    let mut at = least - 1;
    while at < bytes.len() {
        let behind = bytes[at..].iter().take_while(is_of_run).count();
        if behind > 0 {
            let before = bytes[..at].iter().rev().take_while(is_of_run).count();
            let run = bytes[at - before..at + behind].iter();
            if run.filter(|byte| byte.is_ascii_digit()).count() >= least {
                return true;
            }
        }
        at += behind + least;
    }
    false
}
