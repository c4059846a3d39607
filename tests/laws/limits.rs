//! The limiter admits what a naive model admits, and tells the truth about it.

use std::collections::HashMap;
use std::sync::Arc;

use atlas::domain::limit::{Limits, Scope};
use atlas::domain::time::Timestamp;
use atlas::limiter::{Admission, KeyLimiter, Permit};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::START;

/// The limits told as plainly as they can be: lists of times, looked through from start to end.
struct Model {
    per_minute: u64,
    per_day: u64,
    window: Vec<u64>,
    /// Nanoseconds since the epoch at which the bucket is full.
    bucket_full: u128,
    days: HashMap<u64, u64>,
}

impl Model {
    fn new(per_minute: u32, per_day: u32) -> Self {
        Self {
            per_minute: per_minute.into(),
            per_day: per_day.into(),
            window: Vec::new(),
            bucket_full: 0,
            days: HashMap::new(),
        }
    }

    fn admits(&mut self, now: u64) -> Result<(), Scope> {
        if self
            .window
            .first()
            .is_some_and(|start| now >= start + 60_000)
        {
            self.window.clear();
        }
        let (interval, nanos) = (
            u128::from(60_000_000_000 / self.per_minute),
            u128::from(now) * 1_000_000,
        );
        let owed = self.bucket_full.saturating_sub(nanos);
        let mut minute_wait = owed.saturating_sub(interval * u128::from(self.per_minute - 1));
        if self.window.len() as u64 >= self.per_minute {
            minute_wait = minute_wait.max(u128::from(self.window[0] + 60_000 - now) * 1_000_000);
        }
        let day = self.days.entry(now / 86_400_000).or_default();
        let to_midnight = u128::from(86_400_000 - now % 86_400_000) * 1_000_000;
        let day_wait = if *day >= self.per_day { to_midnight } else { 0 };
        match (minute_wait, day_wait) {
            (0, 0) => (),
            (minute, day) if minute > day => return Err(Scope::Minute),
            _ => return Err(Scope::Day),
        }
        *day += 1;
        self.window.push(now);
        self.bucket_full = self.bucket_full.max(nanos) + interval;
        Ok(())
    }
}

/// Admits with every lease granted at once.
fn admit(limiter: &Arc<KeyLimiter>, now: u64) -> Result<Permit, Scope> {
    let now = Timestamp::from_millis(now);
    loop {
        match limiter.admit(now) {
            Admission::Admitted(permit, lease) => {
                lease
                    .into_iter()
                    .for_each(|lease| limiter.leased(lease, true, now));
                return Ok(permit);
            }
            Admission::Refused(refused) => return Err(refused.allowance.scope),
            Admission::NeedsLease(waiting) => {
                limiter.leased(waiting.lease.expect("nobody else asked"), true, now)
            }
        }
    }
}

fn limiter(per_minute: u32, per_day: u32, concurrent: u32) -> Arc<KeyLimiter> {
    let day = Timestamp::from_millis(START).day();
    Arc::new(KeyLimiter::new(
        Limits {
            per_minute,
            per_day,
            concurrent,
        },
        day,
        0,
    ))
}

