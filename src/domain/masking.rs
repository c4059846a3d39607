//! What may be shown of a text that passed through: secrets are cut down to their prefix and last four characters,
//! card-like numbers to their last four digits, card verification codes and passwords to nothing.
//!
//! A text is searched as it stands and, where it has escapes (`%34`, `\u0034`), with those read as well. Each search
//! goes over it once and never back by more than a name, so that nothing a client sends makes it slow.

mod cards;
mod escapes;
mod glance;
mod json;
mod named;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::cards::{CARD_DIGITS, passes_luhn};
use self::escapes::View;
use self::glance::may_hide;
use self::json::Strings;
use crate::domain::key::Mode;

/// What secrets begin with. `c2tf` is `sk_` in base64, as HTTP Basic sends it.
const SECRETS: [&str; 6] = [
    Mode::Test.prefix(),
    Mode::Live.prefix(),
    "cs_",
    "whsec_",
    // Whoever has the rest of such an address is the buyer.
    "/pay/0",
    "c2tf",
];
/// The last four of a minted secret are public; of anything shorter than an imported one they would be much of it.
const SHOWN_FROM: usize = 16;
/// What stands for what is not shown.
const DOTS: &str = "...";

/// The text with everything masked that nobody but its owner may see.
pub fn masked(text: &str) -> Cow<'_, str> {
    masked_beginning(text, text.len())
}

/// What may be shown of a text that is one secret from its beginning to its end, to be put together; None of any other.
pub fn masked_secret(text: &str) -> Option<[&str; 3]> {
    let (from, to, end) = secret_at(text.as_bytes(), 0)?;
    let is_all = end == text.len();
    let (start, tail) = (text.get(..from)?, text.get(to..)?);
    is_all.then_some([start, DOTS, tail])
}

/// The first `most` bytes of the text, masked with regard to what follows: the part of a card number that stands before
/// the cut is masked like the whole.
pub fn masked_beginning(text: &str, most: usize) -> Cow<'_, str> {
    let mut found = Vec::new();
    if may_hide(text.as_bytes()) {
        found = find(text, most);
    }
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    render(text, found, end.unwrap_or(0))
}

/// What of the text's first `most` bytes is to be hidden, in order.
fn find(text: &str, most: usize) -> Vec<Hidden> {
    let mut found = Vec::new();
    search(text, &View::plain(text), most, &mut found);
    if let Some(read) = escapes::read(text) {
        search(text, &read.view(), most, &mut found);
        found.sort_by_key(|hidden| (hidden.from, hidden.to));
    }
    found
}

/// A part of a text, in bytes of it, and what is shown instead.
struct Hidden {
    from: usize,
    to: usize,
    instead: Cow<'static, str>,
}

impl Hidden {
    /// Whether the next one hides the same, more of it, or what follows at once.
    fn goes_on_as(&self, next: &Self) -> bool {
        let touches = next.from == self.to && next.instead == DOTS && self.instead == DOTS;
        touches || next.from < self.to || (next.from, next.to) == (self.from, self.to)
    }
}

/// The text up to `end` without what is hidden of it, which is in order and may overlap.
fn render(text: &str, found: Vec<Hidden>, end: usize) -> Cow<'_, str> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    if found.is_empty() {
        return Cow::Borrowed(part(0, end));
    }
    let mut out = String::with_capacity(end);
    let mut shown = 0;
    let mut found = found.into_iter().peekable();
    while let Some(mut hidden) = found.next() {
        while let Some(next) = found.next_if(|next| hidden.goes_on_as(next)) {
            if next.instead.len() > hidden.instead.len() {
                hidden.instead = next.instead;
            }
            hidden.to = hidden.to.max(next.to);
        }
        if hidden.from >= end {
            break;
        }
        out.push_str(part(shown, hidden.from));
        out.push_str(&hidden.instead);
        shown = hidden.to;
    }
    if shown < end {
        out.push_str(part(shown, end));
    }
    Cow::Owned(out)
}

