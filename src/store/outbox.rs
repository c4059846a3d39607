//! Webhooks: endpoints, events, how their deliveries stand, and the outbox, which holds what has still to be sent in the
//! order in which it falls due. A delivery has a row in the outbox for as long as it is to be tried again, and both
//! change in one commit.

#[cfg(test)]
mod tests;

use super::journal::Urgency;
use super::rows::{self, Row, Table, Unreadable};
use super::{Store, Unavailable, unreadable};
use crate::domain::delivery::{Attempt, Delivery};
use crate::domain::event::{Event, EventType, Outgoing};
use crate::domain::id::{EndpointId, EventId};
use crate::domain::key::{Account, Mode};
use crate::domain::time::Timestamp;
use crate::domain::webhook::Endpoint;
use crate::policy;

/// Something to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it falls due.
    pub at: Timestamp,
    /// Which event.
    pub event: EventId,
    /// To which endpoint.
    pub endpoint: EndpointId,
}

/// The rows of events that have just happened, to be committed with what brought them about.
pub(super) fn outgoing_rows(outgoing: &[Outgoing]) -> Vec<Row> {
    let mut rows = Vec::new();
    for Outgoing { event, to, due } in outgoing {
        rows.push(Row::put(
            Table::Events,
            event.id.as_bytes(),
            encode_event(event),
        ));
        for endpoint in to {
            rows.extend(delivery_rows(
                None,
                &Delivery::new(event.id, *endpoint, *due),
            ));
        }
    }
    rows
}

/// The rows of a delivery as it now is, which was due at `was_due`.
fn delivery_rows(was_due: Option<Timestamp>, delivery: &Delivery) -> Vec<Row> {
    let place = |at| outbox_key(at, &delivery.event, &delivery.endpoint);
    let due = delivery.due();
    let key = delivery_key(&delivery.event, &delivery.endpoint);
    let mut rows = vec![Row::put(Table::Deliveries, &key, encode_delivery(delivery))];
    if due != was_due {
        rows.extend(was_due.map(|at| Row::remove(Table::Outbox, &place(at))));
        rows.extend(due.map(|at| Row::put(Table::Outbox, &place(at), Vec::new())));
    }
    rows
}

