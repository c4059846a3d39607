//! The service's verbs, where domain, limiter and store meet. Knows nothing of HTTP.

pub mod backup;
pub mod claims;
mod connections;
mod directory;
pub mod faults;
pub mod forward;
mod inspect;
pub mod keys;
mod metrics;
pub mod mock;
pub mod objects;
mod once;
pub mod operators;
mod outbound;
mod page;
mod payments;
pub mod request_log;
mod shown;
mod telling;
mod traffic;
mod turns;
mod upkeep;
pub mod upstream;
mod urls;
pub mod verify;
pub mod webhooks;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use triomphe::UniqueArc;

use self::claims::Claims;
pub use self::connections::Connections;
pub use self::directory::{Directory, KeyEntry};
use self::forward::Attendance;
use self::inspect::Replays;
pub use self::inspect::Standing;
pub use self::metrics::Face;
use self::metrics::Metrics;
use self::mock::Mock;
pub use self::once::{Alone, Answer, Call, Who};
use self::operators::Operators;
use self::request_log::{Exchange, RequestLog};
use self::shown::Views;
use self::turns::Turns;
pub use self::upkeep::Upkeep;
use self::upstream::Upstreams;
use self::webhooks::Webhooks;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::idempotency::{Fingerprint, RecordId};
use crate::domain::key::{KeyState, Mode};
use crate::domain::limit::Allowance;
use crate::domain::refusal::{RateLimited, Refusal};
use crate::domain::secret::{Pepper, Secret, Tagger};
use crate::domain::time::Timestamp;
use crate::limiter::{Addresses, Admission, Lease, Permit};
use crate::store::{self, Options, Store, Taken, Unavailable};
use crate::{entropy, policy};

/// Everything a running Atlas is.
pub struct App {
    /// What it was started with.
    pub settings: Settings,
    /// Its time.
    pub clock: Clock,
    /// Limits of strangers.
    pub addresses: Addresses,
    /// Limits of buyers, each by the session that is paid.
    pub buyers: Addresses,
    /// Who is in the Dashboard.
    pub operators: Operators,
    /// The latest requests.
    pub requests: RequestLog,
    metrics: Metrics,
    /// The API's connections.
    pub connections: Connections,
    /// What the mock's handles hold.
    pub mock: Mock,
    /// Told when the server stops, so that nothing that lasts keeps it.
    pub stopping: tokio::sync::watch::Sender<bool>,
    /// Where the server listens, once it does.
    address: OnceLock<SocketAddr>,
    /// Where people reach it, once that is known.
    base_url: OnceLock<String>,
    /// Tells when the certificate that is shown expires, where there is one.
    certificate: OnceLock<Box<dyn Fn() -> Timestamp + Send + Sync>>,
    /// Runs what goes on when the threads that serve have ended.
    runtime: OnceLock<Handle>,
    store: Store,
    pepper: Pepper,
    /// Marks client secrets as ours.
    secrets: Tagger,
    /// Marks the addresses of buyers' pages as ours.
    pages: Tagger,
    views: Views,
    turns: Turns,
    directory: Directory,
    /// Requests under an idempotency key that run now, each with what it is, where that is known.
    running: Mutex<HashMap<RecordId, Option<Fingerprint>>>,
    replays: Replays,
    /// Where the requests of a mode are forwarded to.
    pub upstreams: Upstreams,
    /// Requests that went upstream, and whose outcome is not known.
    claims: Claims,
    attendance: Attendance,
    webhooks: Webhooks,
    /// Keys are changed one at a time.
    changing_keys: tokio::sync::Mutex<()>,
}

/// The clock goes on from the latest time that the store has seen, unless that lies so far ahead that somebody must
/// look. The mock's clock is moved on purpose, so it goes on from anywhere.
fn go_on_from(clock: &Clock, latest: Timestamp, is_moved: bool) -> Result<(), String> {
    if is_moved {
        clock.raise(latest);
        return Ok(());
    }
    let (shown, behind) = (clock.now(), latest.since(clock.now()));
    if behind > policy::CLOCK_BEHIND_MAX {
        return Err(format!(
            "the system's clock shows {}, but the store has seen {}: set the clock right, or, if it is right now, start once with --trust-clock",
            shown.rfc3339(),
            latest.rfc3339()
        ));
    }
    if behind > policy::CLOCK_BEHIND_NOTED {
        log::warn!(
            "the system's clock is {} s behind the store's last entry; going on from there",
            behind.as_secs()
        );
    }
    clock.raise(latest);
    Ok(())
}

