//! Card numbers among the digits of a text.
//!
//! Digits that only spaces, dashes and the like part are one run, and a run that has a card number in it is hidden as a
//! whole but for the card's last four: what stands beside a card number is often its expiry and its code.
//!
//! A number is a card's by one of two measures. By itself, or in groups as people type it, its length and first digits
//! are enough, so that one with a digit mistyped is hidden too. Within more digits its check digit must be right as
//! well, or every list of numbers would have some.

use std::ops::{Range, RangeInclusive};

/// Digits of a card number (ISO/IEC 7812-1).
pub const CARD_DIGITS: RangeInclusive<usize> = 13..=19;
/// Those of numbers that schemes still give out, the most usual first.
const LENGTHS: [usize; 6] = [16, 15, 14, 19, 18, 17];
/// Digits of a group, as people part card numbers.
const GROUP: usize = 6;
/// Digits of the longest phone number (ITU-T E.164).
const PHONE: usize = 15;
/// Spaces and dashes that may stand between two digits.
const SEPARATORS: usize = 3;

/// A run of digits.
pub(super) struct Run {
    /// Where it ends.
    pub(super) end: usize,
    /// Where the last four digits of a card stand, if there is one in it.
    pub(super) shown: Option<Range<usize>>,
}

/// The run that begins with this digit.
pub(super) fn run_at(bytes: &[u8], at: usize) -> Run {
    let first = digits_at(bytes, at);
    let mut run = Shape {
        count: first,
        longest: first,
        is_usual: true,
        is_phone: [b"+".as_slice(), b"%2B", b"%2b"]
            .iter()
            .any(|plus| bytes[..at].ends_with(plus)),
    };
    let mut end = at + first;
    while let Some(gap) = gap_at(bytes, end) {
        let more = digits_at(bytes, end + gap.length);
        run.count += more;
        run.longest = run.longest.max(more);
        run.is_usual &= gap.is_usual;
        end += gap.length + more;
    }
    let may_have_card = run.count >= *CARD_DIGITS.start() && !is_time(&bytes[at..end]);
    let shown = may_have_card.then(|| card(bytes, at..end, run));
    Run {
        end,
        shown: shown.flatten(),
    }
}

/// What a run is like.
#[derive(Clone, Copy)]
struct Shape {
    /// Digits in all.
    count: usize,
    /// Digits of the longest group.
    longest: usize,
    /// One space or dash is all that parts its groups.
    is_usual: bool,
    /// A plus stands before it.
    is_phone: bool,
}

/// A digit of a run.
struct Digit {
    value: u8,
    place: usize,
    /// Where its group ends, in digits of the run.
    group_end: usize,
    /// Nothing but zeros stands before it in its group.
    is_first: bool,
}

/// Where the last four digits of the first card of a run stand.
fn card(bytes: &[u8], run: Range<usize>, shape: Shape) -> Option<Range<usize>> {
    let digits = digits_of(bytes, run, shape.count);
    let found = (0..digits.len()).find_map(|start| card_from(&digits, start, shape));
    let end = found.or_else(|| {
        let is_grouped = shape.is_usual && shape.longest <= GROUP && !is_phone(shape, digits.len());
        (is_grouped && looks_issued(&digits)).then_some(digits.len())
    })?;
    let shown = digits.get(end.checked_sub(4)?..end)?;
    Some(shown.first()?.place..shown.last()?.place + 1)
}

fn is_phone(shape: Shape, length: usize) -> bool {
    shape.is_phone && length <= PHONE
}

/// Where the card ends that begins with this digit.
fn card_from(digits: &[Digit], start: usize, shape: Shape) -> Option<usize> {
    let first = &digits[start];
    let in_group = first.group_end - start;
    let is_long = is_in_long_group(digits, start);
    if !first.is_first && !is_long {
        return None;
    }
    let ends_well = |end: usize| {
        let last = &digits[end - 1];
        last.group_end == end || last.group_end == first.group_end
    };
    let checked = LENGTHS.into_iter().find(|length| {
        let end = start + length;
        end <= digits.len() && ends_well(end) && is_issued(&digits[start..end])
    });
    let alone = !is_long
        && CARD_DIGITS.contains(&in_group)
        && !(start == 0 && is_phone(shape, in_group))
        && looks_issued(&digits[start..first.group_end]);
    match checked {
        Some(length) => Some(start + length),
        None => alone.then_some(first.group_end),
    }
}

/// Whether there are more digits on end than a card has: then one may begin and end anywhere among them.
fn is_in_long_group(digits: &[Digit], at: usize) -> bool {
    let end = digits[at].group_end;
    let start = end.checked_sub(*CARD_DIGITS.end() + 1);
    start.is_some_and(|start| digits[start].group_end == end)
}

