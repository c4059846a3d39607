//! Who may, right now. In memory only; what of it must outlive the process (the day's count) is leased from the store
//! by whoever asks.
//!
//! A minute is two things that must agree: a window, which never admits more than the limit, and governor's bucket,
//! which keeps two windows' worth from arriving back to back. A refused request spends nothing anywhere: all limits are
//! looked at under the key's lock, governor last, since it alone spends by looking.

mod addresses;
mod meter;

use std::sync::Arc;

use parking_lot::Mutex;

pub use self::addresses::Addresses;
use self::meter::Meter;
use crate::domain::limit::{Allowance, DayCount, DayVerdict, Limits, Scope};
use crate::domain::refusal::RateLimited;
use crate::domain::time::{Day, Timestamp};
use crate::policy;

/// The counters of one key. They belong to the key, not to its secret: rolling changes nothing here.
#[derive(Debug)]
pub struct KeyLimiter(Mutex<Counters>);

#[derive(Debug)]
struct Counters {
    limits: Limits,
    minute: Meter,
    day: DayCount,
    /// A lease was asked for and is not there yet.
    leasing: bool,
    running: u32,
}

/// A place among a key's running requests. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<KeyLimiter>,
    /// What the limits stood at once this request was counted.
    pub standing: Standing,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counters = self.limiter.0.lock();
        counters.running = counters.running.saturating_sub(1);
    }
}

/// More of the day to be put on disk: `count` for `day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The day.
    pub day: Day,
    /// The count to keep.
    pub count: u32,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    /// It runs, and has spent one of minute and day. With a lease to ask for meanwhile, when one will be needed soon.
    Admitted(Permit, Option<Lease>),
    /// It does not run and has spent nothing.
    Refused(RateLimited),
    /// It may run once this lease is on disk; ask again then.
    NeedsLease(Lease),
}

/// What a key's limits stand at, for the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The minute.
    pub minute: Allowance,
    /// The UTC day.
    pub day: Allowance,
    /// Most requests at once.
    pub concurrent: u32,
}

impl Standing {
    /// The limit that binds first: minute or day, whichever has fewer left.
    pub const fn nearest(&self) -> Allowance {
        if self.day.remaining < self.minute.remaining {
            self.day
        } else {
            self.minute
        }
    }
}

impl KeyLimiter {
    /// The counters of a key that has used `used` of `day` so far, as far as the disk knows.
    pub fn new(limits: Limits, day: Day, used: u32) -> Self {
        Self(Mutex::new(Counters {
            limits,
            minute: Meter::new(limits.per_minute),
            day: DayCount::restored(day, used),
            leasing: false,
            running: 0,
        }))
    }

    /// Admits a request or says why not, all in one.
    pub fn admit(self: &Arc<Self>, now: Timestamp) -> Admission {
        let mut counters = self.0.lock();
        let limits = counters.limits;
        counters.day = counters.day.at(now);
        if counters.running >= limits.concurrent {
            return Admission::Refused(no_slot(limits, now));
        }
        if counters.minute.remaining(now) == 0 {
            let retry_after = counters.minute.wait(now);
            return Admission::Refused(RateLimited {
                allowance: counters.standing(now).minute,
                retry_after,
            });
        }
        match counters.day.verdict(limits.per_day) {
            DayVerdict::Spent => {
                let retry_after = now.day().end().since(now);
                return Admission::Refused(RateLimited {
                    allowance: counters.standing(now).day,
                    retry_after,
                });
            }
            DayVerdict::NeedsLease => return Admission::NeedsLease(counters.next_lease()),
            DayVerdict::Fits => (),
        }
        if let Err(retry_after) = counters.minute.spend(now) {
            return Admission::Refused(RateLimited {
                allowance: counters.standing(now).minute,
                retry_after,
            });
        }
        counters.day = counters.day.spend();
        counters.running += 1;
        let lease = (!counters.leasing && counters.day.runs_low(limits.per_day))
            .then(|| counters.next_lease());
        counters.leasing |= lease.is_some();
        let standing = counters.standing(now);
        drop(counters);
        Admission::Admitted(
            Permit {
                limiter: Arc::clone(self),
                standing,
            },
            lease,
        )
    }

    /// A lease that was asked for is on disk, or could not be put there.
    pub fn leased(&self, lease: Lease, kept: bool, now: Timestamp) {
        let mut counters = self.0.lock();
        counters.leasing = false;
        if kept {
            counters.day = counters.day.extended(lease.day, lease.count, now);
        }
    }

    /// What the limits stand at.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let mut counters = self.0.lock();
        counters.day = counters.day.at(now);
        counters.standing(now)
    }

    /// Puts other limits in force. What was used stays used.
    pub fn set_limits(&self, limits: Limits, now: Timestamp) {
        let mut counters = self.0.lock();
        if limits.per_minute != counters.limits.per_minute {
            counters.minute = counters.minute.with_limit(limits.per_minute, now);
        }
        counters.limits = limits;
    }

    /// The day counted and the requests admitted on it.
    pub fn day_count(&self) -> (Day, u32) {
        let counters = self.0.lock();
        (counters.day.day(), counters.day.used())
    }
}

impl Counters {
    fn next_lease(&self) -> Lease {
        Lease {
            day: self.day.day(),
            count: self.day.next_lease(),
        }
    }

    fn standing(&self, now: Timestamp) -> Standing {
        let day = Allowance {
            scope: Scope::Day,
            limit: self.limits.per_day,
            remaining: self.day.remaining(self.limits.per_day),
            resets_at: self.day.day().end(),
        };
        Standing {
            minute: self.minute.allowance(Scope::Minute, now),
            day,
            concurrent: self.limits.concurrent,
        }
    }
}

/// Nobody knows when a running request ends; soon is the best guess.
fn no_slot(limits: Limits, now: Timestamp) -> RateLimited {
    let resets_at = now.plus(policy::RETRY_SOON);
    let allowance = Allowance {
        scope: Scope::Concurrency,
        limit: limits.concurrent,
        remaining: 0,
        resets_at,
    };
    RateLimited {
        allowance,
        retry_after: policy::RETRY_SOON,
    }
}

#[cfg(test)]
mod tests;