/// Steps between requests: mostly none or short, sometimes over a minute or to another day.
fn steps() -> impl Strategy<Value = Vec<u64>> {
    let step = prop_oneof![6 => Just(0), 6 => 1_u64..3_000, 3 => 10_000_u64..70_000, 1 => 3_600_000_u64..50_000_000];
    vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_limiter_admits_exactly_what_the_model_admits(per_minute in 1_u32..40, per_day in 1_u32..150, steps in steps()) {
        let limiter = limiter(per_minute, per_day, 1_000_000);
        let mut model = Model::new(per_minute, per_day);
        let mut now = START;
        for step in steps {
            now += step;
            prop_assert_eq!(admit(&limiter, now).map(drop), model.admits(now), "at {}", now - START);
        }
    }

    #[test]
    fn a_request_after_the_wait_that_a_refusal_names_is_admitted(per_minute in 1_u32..40, steps in steps()) {
        let limiter = limiter(per_minute, 1_000_000, 1_000_000);
        let mut now = Timestamp::from_millis(START);
        for step in steps {
            now = now.plus(std::time::Duration::from_millis(step));
            if let Admission::Refused(refused) = limiter.admit(now) {
                let wait = refused.retry_after.as_secs() + u64::from(refused.retry_after.subsec_nanos() > 0);
                prop_assert!(wait >= 1);
                now = now.plus(std::time::Duration::from_secs(wait));
                prop_assert!(admit(&limiter, now.millis()).is_ok(), "{wait} s later");
            }
        }
    }

    #[test]
    fn the_numbers_told_are_sound(per_minute in 1_u32..40, per_day in 1_u32..150, steps in steps()) {
        let limiter = limiter(per_minute, per_day, 1_000_000);
        let mut now = START;
        for step in steps {
            now += step;
            let before = limiter.standing(Timestamp::from_millis(now));
            let outcome = admit(&limiter, now);
            let after = limiter.standing(Timestamp::from_millis(now));
            prop_assert_eq!(outcome.is_ok(), before.minute.remaining > 0 && before.day.remaining > 0);
            let spent = u32::from(outcome.is_ok());
            prop_assert_eq!(before.minute.remaining - after.minute.remaining, spent);
            prop_assert_eq!(before.day.remaining - after.day.remaining, spent);
            for allowance in [after.minute, after.day] {
                prop_assert!(allowance.resets_at.millis() >= now && allowance.remaining <= allowance.limit);
            }
            let whole = limiter.standing(after.minute.resets_at);
            prop_assert_eq!(whole.minute.remaining, per_minute, "at its reset the whole minute is back");
        }
    }

    #[test]
    fn never_more_at_once_than_allowed(concurrent in 1_u32..8, moves in vec(any::<(bool, u8)>(), 1..200)) {
        let limiter = limiter(1_000_000, 1_000_000, concurrent);
        let mut held: Vec<Permit> = Vec::new();
        for (take, which) in moves {
            if take {
                let full = held.len() == concurrent as usize;
                match admit(&limiter, START) {
                    Ok(permit) => held.push(permit),
                    Err(scope) => prop_assert_eq!(scope, Scope::Concurrency),
                }
                prop_assert!(held.len() <= concurrent as usize);
                prop_assert!(!full || held.len() == concurrent as usize);
            } else if !held.is_empty() {
                held.swap_remove(usize::from(which) % held.len());
            }
        }
    }

    #[test]
    fn a_crash_never_gives_a_day_more_than_its_limit(per_day in 1_u32..60, lives in vec(0_u32..40, 1..12)) {
        let day = Timestamp::from_millis(START).day();
        let limits = Limits { per_minute: 1_000_000, per_day, concurrent: 1_000 };
        let (mut on_disk, mut admitted) = (0, 0);
        for requests in lives {
            let limiter = Arc::new(KeyLimiter::new(limits, day, on_disk));
            for _ in 0..requests {
                loop {
                    match limiter.admit(Timestamp::from_millis(START)) {
                        Admission::Admitted(_, lease) => {
                            // Asked for early, and the crash may come before it is on disk.
                            if let Some(lease) = lease { limiter.leased(lease, false, Timestamp::from_millis(START)); }
                            admitted += 1;
                            break;
                        }
                        Admission::Refused(_) => break,
                        Admission::NeedsLease(waiting) => {
                            let lease = waiting.lease.expect("nobody else asked");
                            on_disk = on_disk.max(lease.count);
                            limiter.leased(lease, true, Timestamp::from_millis(START));
                        }
                    }
                }
            }
        }
        prop_assert!(admitted <= per_day, "{admitted} of {per_day}");
    }
}
