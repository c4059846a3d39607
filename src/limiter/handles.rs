//! What the mock lets a developer do to a key's counters: leave so much of a limit, take slots away, begin anew, and
//! hear how a limit refuses without reaching it.

use std::sync::atomic::Ordering;

use super::{KeyLimiter, Meter, no_slot};
use crate::domain::limit::{Allowance, DayCount, Scope};
use crate::domain::refusal::RateLimited;
use crate::domain::time::Timestamp;
use crate::policy;

/// What is to be left of a key's limits; None leaves one as it is. More than the whole limit counts as the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Of a minute that begins now.
    pub minute: Option<u32>,
    /// Of this UTC day.
    pub day: Option<u32>,
    /// Free slots beside those that are taken now. The others stay taken until this is said again.
    pub concurrent: Option<u32>,
}

impl KeyLimiter {
    /// Leaves so much of the limits. Returns the requests of the day that now count as made.
    pub fn set_remaining(&self, remains: Remains, now: Timestamp) -> u32 {
        let mut counters = self.counters.lock();
        let limits = counters.limits;
        if let Some(remaining) = remains.minute {
            counters.minute = counters.minute.with_remaining(remaining, now);
        }
        counters.day = counters.day.at(now);
        if let Some(remaining) = remains.day {
            let used = limits.per_day.saturating_sub(remaining);
            counters.day = counters.day.with_used(used);
        }
        if let Some(free) = remains.concurrent {
            let places = self.running().saturating_add(free).min(limits.concurrent);
            counters.occupied = limits.concurrent - places;
            self.places.store(places, Ordering::Relaxed);
        }
        counters.day.used()
    }

    /// Forgets what was used and gives back the slots that were taken away. Requests that run keep theirs.
    pub fn reset(&self, now: Timestamp) {
        let mut counters = self.counters.lock();
        counters.minute = Meter::new(counters.limits.per_minute);
        counters.day = DayCount::restored(counters.day.at(now).day(), 0);
        counters.occupied = 0;
        self.places
            .store(counters.limits.concurrent, Ordering::Relaxed);
    }

    /// Slots that are free.
    pub fn free_slots(&self) -> u32 {
        let places = self.places.load(Ordering::Relaxed);
        places.saturating_sub(self.running())
    }

    /// How this limit would refuse, were nothing left of it from now on.
    pub fn as_if_spent(&self, scope: Scope, now: Timestamp) -> RateLimited {
        let standing = self.standing(now);
        let spent = |allowance: Allowance, resets_at: Timestamp| RateLimited {
            allowance: Allowance {
                remaining: 0,
                resets_at,
                ..allowance
            },
            retry_after: resets_at.since(now),
        };
        match scope {
            Scope::Minute => spent(standing.minute, now.plus(policy::MINUTE)),
            Scope::Day => spent(standing.day, standing.day.resets_at),
            Scope::Concurrency | Scope::Address => no_slot(standing.concurrent, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::limit::Limits;
    use crate::limiter::{Admission, Permit};

    const NOON: u64 = 1_795_608_000;
    const LIMITS: Limits = Limits {
        per_minute: 10,
        per_day: 1_000,
        concurrent: 3,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis((NOON + seconds) * 1_000)
    }

    fn limiter() -> Arc<KeyLimiter> {
        Arc::new(KeyLimiter::new(LIMITS, at(0).day(), 0))
    }

    fn admit(limiter: &Arc<KeyLimiter>, now: Timestamp) -> Option<Permit> {
        let mut admission = limiter.admit(now);
        loop {
            match admission {
                Admission::Admitted(permit, lease) => {
                    lease
                        .into_iter()
                        .for_each(|lease| limiter.leased(lease, true, now));
                    return Some(permit);
                }
                Admission::Refused(_) => return None,
                Admission::NeedsLease(waiting) => {
                    let lease = waiting.lease.expect("one waits alone");
                    limiter.leased(lease, true, now);
                    let over = tokio::runtime::Builder::new_current_thread().build();
                    let over = over.expect("a runtime").block_on(waiting.over(now));
                    admission = over.expect("it was kept");
                }
            }
        }
    }

    fn admitted(limiter: &Arc<KeyLimiter>, now: Timestamp) -> usize {
        (0..50).filter(|_| admit(limiter, now).is_some()).count()
    }

    fn minute(remaining: u32) -> Remains {
        Remains {
            minute: Some(remaining),
            ..Remains::default()
        }
    }

    #[test]
    fn so_much_of_the_minute_is_left_whatever_was_used() {
        for used in [0, 3, 10] {
            for remaining in 0..=10 {
                let limiter = limiter();
                (0..used).for_each(|_| drop(admit(&limiter, at(0))));
                limiter.set_remaining(minute(remaining), at(1));
                assert_eq!(limiter.standing(at(1)).minute.remaining, remaining);
                assert_eq!(admitted(&limiter, at(1)), remaining as usize);
                assert_eq!(admitted(&limiter, at(60)), 0, "the minute is not over");
                assert_eq!(admitted(&limiter, at(61)), 10);
            }
        }
    }

    #[test]
    fn more_than_the_limit_is_the_limit() {
        let limiter = limiter();
        let remains = Remains {
            minute: Some(11),
            day: Some(2_000),
            concurrent: Some(4),
        };
        assert_eq!(limiter.set_remaining(remains, at(0)), 0);
        assert_eq!(limiter.standing(at(0)).day.remaining, 1_000);
        assert_eq!((limiter.free_slots(), admitted(&limiter, at(0))), (3, 10));
    }

    #[test]
    fn slots_are_free_beside_those_that_are_taken() {
        let limiter = limiter();
        let one = admit(&limiter, at(0)).expect("a permit");
        let remains = Remains {
            concurrent: Some(1),
            ..Remains::default()
        };
        limiter.set_remaining(remains, at(0));
        let two = admit(&limiter, at(0)).expect("a permit");
        assert!(admit(&limiter, at(0)).is_none());
        drop((one, two));
        assert_eq!(limiter.free_slots(), 2);
        limiter.reset(at(0));
        assert_eq!(limiter.free_slots(), 3);
    }

    #[test]
    fn a_limit_that_refuses_as_if_spent_is_not() {
        let limiter = limiter();
        for (scope, wait) in [
            (Scope::Minute, 60),
            (Scope::Day, 43_200),
            (Scope::Concurrency, 1),
        ] {
            let refused = limiter.as_if_spent(scope, at(0));
            assert_eq!(refused.retry_after, Duration::from_secs(wait));
            assert_eq!(
                (refused.allowance.scope, refused.allowance.remaining),
                (scope, 0)
            );
        }
        assert_eq!(admitted(&limiter, at(0)), 10);
    }

    #[test]
    fn a_clock_that_jumps_by_centuries_finds_the_limits_whole() {
        const CENTURY: u64 = 100 * 365 * 86_400;
        let limiter = limiter();
        for centuries in [0, 1, 3, 9] {
            let now = at(centuries * CENTURY);
            assert_eq!(admitted(&limiter, now), 10, "{centuries}");
            limiter.set_remaining(minute(10), now);
            assert_eq!(admitted(&limiter, now), 10, "{centuries}");
        }
    }
}
