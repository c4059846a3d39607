//! Sessions in blocks against a plain map, through changes, kills and damage.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::blocks::Flaw;
use crate::store::tests::{Place, at};

fn open(place: &Place, next: Option<u64>) -> NewSessions {
    let trees = (place.tree(BLOCKS), place.tree(SPANS));
    NewSessions::open(trees.0, trees.1, next.map(Number)).expect("opens")
}

/// The session of this time and number.
fn id(millis: u64, number: u8) -> SessionId {
    let mut random = [b'0'; 24];
    random[20] = b'0' + number / 100;
    random[22] = b'0' + number / 10 % 10;
    random[23] = b'0' + number % 10;
    SessionId::new(at(millis), random)
}

fn put(table: Table, id: &SessionId, value: &[u8]) -> Row {
    Row::put(table, id.as_bytes(), value.to_vec())
}

fn made(id: &SessionId) -> Row {
    put(Table::NewSessions, id, &[b'm'; 150])
}

/// As the tables do.
fn apply(place: &Place, sessions: &NewSessions, group: &[Row]) {
    let others = place.tree("sessions");
    let mut laid = sessions.lay(group.iter()).expect("laid");
    for row in group {
        let applied = match row {
            Row::Put {
                table: Table::Sessions,
                key,
                value,
            } => others.insert(key, value.as_slice()).map(drop),
            Row::Clear {
                table: Table::Sessions,
            } => others.clear(),
            Row::Put { .. } | Row::Raise { .. } | Row::Remove { .. } | Row::Clear { .. } => {
                sessions.apply(row, &mut laid, &others)
            }
        };
        applied.expect("applied");
    }
}

fn listed(sessions: &NewSessions, before: Option<&SessionId>) -> Vec<SessionId> {
    let newest = sessions.newest_first(before);
    newest
        .map(|row| SessionId::from_bytes(&row.expect("read").0).expect("an id"))
        .collect()
}

/// What comes of these sessions where a backup of them is restored.
fn restored(sessions: &NewSessions) -> NewSessions {
    let place = Place::new();
    let there = open(&place, Some(0));
    let rows = sessions.rows().map(|row| row.expect("read"));
    let rows: Vec<Row> = rows
        .map(|(key, value)| Row::put(Table::NewSessions, &key, value.to_vec()))
        .collect();
    apply(&place, &there, &rows);
    there
}

fn flaws(place: &Place, sessions: &NewSessions) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for row in place.tree(BLOCKS).iter() {
        let (key, block) = row.expect("read");
        flaws.extend(sessions.check_block(&key, &block).expect("read").err());
    }
    for row in place.tree(SPANS).iter() {
        let (key, value) = row.expect("read");
        flaws.extend(sessions.check_span(&key, &value).expect("read").err());
    }
    flaws
}

/// What may happen to sessions.
#[derive(Clone, Debug)]
enum Event {
    /// A group: sessions that are made, by how long ago, number and size.
    Group(Vec<(u64, u8, usize)>),
    /// One of those that are there changes.
    Change(prop::sample::Index),
    /// All are removed, and in the same group some are made, before and after.
    Reset(Vec<u64>, Vec<u64>),
    /// Everything so far is on disk for good.
    Checkpoint,
    /// What came since the last checkpoint is applied again, to tables in which it may be already.
    Kill,
}

