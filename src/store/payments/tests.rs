//! Sessions as they are read, wherever they lie.

use super::*;
use crate::store::tests::{at, block_on, effect, open, plain_order, session};
use crate::store::{restore, tests};

/// Sessions of these times that are made in one commit, as by many at once.
fn make_together(store: &Store, times: std::ops::Range<u64>) {
    let row = |number| {
        let session = session(plain_order(), number);
        Row::put(
            Table::NewSessions,
            session.id.as_bytes(),
            encode_session(&session),
        )
    };
    store
        .commit_and_wait(at(times.start), times.map(row).collect())
        .expect("kept");
}

fn listed(store: &Store, before: Option<u64>) -> Vec<Session> {
    let before = before.map(|number| session(plain_order(), number).id);
    let listed = store.sessions(before.as_ref());
    listed.map(|session| session.expect("read")).collect()
}

fn times(sessions: &[Session]) -> Vec<u64> {
    let time = |session: &Session| session.created_at.millis();
    sessions.iter().map(time).collect()
}

/// What the tests below want to be so of a store that had the same done to it.
fn assert_holds_twenty(store: &Store) {
    let all = listed(store, None);
    assert_eq!(times(&all), (0..20).rev().collect::<Vec<_>>());
    for number in [0, 1, 5, 9, 10, 11, 19] {
        let earlier = times(&listed(store, Some(number)));
        assert_eq!(earlier, (0..number).rev().collect::<Vec<_>>());
    }
    for session in &all {
        assert_eq!(
            store.session(&session.id).expect("read").as_ref(),
            Some(session)
        );
        let kept = store.kept_session(&session.id).expect("read");
        let kept = kept.expect("it is there").session();
        assert_eq!(kept.as_ref(), Ok(session));
        let is_changed = session.asked.description.is_some();
        assert_eq!(is_changed, [3, 15].contains(&session.created_at.millis()));
    }
    let never = session(plain_order(), 77).id;
    assert_eq!(store.session(&never), Ok(None));
    let found = store.verify(false, at(0)).expect("read");
    assert_eq!(found.faults, Vec::new());
}

/// Somebody wants to be told when the session of this time expires.
fn watch_expiry(store: &Store, number: u64) {
    let id = session(plain_order(), number).id;
    let noted = store.note_expiries(&[(id, at(90))], at(1));
    noted.expect("noted");
}

/// What a look at every row finds: where, and what.
fn told(store: &Store) -> Vec<String> {
    let faults = store.verify(false, at(1)).expect("read").faults;
    let told = |fault: crate::store::Fault| format!("{}: {}", fault.table, fault.what);
    faults.into_iter().map(told).collect()
}

fn change(store: &Store, number: u64) {
    let mut changed = session(plain_order(), number);
    changed.asked.description = Some("another".to_owned());
    let effect = Effect {
        changed: Some(Box::new(changed)),
        ..Effect::default()
    };
    block_on(store.keep(&effect, None, at(50), ())).expect("kept");
}

fn fill(store: &Store) {
    make_together(store, 0..8);
    (8..12).for_each(|number| {
        let effect = effect(session(plain_order(), number));
        block_on(store.keep(&effect, None, at(number), ())).expect("kept");
    });
    make_together(store, 12..20);
    change(store, 3);
    change(store, 15);
}

#[test]
fn a_session_is_what_it_is_wherever_it_lies_and_after_a_crash_and_a_restore() {
    let (dir, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (dir, place) = (dir.expect("a directory"), place.expect("a directory"));
    let store = open(dir.path());
    fill(&store);
    let alone = |store: &Store| store.trees.of(Table::Sessions).len();
    assert_eq!(alone(&store), 4 + 2, "the others lie in blocks");
    assert_holds_twenty(&store);
    drop(store);
    let store = open(dir.path());
    assert_eq!(alone(&store), 6);
    assert_holds_twenty(&store);
    let mut file = Vec::new();
    let pepper = crate::domain::secret::Pepper::new([7; 32]);
    store
        .backup(&pepper, at(60), &|| Ok(()), &mut file)
        .expect("made");
    store.close(at(60), &[]).expect("closed");
    drop(store);
    assert_holds_twenty(&open(dir.path()));
    let restored = place.path().join("restored");
    let found = restore(file.as_slice(), &restored, tests::OPTIONS).expect("restored");
    assert_eq!(found.found.faults, Vec::new());
    let store = open(&restored);
    assert!(
        alone(&store) < 12,
        "most lie in blocks again, laid in another way"
    );
    assert_holds_twenty(&store);
}

#[test]
fn a_reset_removes_sessions_wherever_they_lie() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    fill(&store);
    block_on(store.reset(at(60))).expect("reset");
    assert_eq!(listed(&store, None), Vec::new());
    fill(&store);
    assert_holds_twenty(&store);
}

