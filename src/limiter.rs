//! Who may, right now. In memory only; what of it must outlive the process (the day's count) is leased from the store
//! by whoever asks.
//!
//! A minute is two things that must agree: a window, which never admits more than the limit, and governor's bucket,
//! which keeps two windows' worth from arriving back to back. A refused request spends nothing anywhere: all limits are
//! looked at under the key's lock, governor last, since it alone spends by looking.

mod addresses;
mod handles;
mod meter;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use self::addresses::Addresses;
pub use self::handles::Remains;
use self::meter::Meter;
use crate::domain::limit::{Allowance, DayCount, Limits, Scope};
use crate::domain::refusal::RateLimited;
use crate::domain::time::{Day, Timestamp};
use crate::policy;

/// The counters of one key. They belong to the key, not to its secret: rolling changes nothing here.
#[derive(Debug)]
pub struct KeyLimiter {
    counters: Mutex<Counters>,
    running: AtomicU32,
    /// Requests that may run at once: the limit, less what the mock has taken away.
    places: AtomicU32,
}

#[derive(Debug)]
struct Counters {
    limits: Limits,
    minute: Meter,
    day: DayCount,
    /// Slots that the mock has taken away.
    occupied: u32,
    /// A lease was asked for and is not there yet.
    leasing: bool,
    /// Who is told when it is, or can't be had.
    waiting: Vec<oneshot::Sender<bool>>,
}

/// A place among a key's running requests. Dropping it gives it back.
#[derive(Debug)]
struct Slot(Arc<KeyLimiter>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Release);
    }
}

/// A request that was let in; its slot comes back by drop.
#[derive(Debug)]
pub struct Permit {
    _slot: Slot,
    /// What the limits stood at once this request was counted.
    pub standing: Standing,
}

/// More of the day to be put on disk: `count` for `day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The day.
    pub day: Day,
    /// The count to keep.
    pub count: u32,
}

/// A request that has a slot and waits for more of its day. One of all that wait is told which lease to ask for.
#[derive(Debug)]
pub struct Waiting {
    slot: Slot,
    /// What to put on disk, and then to tell [`KeyLimiter::leased`]; None when somebody else does.
    pub lease: Option<Lease>,
    kept: oneshot::Receiver<bool>,
}

impl Waiting {
    /// Waits for the lease and tries again; None when it could not be put on disk.
    pub async fn over(self, now: Timestamp) -> Option<Admission> {
        matches!(self.kept.await, Ok(true)).then(|| self.slot.spend(now))
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    /// It runs, and has spent one of minute and day. With a lease to ask for meanwhile, when one will be needed soon.
    Admitted(Permit, Option<Lease>),
    /// It does not run and has spent nothing.
    Refused(RateLimited),
    /// It may run once more of the day is on disk.
    NeedsLease(Waiting),
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

    /// The same, as a request sees it that this limit refused.
    #[must_use]
    pub const fn seen_by_refused(mut self, refused: Allowance) -> Self {
        match refused.scope {
            Scope::Minute => self.minute = refused,
            Scope::Day => self.day = refused,
            Scope::Concurrency | Scope::Address => (),
        }
        self
    }
}

impl KeyLimiter {
    /// The counters of a key that has used `used` of `day` so far, as far as the disk knows.
    pub fn new(limits: Limits, day: Day, used: u32) -> Self {
        let counters = Counters {
            limits,
            minute: Meter::new(limits.per_minute),
            day: DayCount::restored(day, used),
            occupied: 0,
            leasing: false,
            waiting: Vec::new(),
        };
        Self {
            counters: Mutex::new(counters),
            running: AtomicU32::new(0),
            places: AtomicU32::new(limits.concurrent),
        }
    }

    /// Admits a request or says why not.
    pub fn admit(self: &Arc<Self>, now: Timestamp) -> Admission {
        let places = self.places.load(Ordering::Relaxed);
        let one_more = |running| (running < places).then_some(running + 1);
        match self
            .running
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more)
        {
            Ok(_) => Slot(Arc::clone(self)).spend(now),
            Err(_) => {
                let limit = self.counters.lock().limits.concurrent;
                Admission::Refused(no_slot(limit, now))
            }
        }
    }

