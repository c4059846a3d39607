//! Numbers, spans of time and long texts, as people read them.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::time::Timestamp;
pub(super) use crate::http::money::count;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Beyond so many days a date says more than an age.
const AGE_DAYS_MAX: u64 = 60;

/// A number and its noun: `1 key`, `1,204 keys`.
pub(super) fn counted(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// How long something took: `0.4 ms`, `12 ms`, `1,204 ms`.
pub(super) fn took(length: Duration) -> String {
    let tenths = length.as_micros() / 100;
    if tenths < 100 {
        format!("{}.{} ms", tenths / 10, tenths % 10)
    } else {
        format!(
            "{} ms",
            count(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
        )
    }
}

/// A length of time in its largest fitting unit: `12 s`, `3 min`, `5 h`, `2 days`.
pub(super) fn span(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..MINUTE => format!("{seconds} s"),
        seconds @ MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        seconds @ HOUR..DAY => format!("{} h", seconds / HOUR),
        seconds => counted(seconds / DAY, "day"),
    }
}

/// How long ago something was: `just now`, `3 min ago`, and from two months on its date.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at) {
        age if age < Duration::from_secs(1) => "just now".to_owned(),
        age if age.as_secs() < AGE_DAYS_MAX * DAY => format!("{} ago", span(age)),
        _ => at.date(),
    }
}

/// The text, or its beginning and `…` where it has more than `most` characters.
pub(super) fn clip(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1_u64, "key"), "1 key");
        assert_eq!(counted(0_u64, "key"), "0 keys");
    }

    #[test]
    fn an_age_has_the_largest_fitting_unit() {
        let now = Timestamp::from_millis(1_795_570_441_120);
        let ages = [0, 59, 60, 3_600, 86_400, 59 * 86_400, 60 * 86_400]
            .map(|seconds| ago(now.minus(Duration::from_secs(seconds)), now));
        let expected = [
            "just now",
            "59 s ago",
            "1 min ago",
            "1 h ago",
            "1 day ago",
            "59 days ago",
            "26 Sep 2026",
        ];
        assert_eq!(ages, expected);
    }

    #[test]
    fn a_text_is_clipped_between_characters() {
        assert_eq!(clip("añb", 3), "añb");
        assert_eq!(clip("añb", 2), "añ…");
    }
}