impl Store {
    /// Every webhook endpoint.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, Unavailable> {
        self.read_all(Table::Endpoints, |_, value| rows::unversioned(value))
    }

    /// Keeps an endpoint as it now is.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn keep_endpoint(
        &self,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let value = rows::versioned(endpoint);
        let row = Row::put(Table::Endpoints, endpoint.id.as_bytes(), value);
        self.commit(Urgency::Urgent, now, vec![row], ()).await
    }

    /// Forgets an endpoint. What is in the outbox for it stays there.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be forgotten.
    pub async fn remove_endpoint(
        &self,
        id: &EndpointId,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let row = Row::remove(Table::Endpoints, id.as_bytes());
        self.commit(Urgency::Urgent, now, vec![row], ()).await
    }

    /// Keeps an event that nothing else is kept with.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn keep_event(&self, outgoing: &Outgoing, now: Timestamp) -> Result<(), Unavailable> {
        let rows = outgoing_rows(std::slice::from_ref(outgoing));
        self.commit(Urgency::Ordinary, now, rows, ()).await
    }

    /// Keeps a delivery as it now is, which was due at `was_due`, and its place in the outbox. `until_kept` is dropped
    /// once they can be read, or could not be kept.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn keep_delivery(
        &self,
        was_due: Option<Timestamp>,
        delivery: &Delivery,
        now: Timestamp,
        until_kept: impl Send + 'static,
    ) -> Result<(), Unavailable> {
        let rows = delivery_rows(was_due, delivery);
        self.commit(Urgency::Urgent, now, rows, until_kept).await
    }

    /// Takes something out of the outbox.
    ///
    /// # Errors
    /// [`Unavailable`] when that could not be kept.
    pub async fn drop_due(&self, due: &Due, now: Timestamp) -> Result<(), Unavailable> {
        let key = outbox_key(due.at, &due.event, &due.endpoint);
        let row = Row::remove(Table::Outbox, &key);
        self.commit(Urgency::Urgent, now, vec![row], ()).await
    }

    /// The next endpoint, after `last`, that something is to be sent to.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn next_in_outbox(
        &self,
        last: Option<&EndpointId>,
    ) -> Result<Option<EndpointId>, Unavailable> {
        let outbox = self.trees.of(Table::Outbox);
        // No row of an endpoint sorts after its id and a byte that no time begins with.
        let after = last.map_or_else(Vec::new, |last| {
            [last.as_bytes().as_slice(), &[u8::MAX]].concat()
        });
        let first = outbox.range(after..).keys().next();
        first.map(|key| Ok(read_due(key)?.endpoint)).transpose()
    }

    /// What is to be sent to an endpoint, in the order in which it falls due.
    pub fn outbox_of(
        &self,
        endpoint: &EndpointId,
    ) -> impl Iterator<Item = Result<Due, Unavailable>> {
        let rows = self
            .trees
            .of(Table::Outbox)
            .scan_prefix(endpoint.as_bytes());
        rows.keys().map(read_due)
    }

    /// An event.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn event(&self, id: &EventId) -> Result<Option<Event>, Unavailable> {
        self.read(Table::Events, id.as_bytes(), |value| {
            decode_event(*id, value)
        })
    }

    /// How an event's delivery to an endpoint stands.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn delivery(
        &self,
        event: &EventId,
        endpoint: &EndpointId,
    ) -> Result<Option<Delivery>, Unavailable> {
        let key = delivery_key(event, endpoint);
        self.read(Table::Deliveries, &key, |value| {
            decode_delivery(&key, value)
        })
    }

    /// The deliveries of an event.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn deliveries_of(&self, event: &EventId) -> Result<Vec<Delivery>, Unavailable> {
        let rows = self
            .trees
            .of(Table::Deliveries)
            .scan_prefix(event.as_bytes());
        rows.map(read_delivery).collect()
    }

    /// Deliveries of events, those that happened last first; before the one of `before`, or from the latest on.
    pub fn deliveries(
        &self,
        before: Option<(EventId, EndpointId)>,
    ) -> impl Iterator<Item = Result<Delivery, Unavailable>> {
        let tree = self.trees.of(Table::Deliveries);
        let rows = match before {
            Some((event, endpoint)) => tree.range(..delivery_key(&event, &endpoint).as_slice()),
            None => tree.iter(),
        };
        rows.rev().map(read_delivery)
    }

    /// Removes the next few events that happened before `oldest` and are not to be sent any more, and their deliveries;
    /// says how many.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or written.
    pub fn forget_events(&self, oldest: Timestamp, now: Timestamp) -> Result<usize, Unavailable> {
        if self.health.has_failed() {
            return Err(Unavailable);
        }
        // As the sweeper does.
        let Some(_turn) = self.unlogged() else {
            return Ok(0);
        };
        let fault = |e: sled::Error| unreadable("events", &e);
        let (events, deliveries) = (
            self.trees.of(Table::Events),
            self.trees.of(Table::Deliveries),
        );
        let end = EventId::new(oldest, [b'0'; EventId::LENGTH]);
        let old = || events.range(..end.as_bytes().as_slice()).keys();
        if old().next().is_none() {
            return Ok(0);
        }
        self.log_time(now)?;
        let mut removed = 0;
        for key in old().take(policy::PAGE_SCAN) {
            let key = key.map_err(fault)?;
            let id = EventId::from_bytes(&key).ok_or_else(|| unreadable("events", &Unreadable))?;
            let own = self.deliveries_of(&id)?;
            if own.iter().any(|delivery| delivery.due().is_some()) {
                continue;
            }
            for delivery in own {
                let key = delivery_key(&delivery.event, &delivery.endpoint);
                deliveries.remove(key).map_err(fault)?;
            }
            events.remove(&key).map_err(fault)?;
            removed += 1;
            if removed == policy::SWEEP_STEP {
                break;
            }
        }
        Ok(removed)
    }
}