/// Why a request has no key, and which key it would have been if its secret is one of a revoked or expired key.
#[derive(Debug)]
pub struct Unidentified {
    /// The refusal.
    pub refusal: Refusal,
    /// For the log.
    pub key: Option<Arc<KeyEntry>>,
}

impl From<Refusal> for Unidentified {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, key: None }
    }
}

/// What a request shows of who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing, or something that can't be a key.
    Nothing,
    /// Two headers that may disagree.
    Twice,
    /// A secret, right or wrong.
    Secret(&'a [u8]),
}

impl App {
    /// Opens the data directory and loads what belongs into memory.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub fn open(settings: Settings, clock: Clock) -> Result<Arc<Self>, String> {
        let taken = store::take(&settings.data_dir)?;
        Self::open_in(taken, settings, clock)
    }

    /// The same of a data directory that this process has taken.
    ///
    /// # Errors
    /// As [`App::open`].
    pub fn open_in(taken: Taken, settings: Settings, clock: Clock) -> Result<Arc<Self>, String> {
        let options = Options {
            cache: settings.store_cache,
            min_free_disk: settings.min_free_disk,
            latest: settings.trust_clock.then(|| clock.now()),
        };
        let random =
            entropy::bytes().map_err(|_| "the operating system gives no randomness".to_owned())?;
        let (store, pepper) = Store::open_in(taken, options, random)?;
        go_on_from(&clock, store.latest(), settings.mock)?;
        let unreadable = |Unavailable| "the store can't be read; see the log".to_owned();
        let directory =
            Directory::load(&store, settings.limits, clock.now()).map_err(unreadable)?;
        let claims = Claims::load(&store).map_err(unreadable)?;
        let upstreams = Upstreams::open(&settings, &clock)?;
        Ok(Arc::new(Self {
            addresses: Addresses::new(settings.per_address),
            buyers: Addresses::new(policy::PER_SESSION),
            operators: Operators::new(store.password().map_err(unreadable)?),
            requests: RequestLog::default(),
            webhooks: Webhooks::load(&store, &settings, clock.now()).map_err(unreadable)?,
            metrics: Metrics::new()?,
            connections: Connections::default(),
            mock: Mock::default(),
            stopping: tokio::sync::watch::Sender::new(false),
            address: OnceLock::new(),
            base_url: OnceLock::new(),
            certificate: OnceLock::new(),
            runtime: OnceLock::new(),
            settings,
            clock,
            store,
            secrets: pepper.tagger("atlas 2026-11-25 client secret"),
            pages: pepper.tagger("atlas 2026-11-25 buyer's page"),
            views: Views::default(),
            turns: Turns::new(),
            pepper,
            directory,
            running: Mutex::default(),
            replays: Replays::default(),
            upstreams,
            claims,
            attendance: Attendance::default(),
            changing_keys: tokio::sync::Mutex::default(),
        }))
    }

    /// Says on what work goes on that outlives its client's connection; the first word counts.
    pub fn runs_on(&self, runtime: Handle) {
        // A second word would be about the same server.
        let _ = self.runtime.set(runtime);
    }

    /// Says who knows when the certificate expires; the first word counts.
    pub fn shows_certificate(&self, expiry: impl Fn() -> Timestamp + Send + Sync + 'static) {
        // A second word would be about the same server.
        let _ = self.certificate.set(Box::new(expiry));
    }

    fn runtime(&self) -> Handle {
        self.runtime.get().cloned().unwrap_or_else(Handle::current)
    }

    /// Counts a request that has ended.
    pub fn count(&self, face: Face, exchange: &Exchange) {
        self.metrics.request(face, exchange);
    }

    /// Takes note of a request that has ended, for whoever wants to look back on it.
    pub fn note(&self, exchange: UniqueArc<Exchange>) {
        if let Some(entry) = &exchange.key {
            entry.traffic.count(exchange.outcome(), exchange.at);
        }
        self.requests.push(exchange);
    }

    /// Finds the key a request comes from.
    ///
    /// # Errors
    /// Which of the authentication refusals applies; "revoked" and "expired" only when the whole secret matched.
    pub async fn identify(
        self: &Arc<Self>,
        presented: Presented<'_>,
        now: Timestamp,
    ) -> Result<Arc<KeyEntry>, Unidentified> {
        let presented = match presented {
            Presented::Nothing => return Err(Refusal::KeyUnknown.into()),
            Presented::Twice => return Err(Refusal::AuthorizationTwice.into()),
            Presented::Secret(presented) => presented,
        };
        let hash = self.pepper.hash(presented);
        let entry = match self.directory.find(&hash) {
            Some(entry) => entry,
            None => self.adopt(presented, now).await?,
        };
        let refusal = match entry.key.state_by(&hash, now) {
            KeyState::Active => {
                entry.touch(now);
                return Ok(entry);
            }
            KeyState::Revoked => Refusal::KeyRevoked,
            KeyState::Expired => Refusal::KeyExpired,
        };
        Err(Unidentified {
            refusal,
            key: Some(entry),
        })
    }

    /// The mock takes any well-formed test secret as a key of an account of its own.
    async fn adopt(
        self: &Arc<Self>,
        presented: &[u8],
        now: Timestamp,
    ) -> Result<Arc<KeyEntry>, Refusal> {
        let text = std::str::from_utf8(presented).map_err(|_| Refusal::KeyUnknown)?;
        if !self.settings.mock || Secret::mode_of(text, policy::MOCK_LENGTH) != Some(Mode::Test) {
            return Err(Refusal::KeyUnknown);
        }
        self.adopt_key(text.to_owned(), now).await
    }

    /// Lets a request of a key in, or turns it away without having spent anything.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`], or [`Refusal::StorageUnavailable`] when the day can't be accounted for.
    pub async fn admit(
        self: &Arc<Self>,
        entry: &Arc<KeyEntry>,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        let mut admission = entry.limiter.admit(now);
        loop {
            match admission {
                Admission::Admitted(permit, lease) => {
                    lease
                        .into_iter()
                        .for_each(|lease| self.lease(entry, lease, now));
                    return Ok(permit);
                }
                Admission::Refused(refused) => return Err(Refusal::RateLimited(refused)),
                Admission::NeedsLease(waiting) => {
                    waiting
                        .lease
                        .into_iter()
                        .for_each(|lease| self.lease(entry, lease, now));
                    admission = waiting.over(now).await.ok_or(Refusal::StorageUnavailable)?;
                }
            }
        }
    }

    fn lease(&self, entry: &KeyEntry, lease: Lease, now: Timestamp) {
        let limiter = Arc::clone(&entry.limiter);
        self.store
            .lease(lease.day, &entry.key.id, lease.count, now, move |kept| {
                limiter.leased(lease, kept, now)
            });
    }

    /// Lets a request without a good key spend from its address's minute.
    ///
    /// # Errors
    /// [`RateLimited`] when nothing is left of it.
    pub fn admit_stranger(
        &self,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Allowance, RateLimited> {
        self.addresses.spend(address, now)
    }

    /// Whether payments can be kept right now.
    ///
    /// # Errors
    /// [`Refusal::StorageUnavailable`]
    pub fn ready(&self) -> Result<(), Refusal> {
        Ok(self.store.writable()?)
    }

    /// Waits until the store has failed for good: the server should stop then.
    pub async fn store_failed(&self) {
        self.store.failed().await;
    }

    /// Writes what memory alone knows, syncs and lets go of the data directory.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn close(&self) -> Result<(), String> {
        let now = self.clock.now();
        self.note_used(now);
        self.note_counts(now);
        let counts = self.directory.counts_of(now.day());
        self.store
            .close(now, &counts)
            .map_err(|Unavailable| "the store was not closed cleanly; see the log".to_owned())
    }
}
