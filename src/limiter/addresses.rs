//! Limits of addresses that show no good key. Bounded: addresses whose allowance is whole again are forgotten, and
//! beyond a number of them the rest share one bucket.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::meter::Meter;
use crate::domain::id::SessionId;
use crate::domain::limit::{Allowance, Scope};
use crate::domain::refusal::RateLimited;
use crate::domain::time::Timestamp;
use crate::policy;

/// What one person holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An IPv4 address.
    V4(u32),
    /// The /64 that an IPv6 line is given.
    V6(u64),
    /// The client secret of a session.
    Session(SessionId),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl From<SessionId> for Origin {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

/// The meters of all addresses.
#[derive(Debug)]
pub struct Addresses {
    per_minute: u32,
    meters: Mutex<Meters>,
}

#[derive(Debug)]
struct Meters {
    known: HashMap<Origin, Meter>,
    /// For those that there is no room to know.
    rest: Meter,
    cleaned_at: Timestamp,
}

impl Addresses {
    /// No address has spent anything; each may make so many requests a minute.
    pub fn new(per_minute: u32) -> Self {
        let meters = Meters {
            known: HashMap::new(),
            rest: Meter::new(per_minute),
            cleaned_at: Timestamp::default(),
        };
        Self {
            per_minute,
            meters: Mutex::new(meters),
        }
    }

    /// Spends one of the address's minute.
    ///
    /// # Errors
    /// [`RateLimited`] when nothing is left; then nothing is spent.
    pub fn spend(
        &self,
        origin: impl Into<Origin>,
        now: Timestamp,
    ) -> Result<Allowance, RateLimited> {
        let mut meters = self.meters.lock();
        meters.clean(now);
        let meter = meters.of(origin.into(), self.per_minute);
        let spent = meter.spend(now);
        let allowance = meter.allowance(Scope::Address, now);
        spent
            .map(|()| allowance)
            .map_err(|retry_after| RateLimited {
                allowance,
                retry_after,
            })
    }

    /// What a refusal would say if all was spent just now; spends nothing.
    pub fn as_if_spent(&self, now: Timestamp) -> RateLimited {
        let allowance = Allowance {
            scope: Scope::Address,
            limit: self.per_minute,
            remaining: 0,
            resets_at: now.plus(policy::MINUTE),
        };
        RateLimited {
            allowance,
            retry_after: policy::MINUTE,
        }
    }

    /// What the address has left, without spending or remembering anything.
    pub fn standing(&self, origin: impl Into<Origin>, now: Timestamp) -> Allowance {
        match self.meters.lock().known.get(&origin.into()) {
            Some(meter) => meter.allowance(Scope::Address, now),
            None => Meter::new(self.per_minute).allowance(Scope::Address, now),
        }
    }

    /// Forgets all addresses and what they have spent.
    pub fn reset(&self) {
        let mut meters = self.meters.lock();
        meters.known = HashMap::new();
        meters.rest = Meter::new(self.per_minute);
    }

    /// Addresses remembered.
    pub fn len(&self) -> usize {
        self.meters.lock().known.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets addresses whose allowance is whole; called from time to time, so that memory falls when nobody comes.
    pub fn clean(&self, now: Timestamp) {
        self.meters.lock().clean(now);
    }
}

impl Meters {
    fn of(&mut self, origin: Origin, per_minute: u32) -> &mut Meter {
        let room = self.known.len() < policy::ADDRESSES;
        match self.known.entry(origin) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) if room => {
                free.insert(Meter::new(per_minute))
            }
            std::collections::hash_map::Entry::Vacant(_) => &mut self.rest,
        }
    }

    fn clean(&mut self, now: Timestamp) {
        if now.since(self.cleaned_at) < policy::ADDRESS_CLEANUP {
            return;
        }
        self.cleaned_at = now;
        self.known.retain(|_, meter| meter.whole_at(now) > now);
        self.known.shrink_to_fit();
    }
}