const IDS: usize = EventId::LENGTH + EndpointId::LENGTH;

fn delivery_key(event: &EventId, endpoint: &EndpointId) -> [u8; IDS] {
    let mut key = [0; IDS];
    key[..EventId::LENGTH].copy_from_slice(event.as_bytes());
    key[EventId::LENGTH..].copy_from_slice(endpoint.as_bytes());
    key
}

fn decode_delivery_key(key: &[u8]) -> Result<(EventId, EndpointId), Unreadable> {
    let (event, endpoint) = key.split_at_checked(EventId::LENGTH).ok_or(Unreadable)?;
    let ids = EventId::from_bytes(event).zip(EndpointId::from_bytes(endpoint));
    ids.ok_or(Unreadable)
}

/// Rows of an endpoint lie together, so that one that hangs stands in nobody else's way.
pub(super) fn outbox_key(at: Timestamp, event: &EventId, endpoint: &EndpointId) -> Vec<u8> {
    let at = at.millis().to_be_bytes();
    [endpoint.as_bytes().as_slice(), &at, event.as_bytes()].concat()
}

pub(super) fn decode_outbox_key(key: &[u8]) -> Result<Due, Unreadable> {
    let (endpoint, rest) = key.split_at_checked(EndpointId::LENGTH).ok_or(Unreadable)?;
    let (at, event) = rest.split_at_checked(8).ok_or(Unreadable)?;
    Ok(Due {
        at: rows::decode_time(at)?,
        event: EventId::from_bytes(event).ok_or(Unreadable)?,
        endpoint: EndpointId::from_bytes(endpoint).ok_or(Unreadable)?,
    })
}

fn read_due(key: sled::Result<sled::IVec>) -> Result<Due, Unavailable> {
    let key = key.map_err(|e| unreadable("outbox", &e))?;
    decode_outbox_key(&key).map_err(|e| unreadable("outbox", &e))
}

/// What an event is, and behind it its envelope as it is sent.
type EventHead = (EventType, Account, Mode, Timestamp);

pub(super) fn encode_event(event: &Event) -> Vec<u8> {
    let mut out = rows::versioned(&(event.kind, &event.account, event.mode, event.created_at));
    out.extend_from_slice(&event.body);
    out
}

pub(super) fn decode_event(id: EventId, bytes: &[u8]) -> Result<Event, Unreadable> {
    let ((kind, account, mode, created_at), body): (EventHead, _) = rows::unversioned_head(bytes)?;
    Ok(Event {
        id,
        kind,
        account,
        mode,
        created_at,
        body: body.to_vec(),
    })
}

type DeliveryRow = (Vec<Attempt>, Option<Timestamp>, Option<Timestamp>);

pub(super) fn encode_delivery(delivery: &Delivery) -> Vec<u8> {
    rows::versioned(&(&delivery.attempts, delivery.scheduled_at, delivery.again_at))
}

pub(super) fn decode_delivery(key: &[u8], bytes: &[u8]) -> Result<Delivery, Unreadable> {
    let (event, endpoint) = decode_delivery_key(key)?;
    let (attempts, scheduled_at, again_at): DeliveryRow = rows::unversioned(bytes)?;
    Ok(Delivery {
        event,
        endpoint,
        attempts,
        scheduled_at,
        again_at,
    })
}

fn read_delivery(row: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Delivery, Unavailable> {
    let (key, value) = row.map_err(|e| unreadable("deliveries", &e))?;
    decode_delivery(&key, &value).map_err(|e| unreadable("deliveries", &e))
}
