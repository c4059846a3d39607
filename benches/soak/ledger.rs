//! What the clients know of the server: what it admitted under each key, and what it has promised.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::wire::Answer;

/// Findings that are kept; after so many, one more says nothing new.
const FINDINGS: usize = 20;

/// An API key, and what became of the requests under it.
pub struct Key {
    pub secret: String,
    pub per_minute: u64,
    pub per_day: u64,
    pub concurrent: usize,
    /// Requests that were admitted for certain.
    pub admitted: AtomicU64,
    /// Requests that nobody knows of: given up by the client, or cut by a kill.
    pub unsure: AtomicU64,
}

/// An order that was answered.
#[derive(Clone)]
pub struct Order {
    pub idempotency_key: String,
    pub amount: u32,
    pub session: String,
    pub client_secret: String,
    pub answer: [u8; 32],
    /// Its record is not older than this.
    pub first_sent: Instant,
    pub at: Instant,
    /// It was paid since, so it is not shown as it was any more.
    pub changed: bool,
}

pub struct Ledger {
    pub keys: Vec<Key>,
    /// One that is never refused, for what comes after the run.
    pub unlimited: Key,
    pub orders: Mutex<Vec<Order>>,
    pub address: SocketAddr,
    pub started: Instant,
    pub is_over: AtomicBool,
    /// Kills so far, the one under way among them.
    pub kills: AtomicU64,
    tally: Mutex<BTreeMap<String, u64>>,
    findings: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn new(keys: Vec<Key>, unlimited: Key, address: SocketAddr) -> Self {
        Self {
            keys,
            unlimited,
            orders: Mutex::default(),
            address,
            started: Instant::now(),
            is_over: AtomicBool::new(false),
            kills: AtomicU64::new(0),
            tally: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Notes an answer to a request under a key, or that none came.
    pub fn count(&self, key: &Key, answer: Option<&Answer>) {
        let place = match answer {
            Some(answer) if answer.status == 429 => return,
            Some(_) => &key.admitted,
            None => &key.unsure,
        };
        place.fetch_add(1, Ordering::Relaxed);
    }

    /// One more of these.
    pub fn tell(&self, what: String) {
        *self.tally.lock().entry(what).or_default() += 1;
    }

    pub fn tally(&self) -> BTreeMap<String, u64> {
        self.tally.lock().clone()
    }

    /// A promise is broken.
    pub fn broken(&self, what: String) {
        let mut findings = self.findings.lock();
        if findings.len() < FINDINGS {
            findings.push(format!("after {:.0?}: {what}", self.started.elapsed()));
        }
    }

    pub fn findings(&self) -> Vec<String> {
        self.findings.lock().clone()
    }

    /// Any order that was answered within this time.
    pub fn order_within(&self, time: Duration, random: u64) -> Option<Order> {
        let orders = self.orders.lock();
        let first = orders.partition_point(|order| order.at.elapsed() > time);
        let count = (orders.len() - first) as u64;
        let drawn = random.checked_rem(count)?;
        orders.get(first + usize::try_from(drawn).ok()?).cloned()
    }

    /// One that nobody has paid yet, to be paid by the caller.
    pub fn take_unpaid(&self, random: u64) -> Option<Order> {
        let mut orders = self.orders.lock();
        let drawn = usize::try_from(random.checked_rem(orders.len() as u64)?).ok()?;
        let order = orders.get_mut(drawn).filter(|order| !order.changed)?;
        order.changed = true;
        Some(order.clone())
    }
}
