//! The latest requests, for the Dashboard: in memory only, bounded in number and in bytes. Requests of known keys and
//! those of strangers have rings of their own, so that noise pushes nothing out that matters.

mod budget;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use triomphe::{Arc as Shared, UniqueArc};

use self::budget::Budget;
use super::KeyEntry;
use super::forward::Reached;
use crate::domain::fault::Fault;
use crate::domain::limit::Scope;
use crate::domain::masking::masked_beginning;
use crate::domain::outcome::Outcome;
use crate::domain::time::Timestamp;
use crate::policy;

/// A request and its answer, as far as they are kept. Secrets of the client are not in it.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Counts up from 1; names it in the Dashboard.
    pub number: u64,
    /// When it came.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// `X-Request-Id`
    pub request_id: String,
    /// `POST`; of a longer one, the first [`policy::CAPTURED_METHOD`] characters.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without `?`.
    pub query: String,
    /// None when the client was gone before the answer, or a fault kept it back.
    pub status: Option<u16>,
    /// Which key it came from, if it showed a known one.
    pub key: Option<Arc<KeyEntry>>,
    /// As the client sent it, where it was usable.
    pub idempotency_key: Option<String>,
    /// It was answered from a record.
    pub replayed: bool,
    /// Which limit refused it.
    pub refused_by: Option<Scope>,
    /// What the upstream did.
    pub reached: Option<Reached>,
    /// What went wrong because somebody asked the mock for it.
    pub fault: Option<Fault>,
    /// Its headers and bodies were left out: too many came within its second, or it ended before it was known whose it is.
    pub is_brief: bool,
    /// Lines `name: value`, as far as they are kept.
    pub request_headers: String,
    /// What was sent, as far as it is kept.
    pub request_body: Captured,
    /// Lines `name: value`.
    pub response_headers: String,
    /// What was answered, as far as it is kept.
    pub response_body: Captured,
}

/// The beginning of a body.
#[derive(Debug, Default)]
pub struct Captured {
    /// The first [`policy::CAPTURED_BODY`] bytes, and [`policy::CAPTURED_MARGIN`] more to tell how those are to be masked.
    pub bytes: Bytes,
    /// How many there were.
    pub length: usize,
    /// More came than is kept, or it is no text to its end.
    pub is_cut: bool,
}

impl Captured {
    /// A body of which nothing is kept that has to be masked.
    pub fn masked(whole: &[u8]) -> Self {
        let text = match std::str::from_utf8(whole) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&whole[..e.valid_up_to()]).unwrap_or_default(),
        };
        Self {
            bytes: Bytes::from(masked_beginning(text, policy::CAPTURED_BODY).into_owned()),
            length: whole.len(),
            is_cut: text.len() < whole.len() || whole.len() > policy::CAPTURED_BODY,
        }
    }

    /// Adds a part. It is copied, since a share of it would hold the whole buffer that it lies in, of some KiB.
    pub fn append(&mut self, part: &[u8]) {
        const MOST: usize = policy::CAPTURED_BODY + policy::CAPTURED_MARGIN;
        let room = MOST.saturating_sub(self.bytes.len());
        if room > 0 {
            let more = &part[..part.len().min(room)];
            self.bytes = Bytes::from([&self.bytes, more].concat());
        }
        self.length += part.len();
        self.is_cut = self.length > policy::CAPTURED_BODY;
    }

    /// What of it may be shown; empty where it is no text.
    pub fn shown(&self) -> Cow<'_, str> {
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&self.bytes[..e.valid_up_to()]).unwrap_or_default(),
        };
        masked_beginning(text, policy::CAPTURED_BODY)
    }
}

impl Exchange {
    /// How it ended.
    pub const fn outcome(&self) -> Outcome {
        Outcome::of(self.status, self.replayed)
    }