fn event() -> impl Strategy<Value = Event> {
    let size = prop_oneof![8 => 0_usize..300, 1 => Just(policy::BLOCK + 100)];
    let one = (0_u64..40, 0_u8..=255, size);
    let few = || proptest::collection::vec(0_u64..3, 0..6);
    prop_oneof![
        8 => proptest::collection::vec(one, 1..60).prop_map(Event::Group),
        4 => any::<prop::sample::Index>().prop_map(Event::Change),
        1 => (few(), few()).prop_map(|(before, after)| Event::Reset(before, after)),
        1 => Just(Event::Checkpoint),
        2 => Just(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_session_is_found_as_it_is_whatever_happens(events in proptest::collection::vec(event(), 1..25)) {
        let place = Place::new();
        let mut sessions = open(&place, Some(0));
        let mut model: BTreeMap<SessionId, Vec<u8>> = BTreeMap::new();
        let (mut checkpoint, mut logged) = (0, Vec::<Vec<Row>>::new());
        for (now, event) in events.into_iter().enumerate() {
            let now = 100 + 10 * now as u64;
            let mut group = Vec::new();
            let mut make = |model: &mut BTreeMap<SessionId, Vec<u8>>, id: SessionId, size: usize| {
                // An id is given once.
                if let std::collections::btree_map::Entry::Vacant(place) = model.entry(id) {
                    place.insert(vec![b'm'; size]);
                    group.push(put(Table::NewSessions, &id, &vec![b'm'; size]));
                }
            };
            match event {
                Event::Group(asked) => {
                    for (ago, number, size) in asked {
                        make(&mut model, id(now - ago, number), size);
                    }
                }
                Event::Change(which) => {
                    if !model.is_empty() {
                        let id = *which.get(&model.keys().collect::<Vec<_>>());
                        let value = format!("changed at {now}").into_bytes();
                        group.push(put(Table::Sessions, id, &value));
                        let id = *id;
                        model.insert(id, value);
                    }
                }
                Event::Reset(before, after) => {
                    before.iter().for_each(|ago| make(&mut model, id(now - ago, 1), 10));
                    model.clear();
                    group.extend([Table::Sessions, Table::NewSessions].map(|table| Row::Clear { table }));
                    for ago in after {
                        let id = id(now - ago, 2);
                        if model.insert(id, vec![b'm'; 10]).is_none() {
                            group.push(put(Table::NewSessions, &id, &[b'm'; 10]));
                        }
                    }
                }
                Event::Checkpoint => {
                    checkpoint = sessions.next().0;
                    logged.clear();
                }
                Event::Kill => {
                    drop(sessions);
                    sessions = open(&place, Some(checkpoint));
                    logged.iter().for_each(|group| apply(&place, &sessions, group));
                }
            }
            if !group.is_empty() {
                apply(&place, &sessions, &group);
                logged.push(group);
            }
            let others = place.tree("sessions");
            let packed: Vec<SessionId> = listed(&sessions, None);
            prop_assert!(packed.is_sorted_by(|later, earlier| later > earlier), "newest first, each once");
            for id in &packed {
                let before = listed(&sessions, Some(id));
                let expected: Vec<SessionId> = packed.iter().copied().filter(|other| other < id).collect();
                prop_assert_eq!(before, expected);
            }
            for (id, value) in &model {
                let alone = others.get(id.as_bytes()).expect("read");
                prop_assert!(alone.is_some() || packed.contains(id));
                let found = alone.or(sessions.get(id).expect("read"));
                prop_assert_eq!(found.as_deref(), Some(value.as_slice()));
            }
            prop_assert!(packed.iter().all(|id| model.contains_key(id)));
            prop_assert!(others.iter().keys().all(|key| model.contains_key(&SessionId::from_bytes(&key.expect("read")).expect("an id"))));
            let rows: Vec<_> = sessions.rows().map(|row| row.expect("read").0).collect();
            prop_assert_eq!(rows.len(), packed.len());
            prop_assert_eq!(flaws(&place, &sessions), Vec::new());
        }
    }
}

#[test]
fn some_share_a_block_and_those_that_are_few_or_far_apart_have_rows_of_their_own() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let span = u64::try_from(policy::SESSION_SPAN_MAX.as_millis()).expect("a number");
    let together: Vec<SessionId> = (0..10)
        .map(|number| id(1_000 + span * u64::from(number) / 9, number))
        .collect();
    let apart = [id(1_001 + span, 0), id(1_002 + 2 * span, 0), id(500, 0)];
    let group: Vec<Row> = together.iter().rev().chain(&apart).map(made).collect();
    apply(&place, &sessions, &group);
    assert_eq!(sessions.next(), Number(1), "as long a span as may be");
    assert_eq!(place.tree("sessions").len(), 3);
    let newest: Vec<SessionId> = together.iter().rev().copied().collect();
    assert_eq!(listed(&sessions, None), newest);
    let few: Vec<Row> = (1..policy::BLOCK_SESSIONS_MIN)
        .map(|number| made(&id(9_000, number as u8)))
        .collect();
    apply(&place, &sessions, &few);
    assert_eq!(
        (sessions.next(), place.tree("sessions").len()),
        (Number(1), 2 + policy::BLOCK_SESSIONS_MIN)
    );
}

#[test]
fn a_session_that_comes_again_does_not_take_the_place_of_one_that_has_changed() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let id = id(1, 1);
    apply(&place, &sessions, &[made(&id)]);
    apply(&place, &sessions, &[put(Table::Sessions, &id, b"changed")]);
    apply(&place, &sessions, &[made(&id)]);
    let found = place.tree("sessions").get(id.as_bytes()).expect("read");
    assert_eq!(found.as_deref(), Some(&b"changed"[..]));
}

