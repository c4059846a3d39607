//! Points in time (milliseconds since the Unix epoch) and UTC days.

use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const RFC_3339: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded up, so that a client who waits until then waits long enough.
    pub const fn unix_seconds_up(self) -> u64 {
        self.0.div_ceil(1_000)
    }

    /// This point, later by `by`; the end of time at most.
    pub fn plus(self, by: Duration) -> Self {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// This point, earlier by `by`; the epoch at least.
    pub fn minus(self, by: Duration) -> Self {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Time gone by since `earlier`; zero when that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The UTC day this point lies in.
    pub fn day(self) -> Day {
        Day(u32::try_from(self.0 / DAY_MS).unwrap_or(u32::MAX))
    }

    /// RFC 3339 in UTC with milliseconds, as `2026-11-25T01:34:01.123Z`.
    pub fn rfc3339(self) -> String {
        RFC_3339.timestamp_to_string(&self.point())
    }

    /// As people write it: `25 Nov 2026, 01:34:01 UTC`.
    pub fn spelled(self) -> String {
        self.point().strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
    }

    /// The UTC day it lies in, as people write it: `25 Nov 2026`.
    pub fn date(self) -> String {
        self.point().strftime("%-d %b %Y").to_string()
    }

    /// The year and the month, from 1, that it lies in by UTC.
    pub fn year_and_month(self) -> (u16, u8) {
        let day = jiff::tz::TimeZone::UTC.to_datetime(self.point());
        (
            u16::try_from(day.year()).unwrap_or(0),
            u8::try_from(day.month()).unwrap_or(1),
        )
    }

    /// The minute of the UTC day it lies in: `01:34`.
    pub fn minute(self) -> String {
        self.point().strftime("%H:%M").to_string()
    }

    /// The same for the crate that knows the calendar; its greatest at most.
    fn point(self) -> jiff::Timestamp {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Reads an RFC 3339 (ISO 8601) time with an offset, as `2026-11-25T01:34:01+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let point: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(point.as_millisecond()).ok().map(Self)
    }
}

/// Whole seconds of a wait, rounded up.
pub fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// A UTC calendar day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// From days since 1970-01-01.
    pub const fn from_number(days: u32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The day so many days before; the first of 1970 at least.
    #[must_use]
    pub const fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Its 00:00:00 UTC.
    pub fn start(self) -> Timestamp {
        Timestamp(u64::from(self.0) * DAY_MS)
    }

    /// The next 00:00:00 UTC.
    pub fn end(self) -> Timestamp {
        Timestamp((u64::from(self.0) + 1) * DAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_rfc_3339_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(0).rfc3339(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_795_570_441_120).rfc3339(),
            "2026-11-25T01:34:01.120Z"
        );
        assert_eq!(
            Timestamp::from_millis(u64::MAX).rfc3339(),
            "9999-12-30T22:00:00.999Z"
        );
    }

    #[test]
    fn a_time_is_spelled_as_people_write_it() {
        let at = Timestamp::from_millis(1_795_570_441_120);
        assert_eq!(at.spelled(), "25 Nov 2026, 01:34:01 UTC");
        assert_eq!(
            (at.date(), at.minute()),
            ("25 Nov 2026".to_owned(), "01:34".to_owned())
        );
        assert_eq!(at.year_and_month(), (2026, 11));
        assert_eq!(at.day().start().spelled(), "25 Nov 2026, 00:00:00 UTC");
    }

    #[test]
    fn a_day_ends_at_the_next_midnight_utc() {
        let noon = Timestamp::from_millis(DAY_MS * 20_000 + DAY_MS / 2);
        assert_eq!(noon.day(), Day::from_number(20_000));
        assert_eq!(noon.day().end(), Timestamp::from_millis(DAY_MS * 20_001));
        assert_eq!(noon.day().end().day(), Day::from_number(20_001));
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(Timestamp::from_millis(1_001).unix_seconds_up(), 2);
        assert_eq!(Timestamp::from_millis(2_000).unix_seconds_up(), 2);
        assert_eq!(seconds_up(Duration::from_nanos(1)), 1);
        assert_eq!(seconds_up(Duration::from_secs(3)), 3);
    }
}
