//! The store across commits, restarts and sweeps.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::domain::id::SessionId;
use crate::domain::idempotency::{Fingerprint, IdempotencyKey, Kept, Reply};
use crate::domain::key::{Account, Mode};
use crate::domain::money::{Currency, Money};
use crate::domain::new_session::{CaptureMethod, NewSession, PaymentMethod};
use crate::domain::session::{ClientSecret, Session};

pub(super) const OPTIONS: Options = Options {
    cache: 8 << 20,
    min_free_disk: 0,
    latest: None,
};

pub(super) fn open(dir: &Path) -> Store {
    Store::open(dir, OPTIONS, [7; 32])
        .map(|(store, _)| store)
        .expect("the store opens")
}

/// A database in memory's place: it is gone with the test.
pub(super) struct Place {
    db: sled::Db,
}

impl Place {
    pub(super) fn new() -> Self {
        let config = sled::Config::new().temporary(true);
        let db = config.segment_size(policy::SEGMENT).open();
        Self {
            db: db.expect("a database"),
        }
    }

    pub(super) fn tree(&self, name: &str) -> sled::Tree {
        self.db.open_tree(name).expect("a tree")
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn session(asked: NewSession, number: u64) -> Session {
    let id = SessionId::new(at(number), *b"000000000000000000000000");
    let owner = (Account::default(), Mode::Test);
    Session::new(
        asked,
        id,
        ClientSecret::new(&id, [b's'; 24]),
        owner,
        at(number),
    )
}

pub(super) fn effect(session: Session) -> Effect {
    Effect {
        made: Some(Box::new(session)),
        ..Effect::default()
    }
}

pub(super) fn plain_order() -> NewSession {
    NewSession {
        money: Money {
            amount: 1,
            currency: Currency::parse("USD").expect("a currency"),
        },
        capture_method: CaptureMethod::Automatic,
        payment_method_types: vec![PaymentMethod::Card],
        external_id: None,
        merchant_reference: None,
        customer: None,
        billing_address: None,
        shipping_address: None,
        browser: None,
        statement_descriptor: None,
        description: None,
        success_url: None,
        cancel_url: None,
        callback_urls: None,
        metadata: BTreeMap::new(),
        expires_at: at(0),
    }
}

pub(super) fn record(expires_at: u64, body: Vec<u8>) -> Record {
    let reply = Reply {
        status: 201,
        content_type: "application/json".into(),
        body,
        headers: Vec::new(),
    };
    Record {
        fingerprint: Fingerprint::from_bytes([1; 32]),
        first_at: at(1),
        expires_at: at(expires_at),
        kept: Kept::Answer(reply),
        asked: None,
    }
}

/// None where no answer is kept.
fn body_of(record: Record) -> Option<Vec<u8>> {
    match record.kept {
        Kept::Answer(reply) => Some(reply.body),
        Kept::Done(_) => None,
    }
}

fn place(name: &str) -> RecordId {
    RecordId::of(
        &Account::default(),
        Mode::Test,
        &IdempotencyKey::parse(name.as_bytes()).expect("a key"),
    )
}

/// Keeps session `number` with its record under the key `order-NUMBER`.
fn keep(store: &Store, number: u64, record: &Record) {
    let (session, place) = (
        session(plain_order(), number),
        place(&format!("order-{number}")),
    );
    block_on(store.keep(&effect(session), Some((&place, record)), at(number), ())).expect("kept");
}

#[test]
fn a_session_and_its_record_are_there_after_a_new_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    keep(&store, 5, &record(100, b"5".to_vec()));
    store.close(at(0), &[]).expect("closed");
    drop(store);
    let store = open(dir.path());
    assert_eq!(
        store
            .record(&place("order-5"))
            .expect("read")
            .and_then(body_of),
        Some(b"5".to_vec())
    );
    assert_eq!(
        store.session(&session(plain_order(), 5).id).expect("read"),
        Some(session(plain_order(), 5))
    );
    assert_eq!(
        store.latest(),
        at(5),
        "the time of the last commit is remembered"
    );
}

#[test]
fn the_largest_values_become_no_blob_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for number in 0..100 {
        keep(
            &store,
            number,
            &record(100, vec![b'x'; policy::BODY_MAX + 2_000]),
        );
    }
    store.close(at(0), &[]).expect("closed");
    let blobs = std::fs::read_dir(dir.path().join("store/blobs"))
        .expect("a directory")
        .count();
    assert_eq!(blobs, 0);
}