    fn weight(&self) -> usize {
        let texts = [
            &self.request_id,
            &self.method,
            &self.path,
            &self.query,
            &self.request_headers,
            &self.response_headers,
        ];
        let texts = texts.into_iter().chain(&self.idempotency_key);
        let texts: usize = texts.map(|text| text.len()).sum();
        size_of::<Self>() + texts + self.request_body.bytes.len() + self.response_body.bytes.len()
    }
}

/// The latest requests.
pub struct RequestLog {
    rings: RwLock<Rings>,
    whole_of_keys: Budget,
    whole_of_strangers: Budget,
    /// Told a number now and then, so that those who watch look before what they watch for is forgotten.
    hurry: watch::Sender<u64>,
    /// Places for those who watch.
    places: Arc<Semaphore>,
}

/// A place among those who watch; given back by drop.
pub struct Watching {
    _place: OwnedSemaphorePermit,
    hurry: watch::Receiver<u64>,
}

impl Watching {
    /// Waits until so many requests have come that it is time to look.
    pub async fn hurry(&mut self) {
        if self.hurry.changed().await.is_err() {
            // Nothing comes any more.
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Default)]
struct Rings {
    latest: u64,
    of_keys: Ring,
    of_strangers: Ring,
}

#[derive(Default)]
struct Ring {
    exchanges: VecDeque<Shared<Exchange>>,
    weight: usize,
}

impl Ring {
    /// Gives the oldest, if it is forgotten for this one, and others, if that takes more.
    fn push(
        &mut self,
        exchange: Shared<Exchange>,
        most: usize,
    ) -> (Option<Shared<Exchange>>, Vec<Shared<Exchange>>) {
        self.weight += exchange.weight();
        self.exchanges.push_back(exchange);
        let mut forget = || {
            let is_full = self.exchanges.len() > most || self.weight > policy::REQUEST_LOG_BYTES;
            let oldest = is_full.then(|| self.exchanges.pop_front()).flatten()?;
            self.weight -= oldest.weight();
            Some(oldest)
        };
        (forget(), std::iter::from_fn(forget).collect())
    }
}

impl Default for RequestLog {
    fn default() -> Self {
        Self {
            rings: RwLock::default(),
            whole_of_keys: Budget::new(policy::WHOLE_PER_SECOND),
            whole_of_strangers: Budget::new(policy::WHOLE_PER_SECOND_STRANGERS),
            hurry: watch::Sender::default(),
            places: Arc::new(Semaphore::new(policy::WATCHERS)),
        }
    }
}

impl Rings {
    fn newest_first(&self) -> impl Iterator<Item = &Shared<Exchange>> {
        let mut of_keys = self.of_keys.exchanges.iter().rev().peekable();
        let mut of_strangers = self.of_strangers.exchanges.iter().rev().peekable();
        std::iter::from_fn(move || match (of_keys.peek(), of_strangers.peek()) {
            (Some(one), Some(other)) if one.number < other.number => of_strangers.next(),
            (Some(_), _) => of_keys.next(),
            (None, _) => of_strangers.next(),
        })
    }
}

impl RequestLog {
    /// Whether a request that came `at` this moment may be kept with headers and bodies.
    pub fn has_room_for_whole(&self, is_of_key: bool, at: Timestamp) -> bool {
        let budget = if is_of_key {
            &self.whole_of_keys
        } else {
            &self.whole_of_strangers
        };
        budget.take(at)
    }

    /// Keeps a request and forgets the oldest.
    pub fn push(&self, mut exchange: UniqueArc<Exchange>) {
        let mut rings = self.rings.write();
        rings.latest += 1;
        let number = rings.latest;
        exchange.number = number;
        let (ring, most) = if exchange.key.is_some() {
            (&mut rings.of_keys, policy::REQUEST_LOG)
        } else {
            (&mut rings.of_strangers, policy::REQUEST_LOG_STRANGERS)
        };
        let gone = ring.push(exchange.shareable(), most);
        drop(rings);
        // What is forgotten is freed outside the lock.
        drop(gone);
        if number.is_multiple_of(policy::WATCH_HURRY) {
            self.hurry.send_replace(number);
        }
    }

