//! The published limits as numbers and two pure counters: the minute's window and the day's count. governor's bucket,
//! which joins the window, lives in `limiter`.

use crate::domain::key::OwnLimits;
use crate::domain::time::{Day, Timestamp};
use crate::policy;

/// The three limits in force for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute, at least 1.
    pub per_minute: u32,
    /// Requests a UTC day, at least 1.
    pub per_day: u32,
    /// Requests at once, at least 1.
    pub concurrent: u32,
}

impl Limits {
    /// A key's own limits where it has them, else these.
    #[must_use]
    pub fn with(self, own: OwnLimits) -> Self {
        Self {
            per_minute: own.per_minute.unwrap_or(self.per_minute),
            per_day: own.per_day.unwrap_or(self.per_day),
            concurrent: own.concurrent.unwrap_or(self.concurrent),
        }
    }
}

/// Which limit a number speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Requests a minute of a key.
    Minute,
    /// Requests a UTC day of a key.
    Day,
    /// Requests at once of a key.
    Concurrency,
    /// Requests a minute of an address without a good key.
    Address,
}

impl Scope {
    /// As it stands in `X-RateLimit-Scope` and in the error object.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Concurrency => "concurrency",
            Self::Address => "address",
        }
    }
}

/// What a limit still allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Which limit.
    pub scope: Scope,
    /// The whole of it.
    pub limit: u32,
    /// What is left of it, after the request that asks.
    pub remaining: u32,
    /// When the whole is available again if the client sends nothing.
    pub resets_at: Timestamp,
}

/// A minute that starts with the first request admitted after the last one ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    started_at: Timestamp,
    used: u32,
}

impl Window {
    /// The window in force at `now`: this one, or an empty one that has not started.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        if now >= self.ends_at() {
            Self::default()
        } else {
            self
        }
    }

    /// Requests that it still admits at `now`.
    pub fn remaining(self, limit: u32, now: Timestamp) -> u32 {
        limit.saturating_sub(self.at(now).used)
    }

    /// This window after one more request.
    #[must_use]
    pub fn spend(self, now: Timestamp) -> Self {
        let window = self.at(now);
        let started_at = if window.used == 0 {
            now
        } else {
            window.started_at
        };
        Self {
            started_at,
            used: window.used.saturating_add(1),
        }
    }

    /// A window that starts now and has admitted so many already; with none it has not started.
    pub const fn started(now: Timestamp, used: u32) -> Self {
        Self {
            started_at: now,
            used,
        }
    }

    /// Requests it has admitted.
    pub const fn used(self) -> u32 {
        self.used
    }

    /// When the whole limit is back; long ago for a window that has not started.
    pub fn ends_at(self) -> Timestamp {
        if self.used == 0 {
            Timestamp::default()
        } else {
            self.started_at.plus(policy::MINUTE)
        }
    }
}

/// Requests of a UTC day, of which `leased` are accounted for on disk: a crash forgets `used` and goes on from
/// `leased`, so no client ever gets more than its day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCount {
    day: Day,
    used: u32,
    leased: u32,
    step: u32,
    leased_at: Timestamp,
}

impl DayCount {
    /// The count after a start, `used` of the day being on disk.
    pub const fn restored(day: Day, used: u32) -> Self {
        Self {
            day,
            used,
            leased: used,
            step: policy::LEASE_MIN,
            leased_at: Timestamp::from_millis(0),
        }
    }

