//! Webhooks: which endpoints there are, what they are told, and what came of it. `endpoints` has the verbs that change
//! them, one implementation for the Dashboard and the command line; `deliverer` sends what is in the outbox.

mod deliverer;
mod endpoints;
mod post;
mod registry;
mod words;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

pub use self::deliverer::Deliverer;
use self::registry::Registry;
pub use self::words::{
    EndpointAnswer, EndpointCommand, EndpointReport, EndpointSecret, NewEndpoint,
};
use super::App;
use crate::config::Settings;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Cause, Event, EventType, Outgoing};
use crate::domain::id::{EndpointId, EventId};
use crate::domain::key::{Account, Mode};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::webhook::Endpoint;
use crate::store::{Store, Unavailable};
use crate::{entropy, policy};

/// What of webhooks is in memory.
pub(super) struct Webhooks {
    registry: Registry,
    /// Endpoints are changed one at a time.
    changing: tokio::sync::Mutex<()>,
    /// Deliveries that are under way, or are being changed.
    claimed: Arc<Mutex<HashSet<Way>>>,
    /// Told when the outbox has something new.
    wake: Notify,
    /// Somebody wants to be told of expiries of sessions that were made before.
    pub(super) unwatched: AtomicBool,
}

/// A page of deliveries, each with its event.
#[derive(Debug, Default)]
pub struct DeliveryPage {
    /// The deliveries, newest first.
    pub rows: Vec<(Delivery, Event)>,
    /// The last of them, where others come after it.
    pub next: Option<(EventId, EndpointId)>,
}

/// An event on its way to an endpoint.
type Way = (EventId, EndpointId);

/// The right to change a delivery, given back by drop.
struct Claim {
    way: Way,
    claimed: Arc<Mutex<HashSet<Way>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().remove(&self.way);
    }
}

impl Webhooks {
    /// The endpoints of the store, and those given at the start.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub(super) fn load(
        store: &Store,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Self, Unavailable> {
        let registry = Registry::default();
        let given = settings.webhook.iter();
        let given = given.map(|url| Endpoint::given(url.clone(), now));
        store
            .endpoints()?
            .into_iter()
            .chain(given)
            .for_each(|endpoint| registry.put(endpoint));
        let unwatched = AtomicBool::new(!registry.all().is_empty());
        Ok(Self {
            registry,
            changing: tokio::sync::Mutex::default(),
            claimed: Arc::default(),
            wake: Notify::new(),
            unwatched,
        })
    }

    /// Claims a delivery that nobody else has, if that leaves at most `most` to its endpoint.
    fn claim(&self, way: Way, most: usize) -> Option<Claim> {
        let mut claimed = self.claimed.lock();
        let to_same = claimed.iter().filter(|(_, to)| *to == way.1).count();
        (to_same < most && claimed.insert(way)).then(|| Claim {
            way,
            claimed: Arc::clone(&self.claimed),
        })
    }
}

impl App {
    /// An event about `object` for those endpoints that want it; None, and nothing is done, when there is none. To be
    /// kept with what brought it about; then [`App::wake_deliveries`].
    ///
    /// # Errors
    /// [`Refusal::Internal`] when it could not be made: what brings it about must not happen then.
    pub fn announce<T: Serialize + ?Sized>(
        &self,
        kind: EventType,
        owner: (&Account, Mode),
        object: &T,
        cause: Option<Cause<'_>>,
        now: Timestamp,
    ) -> Result<Option<Outgoing>, Refusal> {
        if !self.is_told(kind, owner) {
            return Ok(None);
        }
        self.new_event(kind, owner, object, cause, now).map(Some)
    }

    /// Whether some endpoint wants events of this kind.
    pub(super) fn is_told(&self, kind: EventType, owner: (&Account, Mode)) -> bool {
        self.webhooks.registry.has_listeners(kind, owner)
    }

    /// Since when somebody wants to be told of sessions whose time is over.
    pub(super) fn listens_since(&self, owner: (&Account, Mode)) -> Option<Timestamp> {
        let kinds = [EventType::SessionExpired, EventType::PaymentCanceled];
        self.webhooks.registry.listens_since(&kinds, owner)
    }

    /// The same, also when no endpoint wants it.
    ///
    /// # Errors
    /// [`Refusal::Internal`] when it could not be made.
    pub fn new_event<T: Serialize + ?Sized>(
        &self,
        kind: EventType,
        owner: (&Account, Mode),
        object: &T,
        cause: Option<Cause<'_>>,
        now: Timestamp,
    ) -> Result<Outgoing, Refusal> {
        let id = EventId::new(now, entropy::base62()?);
        let (account, mode) = owner;
        let event = Event::new(id, kind, (account.clone(), mode), now, object, cause);
        let event = event.map_err(|error| {
            log::error!("an event could not be written: {error}");
            Refusal::Internal
        })?;
        Ok(Outgoing {
            event,
            to: self.webhooks.registry.listeners(kind, owner),
            due: now,
        })
    }

    /// Keeps an event that nothing else is kept with, and sends it when it falls due.
    ///
    /// # Errors
    /// [`Refusal::StorageUnavailable`]
    pub async fn send_event(&self, outgoing: &Outgoing, now: Timestamp) -> Result<(), Refusal> {
        let kept = self.store.keep_event(outgoing, now).await;
        self.wake_deliveries();
        Ok(kept?)
    }

    /// To be told whenever there may be something new to send: a commit has put it there, or the clock was moved.
    pub fn wake_deliveries(&self) {
        self.webhooks.wake.notify_one();
    }

    /// Tries a delivery once more, at once.
    ///
    /// # Errors
    /// Why not, as a sentence without its full stop.
    pub async fn resend(&self, event: &EventId, endpoint: &EndpointId) -> Result<(), String> {
        let now = self.clock.now();
        self.sendable(endpoint)?;
        let claim = self.webhooks.claim((*event, *endpoint), usize::MAX);
        let claim = claim.ok_or("It is being sent right now")?;
        let unreadable = |Unavailable| "The store can't be read; see the log".to_owned();
        let delivery = self.store.delivery(event, endpoint).map_err(unreadable)?;
        let kept = self.store.event(event).map_err(unreadable)?;
        // What is about to be forgotten could be gone before it is sent.
        let fresh = kept.filter(|event| now.since(event.created_at) < policy::EVENTS_KEPT);
        let (delivery, _) = delivery.zip(fresh).ok_or("It is not kept any more")?;
        let was_due = delivery.due();
        let kept = self
            .store
            .keep_delivery(was_due, &delivery.again(now), now, claim)
            .await;
        self.wake_deliveries();
        kept.map_err(String::from)
    }

    /// Deliveries before the one of `before`, or the latest, newest first.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn deliveries(
        &self,
        before: Option<(EventId, EndpointId)>,
    ) -> Result<DeliveryPage, Unavailable> {
        let mut page = DeliveryPage::default();
        for delivery in self.store.deliveries(before).take(policy::PAGE_SCAN) {
            let delivery = delivery?;
            if page.rows.len() == policy::PAGE_ROWS {
                let last = page.rows.last();
                page.next = last.map(|(last, _)| (last.event, last.endpoint));
                break;
            }
            // It may have been forgotten between the two reads.
            if let Some(event) = self.store.event(&delivery.event)? {
                page.rows.push((delivery, event));
            }
        }
        Ok(page)
    }

    /// An event and its deliveries.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn event(&self, id: &EventId) -> Result<Option<(Event, Vec<Delivery>)>, Unavailable> {
        let event = self.store.event(id)?;
        event
            .map(|event| Ok((event, self.store.deliveries_of(id)?)))
            .transpose()
    }
}
