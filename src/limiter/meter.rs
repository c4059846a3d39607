//! One minute's limit: a window and governor's bucket that must agree.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::domain::limit::{Allowance, Scope, Window};
use crate::domain::time::Timestamp;
use crate::policy;

/// The time governor sees: the one of the request, set before each look.
#[derive(Clone, Debug)]
struct RequestTime(Arc<AtomicU64>);

impl governor::clock::Clock for RequestTime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Requests a minute, of one key or one address.
#[derive(Debug)]
pub(super) struct Meter {
    limit: NonZeroU32,
    window: Window,
    time: RequestTime,
    bucket: RateLimiter<NotKeyed, InMemoryState, RequestTime, NoOpMiddleware<Duration>>,
    /// From when governor counts its time.
    bucket_since: Timestamp,
    /// When the bucket is full again. governor knows, but can't be asked without spending.
    bucket_full_at: Duration,
}

impl Meter {
    /// A meter that has admitted nothing. A limit of 0 counts as 1.
    pub(super) fn new(limit: u32) -> Self {
        Self::since(limit, Timestamp::default())
    }

    fn since(limit: u32, bucket_since: Timestamp) -> Self {
        let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        let time = RequestTime(Arc::new(AtomicU64::new(bucket_since.millis())));
        let bucket = RateLimiter::direct_with_clock(Quota::per_minute(limit), time.clone());
        Self {
            limit,
            window: Window::default(),
            time,
            bucket,
            bucket_since,
            bucket_full_at: Duration::ZERO,
        }
    }

    /// A meter whose bucket has let so many out at `now`, and whose window has not started.
    fn emptied(limit: u32, used: u32, now: Timestamp) -> Self {
        let mut meter = Self::since(limit, now);
        if let Some(used) = NonZeroU32::new(used.min(meter.limit.get())) {
            // A fresh bucket holds its whole limit, so this is never refused.
            if let Ok(Ok(())) = meter.bucket.check_n(used) {
                meter.bucket_full_at = since_epoch(now) + meter.interval() * used.get();
            }
        }
        meter
    }

    /// governor counts nanoseconds in 64 bits and panics beyond, after 584 years, which the mock's clock can show. So
    /// long before that a full bucket is exchanged for a new one, which is the same.
    fn renew(&mut self, now: Timestamp) {
        let is_old = now.since(self.bucket_since) > policy::BUCKET_LIFETIME;
        if is_old && self.bucket_full_at <= since_epoch(now) {
            *self = Self {
                window: self.window,
                ..Self::since(self.limit.get(), now)
            };
        }
    }

    /// Requests it would admit at `now`.
    pub(super) fn remaining(&self, now: Timestamp) -> u32 {
        let owed = self
            .bucket_full_at
            .saturating_sub(since_epoch(now))
            .as_nanos();
        let missing = owed.div_ceil(self.interval().as_nanos().max(1));
        let bucket = self
            .limit
            .get()
            .saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX));
        bucket.min(self.window.remaining(self.limit.get(), now))
    }

    /// Admits one, or says how long to wait.
    pub(super) fn spend(&mut self, now: Timestamp) -> Result<(), Duration> {
        if self.window.remaining(self.limit.get(), now) == 0 {
            return Err(self.wait(now));
        }
        self.renew(now);
        self.time.0.store(now.millis(), Ordering::Relaxed);
        match self.bucket.check() {
            Ok(()) => {
                self.bucket_full_at = self.bucket_full_at.max(since_epoch(now)) + self.interval();
                self.window = self.window.spend(now);
                Ok(())
            }
            Err(refused) => Err(refused.wait_time_from(self.time.now())),
        }
    }

    /// How long until it admits one, if it does not now.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let window = if self.window.remaining(self.limit.get(), now) == 0 {
            self.window.ends_at().since(now)
        } else {
            Duration::ZERO
        };
        let one_left = self.interval() * (self.limit.get() - 1);
        let bucket = self
            .bucket_full_at
            .saturating_sub(one_left)
            .saturating_sub(since_epoch(now));
        window.max(bucket)
    }

    /// What it still allows.
    pub(super) fn allowance(&self, scope: Scope, now: Timestamp) -> Allowance {
        Allowance {
            scope,
            limit: self.limit.get(),
            remaining: self.remaining(now),
            resets_at: self.whole_at(now),
        }
    }

    /// When all of it is available again.
    pub(super) fn whole_at(&self, now: Timestamp) -> Timestamp {
        let millis = self.bucket_full_at.as_nanos().div_ceil(1_000_000);
        let bucket = Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        self.window.at(now).ends_at().max(bucket).max(now)
    }

    /// Another limit; what was used of the old one stays used.
    pub(super) fn with_limit(&self, limit: u32, now: Timestamp) -> Self {
        let used = self.limit.get() - self.remaining(now);
        let mut meter = Self::emptied(limit, used, now);
        meter.window = self.window.at(now);
        meter
    }

    /// The same limit with so much left of a minute that begins now.
    pub(super) fn with_remaining(&self, remaining: u32, now: Timestamp) -> Self {
        let limit = self.limit.get();
        let used = limit.saturating_sub(remaining);
        let mut meter = Self::emptied(limit, used, now);
        meter.window = Window::started(now, used);
        meter
    }

    fn interval(&self) -> Duration {
        policy::MINUTE / self.limit.get()
    }
}

fn since_epoch(now: Timestamp) -> Duration {
    Duration::from_millis(now.millis())
}