    /// The count in force at `now`. A day that lies behind is never opened again.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        if now.day() > self.day {
            Self {
                day: now.day(),
                used: 0,
                leased: 0,
                ..self
            }
        } else {
            self
        }
    }

    /// Whether one more must wait until more of the day is leased.
    pub const fn needs_lease(self) -> bool {
        self.used >= self.leased
    }

    /// This count after one more request.
    #[must_use]
    pub fn spend(self) -> Self {
        Self {
            used: self.used.saturating_add(1),
            ..self
        }
    }

    /// This count with so many requests made, fewer or more than it had. What is leased is not given back.
    #[must_use]
    pub fn with_used(self, used: u32) -> Self {
        Self {
            used,
            leased: self.leased.max(used),
            ..self
        }
    }

    /// Whether to ask for the next lease now, so that nobody will have to wait for it.
    pub fn runs_low(self, limit: u32) -> bool {
        self.leased < limit && self.leased.saturating_sub(self.used) <= self.step(limit) / 2
    }

    /// The count to put on disk next.
    pub fn next_lease(self, limit: u32) -> u32 {
        self.leased.saturating_add(self.step(limit))
    }

    /// What a crash may cost is small against the limit too.
    fn step(self, limit: u32) -> u32 {
        self.step.min(limit / policy::LEASE_SHARE).max(1)
    }

    /// This count once `leased` of `day` is on disk. The next step is larger for a busy client, smaller for a calm one,
    /// and the largest grows with the limit.
    #[must_use]
    pub fn extended(self, day: Day, leased: u32, limit: u32, now: Timestamp) -> Self {
        if day != self.day || leased <= self.leased {
            return self;
        }
        let busy = now.since(self.leased_at) < policy::LEASE_PACE;
        let largest = policy::LEASE_MAX.max(limit / policy::LEASE_SHARE_BUSY);
        let step = if busy {
            self.step.saturating_mul(2)
        } else {
            self.step / 2
        };
        Self {
            leased,
            leased_at: now,
            step: step.clamp(policy::LEASE_MIN, largest),
            ..self
        }
    }

    /// The day counted.
    pub const fn day(self) -> Day {
        self.day
    }

    /// Requests admitted on that day.
    pub const fn used(self) -> u32 {
        self.used
    }

    /// What is left of `limit`.
    pub const fn remaining(self, limit: u32) -> u32 {
        limit.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_window_starts_with_its_first_request_and_ends_a_minute_later() {
        let window = Window::default().spend(at(100)).spend(at(130));
        assert_eq!(window.remaining(5, at(159)), 3);
        assert_eq!(window.ends_at(), at(160));
        assert_eq!(window.remaining(5, at(160)), 5);
        assert_eq!(window.spend(at(170)).ends_at(), at(230));
    }

    #[test]
    fn a_day_needs_a_lease_before_it_admits() {
        let day = at(0).day();
        let fresh = DayCount::restored(day, 0);
        assert!(fresh.needs_lease());
        let leased = fresh.extended(day, fresh.next_lease(1_000), 1_000, at(0));
        assert!(!leased.needs_lease());
        let full = (0..policy::LEASE_MIN).fold(leased, |count, _| count.spend());
        assert!(full.needs_lease());
    }

    #[test]
    fn a_small_limit_is_leased_in_small_steps() {
        let fresh = DayCount::restored(at(0).day(), 0);
        assert_eq!(
            [5, 128, 100_000].map(|limit| fresh.next_lease(limit)),
            [1, 2, policy::LEASE_MIN]
        );
    }

    #[test]
    fn a_new_day_starts_from_nothing_and_an_old_one_stays_closed() {
        let count = DayCount::restored(at(86_400 * 5).day(), 70);
        assert_eq!(count.at(at(86_400 * 6)).used(), 0);
        assert_eq!(count.at(at(86_400 * 4)).used(), 70);
    }

    #[test]
    fn a_late_lease_of_yesterday_changes_nothing_today() {
        let (yesterday, today) = (at(0).day(), at(86_400).day());
        let count = DayCount::restored(today, 3);
        assert_eq!(count.extended(yesterday, 500, 100_000, at(86_400)), count);
    }

    #[test]
    fn steps_grow_for_the_busy_with_their_limit_and_shrink_for_the_calm() {
        let day = at(0).day();
        let step = |count: DayCount, limit| count.next_lease(limit) - count.leased;
        for (limit, largest) in [
            (100_000, policy::LEASE_MAX),
            (1_000_000_000, 1_000_000_000 / policy::LEASE_SHARE_BUSY),
        ] {
            let mut count = DayCount::restored(day, 0);
            for _ in 0..24 {
                count = count.extended(day, count.next_lease(limit), limit, at(1));
            }
            assert_eq!(step(count, limit), largest);
            for hour in 1..20 {
                count = count.extended(day, count.next_lease(limit), limit, at(hour * 3_600));
            }
            assert_eq!(step(count, limit), policy::LEASE_MIN);
        }
    }
}