fn digits_of(bytes: &[u8], run: Range<usize>, count: usize) -> Vec<Digit> {
    let mut digits: Vec<Digit> = Vec::with_capacity(count);
    let mut at = run.start;
    while at < run.end {
        let length = digits_at(bytes, at);
        let group_end = digits.len() + length;
        let mut is_first = true;
        for (place, digit) in bytes.iter().enumerate().skip(at).take(length) {
            let value = digit - b'0';
            digits.push(Digit {
                value,
                place,
                group_end,
                is_first,
            });
            is_first &= value == 0;
        }
        at += length;
        at += gap_at(bytes, at).map_or(1, |gap| gap.length);
    }
    digits
}

fn digits_at(bytes: &[u8], at: usize) -> usize {
    let digits = bytes[at..].iter();
    digits.take_while(|byte| byte.is_ascii_digit()).count()
}

/// A Unix time in milliseconds, microseconds or nanoseconds, of this century's first third.
fn is_time(run: &[u8]) -> bool {
    matches!(run.len(), 13 | 16 | 19) && run[0] == b'1' && run.iter().all(u8::is_ascii_digit)
}

/// What parts two groups of digits.
struct Gap {
    length: usize,
    is_usual: bool,
}

/// The gap that begins here, if digits follow it.
fn gap_at(bytes: &[u8], at: usize) -> Option<Gap> {
    let mut length = 0;
    let (mut count, mut dots, mut is_usual) = (0, 0, true);
    while count < SEPARATORS {
        let Some((separator, is_dot)) = separator_at(&bytes[at + length..]) else {
            break;
        };
        length += separator;
        count += 1;
        dots += usize::from(is_dot);
        is_usual &= !is_dot && bytes[at + length - 1] != b'+';
    }
    // Two dots are an ellipsis: ours, where something is hidden already.
    let is_gap = count > 0 && dots < 2 && bytes.get(at + length).is_some_and(u8::is_ascii_digit);
    is_gap.then_some(Gap {
        length,
        is_usual: is_usual && count == 1,
    })
}

/// Bytes of a space or dash of any kind, or of what forms and people write for one; and whether it is a dot.
fn separator_at(bytes: &[u8]) -> Option<(usize, bool)> {
    match bytes {
        [b'.', ..] => Some((1, true)),
        [b' ' | b'-' | b'+' | b'\t', ..] => Some((1, false)),
        // No-break space, soft hyphen.
        [0xc2, 0xa0 | 0xad, ..] => Some((2, false)),
        // U+2000 to U+200D, U+2010 to U+2015, U+202F: spaces and dashes of all widths, zero too.
        [0xe2, 0x80, 0x80..=0x8d | 0x90..=0x95 | 0xaf, ..] => Some((3, false)),
        // Other spaces, the minus sign, dashes of full width.
        [0xe2, 0x81, 0x9f | 0xa0, ..] | [0xe3, 0x80, 0x80, ..] | [0xe2, 0x88, 0x92, ..] => {
            Some((3, false))
        }
        [0xef, 0xb9, 0x98 | 0xa3, ..] | [0xef, 0xbc, 0x8d, ..] | [0xef, 0xbb, 0xbf, ..] => {
            Some((3, false))
        }
        _ => None,
    }
}

/// Length and first two digits, by which schemes give numbers out.
fn issue(digits: &[Digit]) -> (usize, u8) {
    match digits {
        [first, second, ..] => (digits.len(), first.value * 10 + second.value),
        _ => (digits.len(), 0),
    }
}

/// Whether a number by itself may be a card's, rightly typed or not. A Unix time in milliseconds begins with 1, a date
/// with 19 or 20, and a number of 13 digits is more often that of an article.
fn looks_issued(digits: &[Digit]) -> bool {
    match issue(digits) {
        (14..=19, 22..=69) => true,
        (13, 30..=69) | (15, 10..=19) | (16..=19, 70..=99) => passes_luhn(values(digits)),
        _ => false,
    }
}

/// Whether a number is one that a scheme gives out, check digit and all.
fn is_issued(digits: &[Digit]) -> bool {
    let is_known = matches!(
        issue(digits),
        (16, 22..=27 | 35 | 36 | 40..=69)
            | (15, 34 | 37)
            | (14, 30 | 36 | 38 | 39)
            | (19, 40..=49)
            | (17..=19, 60..=69)
    );
    is_known && passes_luhn(values(digits))
}

fn values(digits: &[Digit]) -> impl DoubleEndedIterator<Item = u8> {
    digits.iter().map(|digit| digit.value)
}

/// The check digit of ISO/IEC 7812-1, annex B, over digits from 0 to 9.
pub fn passes_luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let places = digits.rev().enumerate();
    let sum: u32 = places
        .map(|(place, digit)| {
            u32::from(if place % 2 == 1 {
                doubled(digit)
            } else {
                digit
            })
        })
        .sum();
    sum.is_multiple_of(10)
}