#[test]
fn what_was_laid_twice_is_listed_once() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let group: Vec<Row> = (0..5).map(|number| made(&id(1, number))).collect();
    apply(&place, &sessions, &group);
    apply(&place, &sessions, &group);
    assert_eq!(
        (sessions.next(), listed(&sessions, None).len()),
        (Number(2), 5)
    );
}

#[test]
fn a_journal_that_is_laid_in_another_way_leaves_nothing_of_the_first() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let rows: Vec<Row> = (0..12).map(|number| made(&id(1, number))).collect();
    apply(&place, &sessions, &rows);
    let again = open(&place, Some(0));
    assert_eq!(place.tree(SPANS).len(), 0);
    rows.chunks(6)
        .for_each(|group| apply(&place, &again, group));
    assert_eq!((again.next(), listed(&again, None).len()), (Number(2), 12));
    assert_eq!(flaws(&place, &again), Vec::new());
}

#[test]
fn what_can_t_be_read_is_not_taken_for_what_never_was() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let group = |millis| -> Vec<Row> { (0..5).map(|number| made(&id(millis, number))).collect() };
    apply(&place, &sessions, &group(1));
    apply(&place, &sessions, &group(1_000));
    let blocks = place.tree(BLOCKS);
    for damage in [&b"\xff\xff"[..], b""] {
        blocks.insert(Number(0).as_key(), damage).expect("damaged");
        assert_eq!(sessions.get(&id(1, 2)).map(|_| ()), Err(Unavailable));
        assert!(sessions.get(&id(1_000, 2)).expect("read").is_some());
        assert_eq!(
            sessions.get(&id(1, 9)).map(|_| ()),
            Ok(()),
            "behind all that may hold it"
        );
        assert_eq!(
            sessions.newest_first(None).filter(Result::is_err).count(),
            1
        );
        assert!(flaws(&place, &sessions).contains(&Flaw::Unreadable));
        let there = restored(&sessions);
        assert_eq!(
            there.get(&id(1, 2)).map(|_| ()),
            Err(Unavailable),
            "in a backup, too"
        );
        assert!(there.get(&id(1_000, 2)).expect("read").is_some());
    }
    blocks.remove(Number(0).as_key()).expect("removed");
    assert_eq!(sessions.get(&id(1, 2)).map(|_| ()), Err(Unavailable));
    assert_eq!(flaws(&place, &sessions), [Flaw::Missing]);
    place.tree(SPANS).clear().expect("cleared");
    assert_eq!(flaws(&place, &sessions), [Flaw::Unreachable]);
    place.tree(SPANS).insert(b"x", b"y").expect("damaged");
    assert!(flaws(&place, &sessions).contains(&Flaw::Unreadable));
    assert!(sessions.rows().any(|row| row.is_err()));
}

#[test]
fn what_can_t_be_read_stands_in_no_other_s_way() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let group = |numbers: std::ops::Range<u8>| -> Vec<Row> {
        numbers.map(|number| made(&id(1, number))).collect()
    };
    apply(&place, &sessions, &group(0..9));
    // It spans all of them, and ends before the others do.
    let rows = [id(1, 0), id(1, 1), id(1, 2), id(1, 8)].map(|id| made(&id));
    apply(&place, &sessions, &rows);
    let blocks = place.tree(BLOCKS);
    for damaged in [Number(0), Number(1)] {
        let whole = blocks.insert(damaged.as_key(), b"\xff").expect("damaged");
        assert!(sessions.get(&id(1, 1)).expect("read").is_some());
        blocks
            .insert(damaged.as_key(), whole.expect("it was there"))
            .expect("mended");
    }
}

