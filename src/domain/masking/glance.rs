//! One look over a text that tells whether a search is worth while: nearly all that is logged has nothing in it.

use super::{CARD_DIGITS, SECRETS};

/// What a byte means to whoever only looks whether a search is worth while.
#[derive(Clone, Copy)]
struct Sign {
    /// Digits that it adds to a run: one or none.
    digits: u8,
    /// All ones where a run may go on over it, else nothing.
    goes_on: u8,
    /// It may be the last byte of what a secret begins with.
    may_end_start: bool,
    /// It may stand between a name and a value, begin an escape, or part digits in a way that only a search knows.
    is_search: bool,
}

const SIGNS: [Sign; 256] = {
    let other = Sign {
        digits: 0,
        goes_on: 0,
        may_end_start: false,
        is_search: false,
    };
    let mut signs = [other; 256];
    let mut byte = 0;
    while byte < 256 {
        let sign = &mut signs[byte];
        match byte as u8 {
            b'0'..=b'9' => (sign.digits, sign.goes_on) = (1, u8::MAX),
            b' ' | b'-' | b'+' | b'.' | b'\t' => sign.goes_on = u8::MAX,
            b':' | b'=' | b'%' | b'\\' | 0x80.. => sign.is_search = true,
            _ => (),
        }
        byte += 1;
    }
    let mut which = 0;
    while which < SECRETS.len() {
        let start = SECRETS[which].as_bytes();
        signs[start[start.len() - 1] as usize].may_end_start = true;
        which += 1;
    }
    signs
};

/// Whether a search may find anything. Says so of more than it would find, and never of less.
pub(super) fn may_hide(bytes: &[u8]) -> bool {
    let (mut run, mut longest, mut is_search) = (0_u8, 0, false);
    for (at, byte) in bytes.iter().enumerate() {
        let sign = SIGNS[usize::from(*byte)];
        run = (run & sign.goes_on).saturating_add(sign.digits);
        longest = longest.max(run);
        is_search |= sign.is_search;
        let so_far = &bytes[..=at];
        if sign.may_end_start
            && SECRETS
                .iter()
                .any(|start| so_far.ends_with(start.as_bytes()))
        {
            return true;
        }
    }
    is_search || usize::from(longest) >= *CARD_DIGITS.start()
}
