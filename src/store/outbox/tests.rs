//! The outbox and what belongs to it, across commits, restarts and forgetting.

use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::delivery::Outcome;
use crate::store::Options;
use crate::store::tests::{at, block_on, open};

fn event_at(millis: u64) -> Event {
    let id = EventId::new(at(millis), [b'e'; 24]);
    let owner = (Account::default(), Mode::Test);
    let kind = EventType::PaymentCaptured;
    Event::new(id, kind, owner, at(millis), &millis, None).expect("an event")
}

fn endpoint(letter: u8) -> EndpointId {
    EndpointId::of_characters([letter; 24])
}

/// An event at this time for these endpoints.
fn keep(store: &Store, millis: u64, to: &[u8]) -> Event {
    let outgoing = Outgoing {
        event: event_at(millis),
        to: to.iter().map(|letter| endpoint(*letter)).collect(),
        due: at(millis),
    };
    block_on(store.keep_event(&outgoing, at(millis))).expect("kept");
    outgoing.event
}

fn outbox(store: &Store) -> Vec<Due> {
    let (mut all, mut last) = (Vec::new(), None);
    while let Some(endpoint) = store.next_in_outbox(last.as_ref()).expect("read") {
        all.extend(store.outbox_of(&endpoint).map(|due| due.expect("read")));
        last = Some(endpoint);
    }
    all.sort_by_key(|due| due.at);
    all
}

/// The times and endpoints of the outbox.
fn waiting(store: &Store) -> Vec<(u64, EndpointId)> {
    let all = outbox(store);
    all.iter()
        .map(|due| (due.at.millis(), due.endpoint))
        .collect()
}

fn answered(status: u16) -> Outcome {
    let beginning = b"thanks".to_vec();
    Outcome::Answered { status, beginning }
}

/// Notes an attempt of the delivery that is due first.
fn attempt(store: &Store, status: u16) {
    let due = outbox(store)[0];
    let delivery = store.delivery(&due.event, &due.endpoint).expect("read");
    let tried =
        delivery
            .expect("a delivery")
            .tried(due.at, Duration::from_millis(5), answered(status));
    block_on(store.keep_delivery(Some(due.at), &tried, due.at, ())).expect("kept");
}

fn any_id() -> impl Strategy<Value = [u8; 24]> {
    "[0-9A-Za-z]{24}".prop_filter_map("24", |text| text.as_bytes().try_into().ok())
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (any::<u16>(), vec(any::<u8>(), 0..300))
            .prop_map(|(status, beginning)| Outcome::Answered { status, beginning }),
        ".{0,40}".prop_map(Outcome::Failed),
    ]
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let parts = (any::<u64>(), any::<u32>(), any::<bool>(), any_outcome());
    parts.prop_map(|(millis, took, by_hand, outcome)| Attempt {
        at: at(millis),
        took: Duration::from_millis(u64::from(took)),
        by_hand,
        outcome,
    })
}

proptest! {
    #[test]
    fn a_delivery_reads_back_as_it_was_written(
        (event, endpoint) in (any_id(), any_id()),
        attempts in vec(any_attempt(), 0..6),
        (scheduled, again) in (option::of(any::<u64>()), option::of(any::<u64>())),
    ) {
        let delivery = Delivery {
            event: EventId::from_bytes(&event).expect("an id"),
            endpoint: EndpointId::of_characters(endpoint),
            attempts,
            scheduled_at: scheduled.map(at),
            again_at: again.map(at),
        };
        let key = delivery_key(&delivery.event, &delivery.endpoint);
        prop_assert_eq!(decode_delivery(&key, &encode_delivery(&delivery)), Ok(delivery));
    }

    #[test]
    fn an_event_reads_back_as_it_was_written(millis in 0_u64..1 << 40, body in vec(any::<u8>(), 0..3_000)) {
        let event = Event { body, ..event_at(millis) };
        prop_assert_eq!(decode_event(event.id, &encode_event(&event)), Ok(event));
    }

    #[test]
    fn damaged_rows_are_unreadable_and_never_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let id = EventId::new(at(0), [b'e'; 24]);
        let _ = (decode_event(id, &bytes), decode_delivery(&bytes, &bytes), decode_outbox_key(&bytes));
    }

    #[test]
    fn the_outbox_is_in_the_order_in_which_things_fall_due(times in vec(0_u64..1 << 50, 2..20)) {
        let event = EventId::new(at(0), [b'e'; 24]);
        let mut keys: Vec<_> = times.iter().map(|time| outbox_key(at(*time), &event, &endpoint(b'a'))).collect();
        keys.sort();
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let read: Vec<_> = keys.iter().map(|key| decode_outbox_key(key).expect("a key").at.millis()).collect();
        prop_assert_eq!(read, sorted);
    }
}