#[test]
fn what_belongs_to_a_session_in_a_block_is_not_taken_for_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    make_together(&store, 0..8);
    watch_expiry(&store, 3);
    assert_eq!(told(&store), [""; 0]);
    watch_expiry(&store, 30);
    assert_eq!(told(&store), ["expiries: it points to no session"]);
}

#[test]
fn a_block_that_can_t_be_read_is_told_whatever_points_into_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    make_together(&store, 0..8);
    watch_expiry(&store, 3);
    let blocks = store.trees.of(Table::NewSessions);
    blocks
        .insert(0_u64.to_be_bytes(), b"\xff")
        .expect("damaged");
    assert_eq!(told(&store), ["session_blocks: it can't be read"]);
}

#[test]
fn what_comes_while_a_backup_is_made_is_restored_once() {
    let (dir, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (dir, place) = (dir.expect("a directory"), place.expect("a directory"));
    let store = open(dir.path());
    make_together(&store, 0..8);
    // What is before the new sessions fills pieces, and the first of them is written before those are read.
    for number in 0..8 {
        let row = Row::put(Table::Operator, &[number], vec![number; 200_000]);
        store.commit_and_wait(at(1), vec![row]).expect("kept");
    }
    let checks = std::cell::Cell::new(0);
    let go_on = || {
        checks.set(checks.get() + 1);
        if checks.get() == 3 {
            make_together(&store, 8..20);
        }
        Ok(())
    };
    let mut file = Vec::new();
    let pepper = crate::domain::secret::Pepper::new([7; 32]);
    store
        .backup(&pepper, at(60), &go_on, &mut file)
        .expect("made");
    assert!(checks.get() > 3);
    let restored = place.path().join("restored");
    restore(file.as_slice(), &restored, tests::OPTIONS).expect("restored");
    let store = open(&restored);
    assert_eq!(
        times(&listed(&store, None)),
        (0..20).rev().collect::<Vec<_>>()
    );
    let rows = [Table::Sessions, Table::NewSessions].map(|table| store.trees.rows(table).count());
    assert_eq!(rows.iter().sum::<usize>(), 20, "{rows:?}");
}

#[test]
fn a_session_in_a_block_that_can_t_be_read_or_has_another_id_is_told() {
    for (value, what) in [
        (vec![9], "a session in it can't be read"),
        (
            encode_session(&session(plain_order(), 7)),
            "it has another id than its row",
        ),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        let row = |number| {
            let id = session(plain_order(), number).id;
            Row::put(Table::NewSessions, id.as_bytes(), value.clone())
        };
        let rows = (0..5).map(row).collect();
        store.commit_and_wait(at(1), rows).expect("kept");
        assert_eq!(told(&store), [format!("session_blocks: {what}")]);
        let first = session(plain_order(), 0).id;
        if what.contains("read") {
            assert_eq!(store.session(&first), Err(Unavailable));
            assert!(listed_faults(&store) > 0);
        }
        (0..5).for_each(|number| change(&store, number));
        assert!(
            store.session(&first).is_ok_and(|found| found.is_some()),
            "what it is now lies elsewhere"
        );
        let still = told(&store);
        assert_eq!(still.is_empty(), !what.contains("read"), "{still:?}");
    }
}

fn listed_faults(store: &Store) -> usize {
    store.sessions(None).filter(Result::is_err).count()
}