/// Bytes at which something to hide may begin, or which follow its name.
const STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let bytes = b"0123456789scw/:=%\\";
    let mut at = 0;
    while at < bytes.len() {
        starts[bytes[at] as usize] = true;
        at += 1;
    }
    starts
};

/// Adds what of the text's first `most` bytes is to be hidden as this view of it tells, in order.
fn search(text: &str, view: &View<'_>, most: usize, found: &mut Vec<Hidden>) {
    let bytes = view.bytes;
    let end = view.seen_before(most);
    let mut strings = Strings::of(text);
    let mut at = 0;
    while let Some(next) = bytes[at..end]
        .iter()
        .position(|byte| STARTS[usize::from(*byte)])
    {
        at += next;
        match bytes[at] {
            b'0'..=b'9' => {
                let run = cards::run_at(bytes, at);
                if let Some(shown) = run.shown {
                    let places = [at, shown.start, shown.end, run.end].map(|at| view.place(at));
                    hide_run(places, &mut strings, found);
                }
                at = run.end;
            }
            b':' | b'=' => match named::value_at(bytes, at) {
                Some(value) => {
                    let (from, to) = (view.place(value.from), view.place(value.to));
                    found.push(Hidden {
                        from,
                        to,
                        instead: value.instead,
                    });
                    at = value.to;
                }
                None => at += 1,
            },
            // What an escape stands for is looked at where it is read; its own letters and digits are none of the text's.
            b'%' | b'\\' => {
                at += if view.is_plain() {
                    escapes::length_at(bytes, at)
                } else {
                    1
                }
            }
            _ => match secret_at(bytes, at) {
                Some((from, to, end)) => {
                    let (from, to) = (view.place(from), view.place(to));
                    let instead = Cow::Borrowed(DOTS);
                    found.push(Hidden { from, to, instead });
                    at = end;
                }
                None => at += 1,
            },
        }
        if at >= end {
            break;
        }
    }
}

/// Hides a run of digits but for the card's last four. Where it is a number of a JSON text, what is left is a string, so
/// that the text can still be read.
fn hide_run(places: [usize; 4], strings: &mut Strings<'_>, found: &mut Vec<Hidden>) {
    let [mut from, shown_from, shown_to, mut to] = places;
    let bare = strings.bare_number(from, to);
    if let Some(number) = &bare {
        let is_of_it = |last: &Hidden| number.start <= last.from && last.to <= number.end;
        if found.last().is_some_and(is_of_it) {
            // Its exponent: of the whole number no more than one card's last four is shown.
            return;
        }
        (from, to) = (number.start, number.end);
    }
    let (before, quote) = if bare.is_some() {
        ("\"...", "\"")
    } else {
        (DOTS, "")
    };
    let after = if shown_to < to { DOTS } else { "" };
    found.push(Hidden {
        from,
        to: shown_from,
        instead: Cow::Borrowed(before),
    });
    if !after.is_empty() || !quote.is_empty() {
        found.push(Hidden {
            from: shown_to,
            to,
            instead: Cow::Owned(format!("{after}{quote}")),
        });
    }
}

/// A secret: what of it is not shown, and where it ends.
fn secret_at(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let rest = &bytes[at..];
    // Nearly all that begin like one are ordinary words.
    if !matches!(
        rest,
        [b's', b'k', ..] | [b'c', b's' | b'2', ..] | [b'w', b'h', ..] | [b'/', b'p', ..]
    ) {
        return None;
    }
    let start = SECRETS
        .iter()
        .find(|start| rest.starts_with(start.as_bytes()))?;
    let is_secret =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'=');
    let length = rest[start.len()..]
        .iter()
        .take_while(|byte| is_secret(byte))
        .count();
    if length == 0 {
        return None;
    }
    let (from, end) = (at + start.len(), at + start.len() + length);
    let ends_as_minted = bytes[end - 4..end].iter().all(u8::is_ascii_alphanumeric);
    let tail = if start.starts_with("sk_") && length >= SHOWN_FROM && ends_as_minted {
        4
    } else {
        0
    };
    Some((from, end - tail, end))
}