#[test]
fn tables_that_lost_more_than_the_journal_holds_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let old = std::fs::read(dir.path().join("store/db")).expect("read");
    let large = record(100, vec![b'x'; policy::BODY_MAX]);
    let rounds = 3 * policy::JOURNAL_BYTES / policy::BODY_MAX as u64;
    (0..rounds).for_each(|number| keep(&store, number, &large));
    store.close(at(0), &[]).expect("closed");
    drop(store);
    for number in [0, rounds / 2, rounds - 1] {
        assert!(
            open(dir.path())
                .record(&place(&format!("order-{number}")))
                .expect("read")
                .is_some()
        );
    }
    std::fs::write(dir.path().join("store/db"), old).expect("the file of long ago");
    let refused = Store::open(dir.path(), OPTIONS, [7; 32])
        .map(|_| ())
        .expect_err("most is gone");
    assert!(refused.contains("damaged"), "{refused}");
}

#[test]
fn a_sweep_removes_what_has_expired_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    (0..1_200).for_each(|number| {
        keep(
            &store,
            number,
            &record(if number % 3 == 0 { 1_000 } else { 2_000 }, Vec::new()),
        )
    });
    let steps: Vec<usize> = (0..3)
        .map(|_| store.sweep(at(1_001)).expect("swept"))
        .collect();
    assert_eq!(steps, [policy::SWEEP_STEP.min(400), 0, 0]);
    assert_eq!(
        store.sweep(at(2_000)).expect("swept"),
        0,
        "what expires at that moment is not over before it"
    );
    for number in 0..1_200 {
        let found = store
            .record(&place(&format!("order-{number}")))
            .expect("read")
            .is_some();
        assert_eq!(found, number % 3 != 0, "{number}");
        assert!(
            store
                .session(&session(plain_order(), number).id)
                .expect("read")
                .is_some(),
            "sessions stay"
        );
    }
}

#[test]
fn a_key_taken_anew_keeps_its_new_record_when_the_old_one_is_swept() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    keep(&store, 1, &record(1_000, b"old".to_vec()));
    keep(&store, 1, &record(9_000, b"new".to_vec()));
    assert_eq!(store.sweep(at(5_000)).expect("swept"), 1);
    let found = store
        .record(&place("order-1"))
        .expect("read")
        .and_then(body_of);
    assert_eq!(found, Some(b"new".to_vec()));
}

#[test]
fn day_counts_only_rise_by_leases_and_are_exact_after_a_clean_close() {
    let dir = tempfile::tempdir().expect("a directory");
    let (day, key) = (at(0).day(), KeyId::new(at(0), [b'k'; 20]));
    let store = open(dir.path());
    let lease = |store: &Store, count| {
        let (done, kept) = std::sync::mpsc::channel();
        store.lease(day, &key, count, at(0), move |ok| {
            done.send(ok).expect("the test waits")
        });
        assert!(kept.recv().expect("an answer"));
        store.day_counts(day).expect("read")[&key]
    };
    assert_eq!(
        [lease(&store, 8), lease(&store, 24), lease(&store, 16)],
        [8, 24, 24]
    );
    store.close(at(0), &[(key, 17)]).expect("closed");
    drop(store);
    let store = open(dir.path());
    assert_eq!(
        store.day_counts(day).expect("read")[&key],
        17,
        "the journal of before does not raise it again"
    );
    assert_eq!(lease(&store, 25), 25);
}

#[test]
fn counts_of_long_ago_are_forgotten() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let key = KeyId::new(at(0), [b'k'; 20]);
    let (old, new) = (Day::from_number(100), Day::from_number(101));
    for day in [old, new] {
        let (done, kept) = std::sync::mpsc::channel();
        store.lease(day, &key, 8, at(0), move |ok| {
            done.send(ok).expect("the test waits")
        });
        assert!(kept.recv().expect("an answer"));
    }
    let today = Day::from_number(101 + policy::DAYS_KEPT).end();
    let before = at(today.millis() - 1);
    store.forget_days(before).expect("forgotten");
    assert_eq!(
        (
            store.day_counts(old).expect("read").len(),
            store.day_counts(new).expect("read").len()
        ),
        (0, 1)
    );
}

#[test]
fn after_closing_nothing_is_kept_and_that_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.close(at(0), &[]).expect("closed");
    let kept = block_on(store.keep(&effect(session(plain_order(), 1)), None, at(1), ()));
    assert_eq!(kept, Err(Unavailable));
}
