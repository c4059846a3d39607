//! What may be shown of a text that passed through: secrets are cut down to their prefix and last four characters,
//! card-like numbers to their last four digits, card verification codes to nothing.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::domain::key::Mode;

/// What secrets begin with. `c2tf` is `sk_` in base64, as HTTP Basic sends it.
const SECRETS: [&str; 5] = [
    Mode::Test.prefix(),
    Mode::Live.prefix(),
    "cs_",
    "whsec_",
    "c2tf",
];
/// The last four of a minted secret are public; of anything shorter than an imported one they would be much of it.
const SHOWN_FROM: usize = 16;
/// Digits of a card number (ISO/IEC 7812-1).
pub const CARD_DIGITS: RangeInclusive<usize> = 13..=19;
/// Members of JSON that hold a card verification code.
const CODES: [&str; 6] = ["cvc", "cvv", "cvc2", "cvv2", "card_cvc", "security_code"];

/// The text with everything masked that nobody but its owner may see.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut shown = 0;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let found = match byte {
            b's' | b'c' | b'w' => secret_at(text, at),
            b'0'..=b'9' => number_at(text, at),
            b'"' => code_at(text, at),
            _ => None,
        };
        let Some(hidden) = found else {
            at += 1;
            continue;
        };
        if !hidden.is_plain {
            out.push_str(&text[shown..hidden.from]);
            out.push_str("...");
            shown = hidden.to;
        }
        at = hidden.end;
    }
    if shown == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[shown..]);
    Cow::Owned(out)
}

/// A part of a text: what of it is not shown, and where what belongs to it ends.
struct Hidden {
    from: usize,
    to: usize,
    end: usize,
    is_plain: bool,
}

impl Hidden {
    const fn between(from: usize, to: usize, end: usize) -> Self {
        let is_plain = false;
        Self {
            from,
            to,
            end,
            is_plain,
        }
    }

    /// Looked at, and nothing to hide.
    const fn nothing(end: usize) -> Self {
        Self {
            from: end,
            to: end,
            end,
            is_plain: true,
        }
    }
}

fn secret_at(text: &str, at: usize) -> Option<Hidden> {
    let rest = &text.as_bytes()[at..];
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
    let tail = if start.starts_with("sk_") && length >= SHOWN_FROM {
        4
    } else {
        0
    };
    Some(Hidden::between(from, end - tail, end))
}

/// A run of digits, in groups that one space or hyphen may part.
fn number_at(text: &str, at: usize) -> Option<Hidden> {
    let rest = &text.as_bytes()[at..];
    let (mut length, mut count) = (0, 0);
    let mut digits = [0; *CARD_DIGITS.end()];
    while let Some(byte) = rest.get(length) {
        let goes_on =
            matches!(byte, b' ' | b'-') && rest.get(length + 1).is_some_and(u8::is_ascii_digit);
        if byte.is_ascii_digit() {
            if let Some(place) = digits.get_mut(count) {
                *place = byte - b'0';
            }
            count += 1;
        } else if !goes_on {
            break;
        }
        length += 1;
    }
    let end = at + length;
    let is_card = CARD_DIGITS.contains(&count) && {
        let digits = &digits[..count];
        looks_issued(digits) || passes_luhn(digits)
    };
    if !is_card {
        return Some(Hidden::nothing(end));
    }
    let tail = rest[..length]
        .iter()
        .rev()
        .scan(0, |seen, byte| {
            *seen += usize::from(byte.is_ascii_digit());
            Some(*seen)
        })
        .take_while(|seen| *seen <= 4)
        .count();
    let tail = rest[length - tail..length]
        .iter()
        .skip_while(|byte| !byte.is_ascii_digit())
        .count();
    Some(Hidden::between(at, end - tail, end))
}

/// Card schemes give out numbers that begin with 2 to 6; a Unix time in milliseconds begins with 1.
fn looks_issued(digits: &[u8]) -> bool {
    digits.first().is_some_and(|first| (2..=6).contains(first))
}

/// The check digit of ISO/IEC 7812-1, annex B, over digits from 0 to 9.
pub fn passes_luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            u32::from(if place % 2 == 1 {
                doubled(*digit)
            } else {
                *digit
            })
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A JSON member whose value is a verification code.
fn code_at(text: &str, at: usize) -> Option<Hidden> {
    let rest = &text[at + 1..];
    let name = CODES.iter().find(|name| {
        rest.strip_prefix(**name)
            .is_some_and(|rest| rest.starts_with('"'))
    })?;
    let value = rest[name.len() + 1..]
        .trim_start()
        .strip_prefix(':')?
        .trim_start_matches(|c: char| c.is_whitespace() || c == '"');
    let from = text.len() - value.len();
    let length = value.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (length > 0).then(|| Hidden::between(from, from + length, from + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for (text, shown) in [
            ("nothing here", "nothing here"),
            (
                "key sk_test_0123456789abcdefWXYZ, twice sk_live_0123456789abcdefWXYZ",
                "key sk_test_...WXYZ, twice sk_live_...WXYZ",
            ),
            (
                "GET /functions/v1/sk_test_short",
                "GET /functions/v1/sk_test_...",
            ),
            ("Basic c2tfdGVzdF9hYmNkZWZnaDo=", "Basic c2tf..."),
            ("secret cs_abcdef done", "secret cs_... done"),
            ("%22cs_abcdef%22", "%22cs_...%22"),
            ("whsec_MfKQ9r8GKYqrTwjU end", "whsec_... end"),
            ("a prefix sk_test_ alone", "a prefix sk_test_ alone"),
            ("ü cs_ü", "ü cs_ü"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn card_like_numbers_keep_their_last_four_digits() {
        for (text, shown) in [
            (
                r#"{"number":"4242424242424242"}"#,
                r#"{"number":"...4242"}"#,
            ),
            ("4242 4242 4242 4242 and on", "...4242 and on"),
            ("3782-822463-10005.", "...0005."),
            ("4000 0000 0000 00 02", "...00 02"),
            ("5555555555554440", "...4440"),
            ("paid 4990 on 1795608000001", "paid 4990 on 1795608000001"),
            ("424242424242", "424242424242"),
            ("42424242424242424242", "42424242424242424242"),
            ("2026-11-25T12:00:00.000Z", "2026-11-25T12:00:00.000Z"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn verification_codes_are_not_shown_at_all() {
        for (text, shown) in [
            (r#"{"cvc":"123","a":1}"#, r#"{"cvc":"...","a":1}"#),
            (r#"{"cvv" : 1234}"#, r#"{"cvv" : ...}"#),
            (r#"{"cvcs":"123"}"#, r#"{"cvcs":"123"}"#),
            (r#"{"cvc":""}"#, r#"{"cvc":""}"#),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_masked_and_masking_twice_changes_nothing(text in ".{0,200}") {
            let once = masked(&text).into_owned();
            proptest::prop_assert_eq!(masked(&once).into_owned(), once);
        }
    }
}
