//! Values that are hidden for the name they stand under: card verification codes and passwords, as members of JSON and
//! as fields of forms and queries.

use std::borrow::Cow;

use super::DOTS;

/// Ends of names of card verification codes, and of passwords: in lower case, without `_`, `-` and digits at the end.
const CODES: [&str; 9] = [
    "cvc",
    "cvv",
    "cvn",
    "cvccode",
    "cvvcode",
    "securitycode",
    "cvcnumber",
    "cvvnumber",
    "verificationvalue",
];
const PASSWORDS: [&str; 6] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passwordconfirmation",
    "passwordconfirm",
];
/// Bytes of a name that are looked at.
const NAME: usize = 40;

/// A value to hide.
pub(super) struct Value {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) instead: Cow<'static, str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Password,
}

/// The value after this `:` or `=`, if the name before it says that it is to be hidden.
pub(super) fn value_at(bytes: &[u8], at: usize) -> Option<Value> {
    let (before, after) = bytes.split_at(at);
    if after.first() == Some(&b'=') {
        let name = before.strip_suffix(b"]").unwrap_or(before);
        return field(bytes, at + 1, kind_of(name)?);
    }
    let before = before.trim_ascii_end();
    let name = before
        .strip_suffix(b"\"")
        .or_else(|| before.strip_suffix(b"'"))
        .unwrap_or(before);
    let backslashes = backslashes_at_end(name);
    let kind = kind_of(&name[..name.len() - backslashes])?;
    let quote = &before[name.len() - backslashes..];
    member(bytes, at + 1, quote, kind)
}

fn kind_of(name: &[u8]) -> Option<Kind> {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let name = &name[..name.len() - digits.count()];
    let is_one_of = |names: &[&str]| names.iter().any(|word| ends_with(name, word.as_bytes()));
    match name.last().map(u8::to_ascii_lowercase) {
        Some(b'c' | b'v' | b'n' | b'e' | b'r') if is_one_of(&CODES) => Some(Kind::Code),
        Some(b'd' | b'e' | b'n' | b'm') if is_one_of(&PASSWORDS) => Some(Kind::Password),
        _ => None,
    }
}

/// Whether a name ends with a word, in whatever case and parted in whatever way.
fn ends_with(name: &[u8], word: &[u8]) -> bool {
    let mut left = word;
    for byte in name.iter().rev().take(NAME) {
        match left {
            [] => return true,
            [.., last] if last.eq_ignore_ascii_case(byte) => left = &left[..left.len() - 1],
            _ if matches!(byte, b'_' | b'-') => (),
            _ => return false,
        }
    }
    left.is_empty()
}

/// The value of a form's field. A password ends with the field, a code with anything that is in none.
fn field(bytes: &[u8], from: usize, kind: Kind) -> Option<Value> {
    let is_lead = |byte: &&u8| matches!(byte, b'+' | b' ' | b'"' | b'\'');
    let from = from + bytes[from..].iter().take_while(is_lead).count();
    let ends = |byte: &u8| match kind {
        Kind::Password => matches!(byte, b'&' | b'"' | b'<' | b'\n' | b'\r'),
        Kind::Code => {
            byte.is_ascii_whitespace()
                || matches!(
                    byte,
                    b'&' | b'"' | b'\'' | b'<' | b'>' | b',' | b';' | b')' | b']' | b'}'
                )
        }
    };
    let length = bytes[from..].iter().take_while(|byte| !ends(byte)).count();
    (length > 0).then(|| Value {
        from,
        to: from + length,
        instead: Cow::Borrowed(DOTS),
    })
}

/// The value of a member. What is no string becomes one, in the quotes that its name stands in: with backslashes where
/// the whole is a string of another JSON text.
fn member(bytes: &[u8], from: usize, quote: &[u8], kind: Kind) -> Option<Value> {
    let is_space = |byte: &&u8| byte.is_ascii_whitespace();
    let from = from + bytes[from..].iter().take_while(is_space).count();
    let rest = &bytes[from..];
    let depth = rest.iter().take_while(|byte| **byte == b'\\').count();
    if let Some(quote @ (b'"' | b'\'')) = rest.get(depth) {
        let from = from + depth + 1;
        let to = from + string_length(&bytes[from..], *quote, depth);
        return (from < to).then_some(Value {
            from,
            to,
            instead: Cow::Borrowed(DOTS),
        });
    }
    let length = match rest.first() {
        Some(b'[' | b'{') if !quote.is_empty() => group_length(rest, quote.len() - 1),
        _ => rest.iter().take_while(|byte| !ends_token(**byte)).count(),
    };
    let token = &rest[..length];
    let says_nothing = matches!(token, b"" | b"null" | b"true" | b"false");
    let is_number = token.first().is_some_and(u8::is_ascii_digit);
    // Without quotes it may as well be prose; a code is a number.
    if says_nothing || (quote.is_empty() && kind == Kind::Code && !is_number) {
        return None;
    }
    let quote = std::str::from_utf8(quote).unwrap_or_default();
    Some(Value {
        from,
        to: from + length,
        instead: match quote {
            "" => Cow::Borrowed(DOTS),
            quote => Cow::Owned(format!("{quote}{DOTS}{quote}")),
        },
    })
}

const fn ends_token(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(
            byte,
            b',' | b';' | b'&' | b'}' | b']' | b')' | b'"' | b'\'' | b'\\' | b'<'
        )
}

fn backslashes_at_end(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count()
}

/// Whether a quote after so many backslashes ends a string that was begun by one after `depth` of them.
const fn ends_string(backslashes: usize, depth: usize) -> bool {
    if depth == 0 {
        backslashes.is_multiple_of(2)
    } else {
        backslashes <= depth
    }
}

/// Bytes of a string up to its end, or to the end of the text.
fn string_length(bytes: &[u8], quote: u8, depth: usize) -> usize {
    let mut backslashes = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if *byte == quote && ends_string(backslashes, depth) => {
                return if depth == 0 { at } else { at - backslashes };
            }
            b'\\' => backslashes += 1,
            _ => backslashes = 0,
        }
    }
    bytes.len()
}

/// Bytes of an array or object up to its end, or to the end of the text.
fn group_length(bytes: &[u8], depth: usize) -> usize {
    let (mut backslashes, mut open, mut in_string) = (0, 0_usize, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if ends_string(backslashes, depth) => in_string = !in_string,
            b'[' | b'{' if !in_string => open += 1,
            b']' | b'}' if !in_string => open = open.saturating_sub(1),
            _ => (),
        }
        backslashes = if *byte == b'\\' { backslashes + 1 } else { 0 };
        if open == 0 {
            return at + 1;
        }
    }
    bytes.len()
}