    /// A lease that was asked for is on disk, or could not be put there.
    pub fn leased(&self, lease: Lease, kept: bool, now: Timestamp) {
        let mut counters = self.counters.lock();
        counters.leasing = false;
        if kept {
            let limit = counters.limits.per_day;
            counters.day = counters.day.extended(lease.day, lease.count, limit, now);
        }
        // Whoever hung up meanwhile is not there to be told.
        let waiting = std::mem::take(&mut counters.waiting);
        drop(counters);
        for waiting in waiting {
            let _ = waiting.send(kept);
        }
    }

    /// What the limits stand at.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let mut counters = self.counters.lock();
        counters.day = counters.day.at(now);
        counters.standing(now)
    }

    /// Requests that run right now.
    pub fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Puts other limits in force. What was used stays used.
    pub fn set_limits(&self, limits: Limits, now: Timestamp) {
        let mut counters = self.counters.lock();
        if limits.per_minute != counters.limits.per_minute {
            counters.minute = counters.minute.with_limit(limits.per_minute, now);
        }
        counters.limits = limits;
        let places = limits.concurrent.saturating_sub(counters.occupied);
        self.places.store(places, Ordering::Relaxed);
    }

    /// The day counted and the requests admitted on it.
    pub fn day_count(&self) -> (Day, u32) {
        let counters = self.counters.lock();
        (counters.day.day(), counters.day.used())
    }
}

/// What a request has spent, as [`Admission`] says it of its slot.
enum Spent {
    One(Standing, Option<Lease>),
    Nothing(RateLimited),
    Later(Option<Lease>, oneshot::Receiver<bool>),
}

impl Slot {
    /// Spends one of minute and day, or nothing.
    fn spend(self, now: Timestamp) -> Admission {
        let spent = self.0.counters.lock().spend(now);
        match spent {
            Spent::One(standing, lease) => Admission::Admitted(
                Permit {
                    _slot: self,
                    standing,
                },
                lease,
            ),
            Spent::Nothing(refused) => Admission::Refused(refused),
            Spent::Later(lease, kept) => Admission::NeedsLease(Waiting {
                slot: self,
                lease,
                kept,
            }),
        }
    }
}

impl Counters {
    /// Looks at minute and day and spends one of both, or nothing.
    fn spend(&mut self, now: Timestamp) -> Spent {
        self.day = self.day.at(now);
        if let Err(refused) = self.check(now) {
            return Spent::Nothing(refused);
        }
        if self.day.needs_lease() {
            let (told, kept) = oneshot::channel();
            self.waiting.push(told);
            return Spent::Later(self.take_lease(), kept);
        }
        if let Err(retry_after) = self.minute.spend(now) {
            let allowance = self.standing(now).minute;
            return Spent::Nothing(RateLimited {
                allowance,
                retry_after,
            });
        }
        self.day = self.day.spend();
        let lease = if self.day.runs_low(self.limits.per_day) {
            self.take_lease()
        } else {
            None
        };
        Spent::One(self.standing(now), lease)
    }

    /// Whether minute and day have one left. Where neither has, the one that keeps the client waiting longer speaks, so
    /// that a request sent after the wait is admitted.
    fn check(&self, now: Timestamp) -> Result<(), RateLimited> {
        let standing = self.standing(now);
        let spent = |allowance: Allowance, retry_after| {
            (allowance.remaining == 0).then_some(RateLimited {
                allowance,
                retry_after,
            })
        };
        let minute = spent(standing.minute, self.minute.wait(now));
        let day = spent(standing.day, standing.day.resets_at.since(now));
        match minute
            .into_iter()
            .chain(day)
            .max_by_key(|refused| refused.retry_after)
        {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    /// The lease to ask for, unless somebody does already.
    fn take_lease(&mut self) -> Option<Lease> {
        let lease = Lease {
            day: self.day.day(),
            count: self.day.next_lease(self.limits.per_day),
        };
        (!std::mem::replace(&mut self.leasing, true)).then_some(lease)
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
fn no_slot(concurrent: u32, now: Timestamp) -> RateLimited {
    let resets_at = now.plus(policy::RETRY_SOON);
    let allowance = Allowance {
        scope: Scope::Concurrency,
        limit: concurrent,
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
