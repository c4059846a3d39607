//! Masking: a secret is hidden whatever stands around it, and what could be read as JSON still can.

use atlas::domain::masking::{masked, masked_beginning};
use serde::de::IgnoredAny;

const SECRET: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dcTYooMQauvd";
/// Parts of it that are nobody's to see.
const HIDDEN: [&str; 2] = ["4eC39HqLyjWD", "arjtT1zdp7dcTYoo"];

pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let shown = masked(text);
    let is_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_json(text) && text.trim_start().starts_with(['{', '[']) {
        assert!(is_json(&shown), "{text:?} became {shown:?}");
    }
    // By themselves, and not as part of a secret, they are words like any other.
    if HIDDEN.iter().any(|part| text.contains(part)) {
        return;
    }
    let middle = (0..=text.len() / 2)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let (before, after) = text.split_at(middle.unwrap_or(0));
    // What comes behind a secret at once is a part of it as far as anybody can tell.
    for whole in [
        format!("{before}{SECRET} {after}"),
        format!("{before}{SECRET}"),
    ] {
        for shown in [masked(&whole), masked_beginning(&whole, whole.len() / 2)] {
            let is_hidden = !HIDDEN.iter().any(|part| shown.contains(part));
            assert!(is_hidden, "{whole:?} became {shown:?}");
        }
    }
}
