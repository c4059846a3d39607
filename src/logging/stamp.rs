//! The time as a line of the log has it.

use std::cell::RefCell;

use crate::domain::time::Timestamp;

thread_local! {
    /// The latest time that this thread has written. Many lines share its second.
    static LATEST: RefCell<(Timestamp, String)> = const { RefCell::new((Timestamp::from_millis(0), String::new())) };
}

/// Shows RFC 3339 in UTC with milliseconds, as `2026-11-25T01:34:01.123Z`.
pub(super) fn of<T>(now: Timestamp, mut show: impl FnMut(&str) -> T) -> T {
    // A thread that ends may have a last word, when it has no memory of its own any more.
    let shown = LATEST.try_with(|latest| {
        let mut latest = latest.try_borrow_mut().ok()?;
        Some(show(follow(&mut latest, now)))
    });
    let shown = shown.ok().flatten();
    shown.unwrap_or_else(|| show(&now.rfc3339()))
}

/// The time now, by what was written last.
fn follow((latest, text): &mut (Timestamp, String), now: Timestamp) -> &str {
    let second = |time: &Timestamp| time.millis() / 1_000;
    let end = text.len().checked_sub("123Z".len());
    match end.filter(|_| second(latest) == second(&now)) {
        Some(end) => {
            text.truncate(end);
            let mut digits = itoa::Buffer::new();
            // The one in front keeps the zeros behind it.
            text.push_str(&digits.format(1_000 + now.millis() % 1_000)[1..]);
            text.push('Z');
        }
        None => *text = now.rfc3339(),
    }
    *latest = now;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_time_is_written_as_if_it_were_the_first(
            times in proptest::collection::vec((1_790_000_000_u64..1_790_000_003, 0_u64..1_000), 1..50),
        ) {
            for (second, millis) in times {
                let time = Timestamp::from_millis(second * 1_000 + millis);
                proptest::prop_assert_eq!(of(time, str::to_owned), time.rfc3339());
            }
        }
    }
}