#[test]
fn a_block_whose_span_is_too_long_to_be_found_is_told() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let group: Vec<Row> = (0..5).map(|number| made(&id(1, number))).collect();
    apply(&place, &sessions, &group);
    let (spans, blocks) = (place.tree(SPANS), place.tree(BLOCKS));
    let (key, _) = spans.first().expect("read").expect("a span");
    let longer = Span {
        first: id(1, 0),
        last: id(1_000, 4),
        number: Number(0),
    };
    spans.remove(key).expect("removed");
    spans.insert(longer.key(), longer.value()).expect("written");
    let mut filling = Filling::default();
    for id in [longer.first, longer.last] {
        filling.push(id.as_bytes(), b"session");
    }
    blocks
        .insert(Number(0).as_key(), filling.finish().1)
        .expect("written");
    assert_eq!(flaws(&place, &sessions), [Flaw::Unreachable]);
}

#[test]
fn of_two_that_are_the_same_one_is_kept_and_many_small_ones_fill_a_block() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let twice: Vec<Row> = (0..5)
        .chain(0..5)
        .map(|number| made(&id(1, number)))
        .collect();
    apply(&place, &sessions, &twice);
    assert_eq!(
        (sessions.rows().count(), place.tree("sessions").len()),
        (5, 0)
    );
    let small = |number: u32| {
        let mut random = [b'0'; 24];
        random[18..].copy_from_slice(format!("{number:06}").as_bytes());
        put(Table::NewSessions, &SessionId::new(at(9), random), b"")
    };
    let many: Vec<Row> = (0..70_000).map(small).collect();
    apply(&place, &sessions, &many);
    assert_eq!(listed(&sessions, None).len(), 70_005);
    assert_eq!(flaws(&place, &sessions), Vec::new());
}

#[test]
fn a_number_that_no_store_reaches_is_refused() {
    let place = Place::new();
    let far = NewSessions::open(
        place.tree(BLOCKS),
        place.tree(SPANS),
        Some(Number(u64::MAX - 3)),
    );
    let why = far.map(|_| ()).expect_err("refused").to_string();
    assert!(why.contains("number of a block"), "{why}");
}

#[test]
fn what_a_kill_has_left_of_a_block_that_is_gone_is_not_taken_for_a_loss() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let group: Vec<Row> = (0..5).map(|number| made(&id(1, number))).collect();
    apply(&place, &sessions, &group);
    // The second row reached the disk, and the first did not.
    place
        .tree(BLOCKS)
        .remove(Number(0).as_key())
        .expect("removed");
    let again = open(&place, Some(0));
    assert_eq!(again.get(&id(1, 2)), Ok(None));
    assert_eq!(again.newest_first(None).count(), 0);
    apply(&place, &again, &group);
    assert_eq!(
        (
            again.get(&id(1, 2)).map(|found| found.is_some()),
            listed(&again, None).len()
        ),
        (Ok(true), 5)
    );
}

#[test]
fn a_session_that_goes_by_itself_is_refused_and_what_spans_are_told_is_not_believed() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    let group: Vec<Row> = (0..5).map(|number| made(&id(1, number))).collect();
    apply(&place, &sessions, &group);
    let others = place.tree("sessions");
    let mut laid = sessions.lay([].iter()).expect("laid");
    let gone = Row::remove(Table::NewSessions, id(1, 1).as_bytes());
    assert!(sessions.apply(&gone, &mut laid, &others).is_err());
    let told = Row::put(Table::NewSpans, b"anything", Vec::new());
    sessions
        .apply(&told, &mut laid, &others)
        .expect("nobody listens");
    assert_eq!(
        (listed(&sessions, None).len(), place.tree(SPANS).len()),
        (5, 1)
    );
}

#[test]
fn a_row_whose_key_is_no_id_is_kept_as_it_is() {
    let place = Place::new();
    let sessions = open(&place, Some(0));
    apply(
        &place,
        &sessions,
        &[Row::put(Table::NewSessions, b"short", b"value".to_vec())],
    );
    let kept = place.tree("sessions").get(b"short").expect("read");
    assert_eq!(kept.as_deref(), Some(&b"value"[..]));
}