#[test]
fn a_row_is_removed_also_when_the_journal_is_applied_again() {
    let row = Row::remove(Table::Outbox, b"key");
    let mut bytes = Vec::new();
    rows::encode_rows(std::slice::from_ref(&row), &mut bytes);
    assert_eq!(rows::decode_rows(&bytes), Ok(vec![row]));

    let dir = tempfile::tempdir().expect("a directory");
    let copy = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    keep(&store, 1_000, b"a");
    attempt(&store, 200);
    // As a kill leaves it: the journal is there, and no checkpoint after it.
    copy_all(dir.path(), copy.path());
    let store = open(copy.path());
    assert!(outbox(&store).is_empty());
    let delivery = store.deliveries(None).next().expect("one").expect("read");
    assert_eq!(delivery.attempts.len(), 1);
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a directory");
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn an_event_is_in_the_outbox_once_for_each_endpoint_until_it_has_arrived() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let event = keep(&store, 1_000, b"ab");
    let (a, b) = (endpoint(b'a'), endpoint(b'b'));
    assert_eq!(waiting(&store), [(1_000, a), (1_000, b)]);
    assert_eq!(store.event(&event.id).expect("read"), Some(event.clone()));
    attempt(&store, 200);
    assert_eq!(waiting(&store), [(1_000, b)]);
    attempt(&store, 500);
    assert_eq!(waiting(&store), [(301_000, b)]);
    store.close(at(0), &[]).expect("closed");
    drop(store);
    let store = open(dir.path());
    assert_eq!(waiting(&store), [(301_000, b)], "after a new start too");
    let all = store.deliveries_of(&event.id).expect("read");
    let counts: Vec<usize> = all.iter().map(|one| one.attempts.len()).collect();
    assert_eq!(counts, [1, 1]);
}

#[test]
fn an_endpoint_is_kept_changed_and_forgotten() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let url = "http://localhost/".parse().expect("a URL");
    let mut one = Endpoint::given(url, at(5));
    one.account = Some(Account::default());
    one.events = EventType::all().collect();
    block_on(store.keep_endpoint(&one, at(5))).expect("kept");
    one.generation = 7;
    block_on(store.keep_endpoint(&one, at(5))).expect("kept");
    store.close(at(0), &[]).expect("closed");
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.endpoints().expect("read"), [one.clone()]);
    block_on(store.remove_endpoint(&one.id, at(6))).expect("removed");
    assert!(store.endpoints().expect("read").is_empty());
}

#[test]
fn deliveries_come_newest_first_and_go_on_before_any_of_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for millis in 1..=5 {
        keep(&store, millis, b"ab");
    }
    let listed = |before| -> Vec<(EventId, EndpointId)> {
        let rows = store.deliveries(before).map(|row| row.expect("read"));
        rows.map(|row| (row.event, row.endpoint)).collect()
    };
    let all = listed(None);
    let newest = (event_at(5).id, endpoint(b'b'));
    assert_eq!((all.len(), all[0]), (10, newest));
    assert_eq!(listed(Some(all[3])), all[4..]);
}

#[test]
fn events_are_forgotten_with_their_deliveries_but_none_that_is_still_to_be_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    keep(&store, 1_000, b"a");
    attempt(&store, 500);
    for millis in 2_000..2_700 {
        keep(&store, millis, b"b");
        attempt(&store, 200);
    }
    keep(&store, 9_000, b"c");
    let forget = || store.forget_events(at(9_000), at(10_000)).expect("done");
    assert_eq!([forget(), forget(), forget()], [500, 200, 0]);
    let rest = store.deliveries(None).map(|row| row.expect("read").event);
    assert_eq!(
        rest.collect::<Vec<_>>(),
        [event_at(9_000).id, event_at(1_000).id]
    );
    assert!(store.event(&event_at(1_000).id).expect("read").is_some());
    assert!(store.event(&event_at(2_000).id).expect("read").is_none());
}

#[test]
fn short_of_space_no_event_is_kept_but_what_came_of_an_attempt_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    keep(&store, 1_000, b"a");
    store.close(at(0), &[]).expect("closed");
    drop(store);
    let options = Options {
        cache: 8 << 20,
        min_free_disk: u64::MAX,
        latest: None,
    };
    let (store, _) = Store::open(dir.path(), options, [7; 32]).expect("opens");
    let outgoing = Outgoing {
        event: event_at(2_000),
        to: vec![endpoint(b'a')],
        due: at(2_000),
    };
    let kept = block_on(store.keep_event(&outgoing, at(2_000)));
    assert_eq!(kept, Err(Unavailable));
    attempt(&store, 200);
    assert!(outbox(&store).is_empty());
}