    /// Forgets all requests; the next one is the first again.
    pub fn clear(&self) {
        let gone = std::mem::take(&mut *self.rings.write());
        // What is forgotten is freed outside the lock.
        drop(gone);
    }

    /// The latest requests that `wanted` picks, newest first: the page after `skip` of them, and whether there are more.
    pub fn latest(
        &self,
        wanted: impl Fn(&Exchange) -> bool,
        skip: usize,
        most: usize,
    ) -> (Vec<Shared<Exchange>>, bool) {
        let rings = self.rings.read();
        let mut found: Vec<_> = rings
            .newest_first()
            .filter(|exchange| wanted(exchange))
            .skip(skip)
            .take(most + 1)
            .cloned()
            .collect();
        let more = found.len() > most;
        found.truncate(most);
        (found, more)
    }

    /// The request of this number, if it is still kept.
    pub fn find(&self, number: u64) -> Option<Shared<Exchange>> {
        let rings = self.rings.read();
        let by_number = |ring: &Ring| {
            let at = ring
                .exchanges
                .binary_search_by_key(&number, |exchange| exchange.number)
                .ok()?;
            ring.exchanges.get(at).cloned()
        };
        by_number(&rings.of_keys).or_else(|| by_number(&rings.of_strangers))
    }

    /// The number of the latest request.
    pub fn last(&self) -> u64 {
        self.rings.read().latest
    }

    /// The requests after this number that `wanted` picks, oldest first, of more than `most` the latest; and the number
    /// after which to ask next.
    pub fn after(
        &self,
        number: u64,
        wanted: impl Fn(&Exchange) -> bool,
        most: usize,
    ) -> (Vec<Shared<Exchange>>, u64) {
        let rings = self.rings.read();
        let mut found: Vec<_> = rings
            .newest_first()
            .take_while(|exchange| exchange.number > number)
            .filter(|exchange| wanted(exchange))
            .take(most)
            .cloned()
            .collect();
        found.reverse();
        (found, rings.latest)
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        policy::WATCHERS.saturating_sub(self.places.available_permits())
    }

    /// Takes a place among those who watch; None when all are taken.
    pub fn watch(&self) -> Option<Watching> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Watching {
            _place: place,
            hurry: self.hurry.subscribe(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_body_holds_nothing_else() {
        let buffer = Bytes::from(vec![b'x'; 8 * 1024]);
        let mut kept = Captured::default();
        kept.append(&buffer.slice(..10));
        assert!(buffer.is_unique());
        assert_eq!((&kept.bytes[..], kept.length), (&b"xxxxxxxxxx"[..], 10));
    }

    /// A request of a stranger with `bytes` bytes in one of its texts.
    fn heavy(text: fn(&mut Exchange) -> &mut String, bytes: usize) -> UniqueArc<Exchange> {
        let mut exchange = Exchange::default();
        *text(&mut exchange) = "x".repeat(bytes);
        UniqueArc::new(exchange)
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_wherever_they_stand() {
        const MEGABYTE: usize = 1024 * 1024;
        let texts: [fn(&mut Exchange) -> &mut String; 7] = [
            |exchange| &mut exchange.request_id,
            |exchange| &mut exchange.method,
            |exchange| &mut exchange.path,
            |exchange| &mut exchange.query,
            |exchange| &mut exchange.request_headers,
            |exchange| &mut exchange.response_headers,
            |exchange| exchange.idempotency_key.get_or_insert_default(),
        ];
        for text in texts {
            let log = RequestLog::default();
            for _ in 0..12 {
                log.push(heavy(text, MEGABYTE));
            }
            let (kept, _) = log.latest(|_| true, 0, 100);
            assert_eq!(kept.len(), policy::REQUEST_LOG_BYTES / MEGABYTE - 1);
        }
    }
}
