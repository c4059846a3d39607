//! Records in blocks against a plain map, through kills, sweeps and damage.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::policy;
use crate::store::blocks::Flaw;
use crate::store::tests::{Place, at, record as record_of};

fn open(place: &Place, next: Option<u64>) -> Answers {
    let trees = (place.tree(BLOCKS), place.tree(CONTENTS));
    Answers::open(trees.0, trees.1, next.map(Number)).expect("opens")
}

type Key = [u8; 16];

fn id(number: u8) -> Key {
    [number; 16]
}

fn put(number: u8, expires_at: u64, body: &[u8]) -> Row {
    let key = record::key_of(at(expires_at), &id(number));
    let value = record::encode(&record_of(expires_at, body.to_vec()));
    Row::put(Table::Answers, &key, value)
}

const CLEAR: Row = Row::Clear {
    table: Table::Answers,
};

fn apply(answers: &Answers, group: &[Row]) {
    let mut laid = answers.lay(group.iter()).expect("laid");
    let applied = group
        .iter()
        .try_for_each(|row| answers.apply(row, &mut laid));
    applied.expect("applied");
}

fn found(answers: &Answers, number: u8) -> Option<(u64, Vec<u8>)> {
    let found = answers.get(&id(number)).expect("read")?;
    Some((found.expires_at.millis(), found.bytes().to_vec()))
}

fn flaws(place: &Place, answers: &Answers, now: u64) -> Vec<Flaw> {
    let (blocks, contents) = (place.tree("blocks"), place.tree("contents"));
    let all = |tree: &sled::Tree| {
        tree.iter()
            .map(|row| row.expect("read"))
            .collect::<Vec<_>>()
    };
    let blocks = all(&blocks).into_iter();
    let blocks =
        blocks.map(|(key, block)| answers.check_block(&key, &block, at(now)).expect("read"));
    let contents = all(&contents).into_iter();
    let contents = contents.map(|(key, told)| answers.check_contents(&key, &told).expect("read"));
    blocks.chain(contents).filter_map(Result::err).collect()
}

fn sweep(answers: &Answers, now: u64) -> Vec<EntryKey> {
    let mut swept = Vec::new();
    let note = |key: &EntryKey| {
        swept.push(*key);
        Ok(())
    };
    let count = answers.sweep(at(now), usize::MAX, note).expect("swept");
    assert_eq!(count, swept.len());
    swept
}

/// What may happen to records.
#[derive(Clone, Debug)]
enum Event {
    /// A group of records, by id, life and size; all are removed where there is none.
    Group(Vec<Option<(u8, u64, usize)>>),
    Sweep,
    /// Everything so far is on disk for good.
    Checkpoint,
    /// What came since the last checkpoint is applied again, to tables in which it may be already.
    Kill,
}

fn event() -> impl Strategy<Value = Event> {
    let size = prop_oneof![4 => 0_usize..300, 1 => Just(policy::BLOCK + 100), 1 => Just(60_000)];
    let one = prop_oneof![
        30 => (0_u8..40, 1_u64..60, size).prop_map(Some),
        1 => Just(None)
    ];
    prop_oneof![
        6 => proptest::collection::vec(one, 1..40).prop_map(Event::Group),
        2 => Just(Event::Sweep),
        1 => Just(Event::Checkpoint),
        2 => Just(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_found_is_what_came_last_whatever_happens(events in proptest::collection::vec(event(), 1..30)) {
        let place = Place::new();
        let mut answers = open(&place, Some(0));
        let mut model: BTreeMap<u8, (u64, Row)> = BTreeMap::new();
        let (mut checkpoint, mut logged) = (0, Vec::<Vec<Row>>::new());
        for (now, event) in events.into_iter().enumerate() {
            let now = 10 * now as u64;
            match event {
                Event::Group(asked) => {
                    let mut group = Vec::new();
                    for one in asked {
                        let Some((number, life, size)) = one else {
                            model.clear();
                            group.push(CLEAR);
                            continue;
                        };
                        // A key is taken anew when its record is over, and the new one lives longer.
                        let known = model.get(&number).map(|(expires_at, _)| *expires_at);
                        let expires_at = known.map_or(0, |known| known + 1).max(now + life);
                        let row = put(number, expires_at, &vec![b'x'; size]);
                        model.insert(number, (expires_at, row.clone()));
                        group.push(row);
                    }
                    apply(&answers, &group);
                    logged.push(group);
                }
                Event::Sweep => {
                    sweep(&answers, now);
                    prop_assert!(answers.first_over().expect("read").is_none_or(|at| at.millis() >= now));
                }
                Event::Checkpoint => {
                    checkpoint = answers.next().0;
                    logged.clear();
                }
                Event::Kill => {
                    drop(answers);
                    answers = open(&place, Some(checkpoint));
                    logged.iter().for_each(|group| apply(&answers, group));
                }
            }
            let listed: BTreeMap<EntryKey, sled::IVec> = answers.rows().map(|row| row.expect("read")).collect();
            let mut alive = 0;
            for number in 0..40 {
                let found = found(&answers, number);
                alive += usize::from(found.is_some());
                let Some((expires_at, Row::Put { key, value, .. })) = model.get(&number) else {
                    prop_assert_eq!(found, None);
                    continue;
                };
                // What is over may be gone, or give way to what was over before it. Nothing else is and does.
                prop_assert!(found.is_some() || *expires_at < now);
                if let Some((at, bytes)) = found && (at == *expires_at || *expires_at >= now) {
                    prop_assert_eq!((at, &bytes), (*expires_at, value));
                    let key: EntryKey = key.as_slice().try_into().expect("a key");
                    prop_assert_eq!(listed.get(&key).map(|listed| &**listed), Some(value.as_slice()));
                }
            }
            prop_assert_eq!((listed.len(), answers.len()), (alive, alive));
            prop_assert_eq!(flaws(&place, &answers, now), Vec::new());
        }
    }

    #[test]
    fn no_bytes_are_taken_for_a_block_that_are_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for bytes in [bytes.clone(), [&[1, 0, 1][..], &bytes].concat()] {
            if let Ok(records) = Records::of(&bytes) {
                let length: usize = records.map(|(_, place)| bytes[place].len()).sum();
                prop_assert!(length <= bytes.len());
            }
            drop(contents::decode(&bytes));
        }
    }
}

#[test]
fn many_records_share_a_block_and_a_large_one_has_its_own() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    let group: Vec<Row> = (0..25)
        .map(|number| put(number, 9, &[b'x'; 200]))
        .chain([put(30, 9, &[b'y'; 60_000]), put(31, 9, b"after it")])
        .collect();
    apply(&answers, &group);
    assert_eq!(
        answers.next(),
        Number(3),
        "the small ones, the large one, and one behind it"
    );
    let bytes = |number| found(&answers, number).map(|(_, bytes)| bytes.len());
    assert!(bytes(0).is_some_and(|bytes| bytes < 300) && bytes(30) > Some(60_000));
}

#[test]
fn what_a_kill_has_left_of_a_sweep_is_ended_and_not_taken_for_damage() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    apply(&answers, &[put(1, 10, b"over")]);
    apply(&answers, &[put(2, 30, b"alive")]);
    // The sweeper had removed the block, and not yet what tells of it.
    place
        .tree("blocks")
        .remove(Number(0).as_key())
        .expect("removed");
    let again = open(&place, Some(2));
    assert_eq!(
        again.get(&id(1)).map(|_| ()),
        Err(Unavailable),
        "nobody knows"
    );
    again.end_sweep(at(20)).expect("ended");
    assert_eq!(found(&again, 1), None);
    assert!(found(&again, 2).is_some());
    assert_eq!(flaws(&place, &again, 20), Vec::new());
}

#[test]
fn what_can_t_be_read_is_not_taken_for_what_never_came() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    apply(&answers, &[put(1, 10, b"one"), put(2, 10, b"two")]);
    apply(&answers, &[put(3, 20, b"three")]);
    let blocks = place.tree("blocks");
    blocks
        .insert(Number(0).as_key(), b"\xff\xff")
        .expect("damaged");
    for number in [1, 2] {
        assert_eq!(answers.get(&id(number)).map(|_| ()), Err(Unavailable));
    }
    let listed: Vec<_> = answers.rows().map(|row| row.expect("read")).collect();
    let sizes: Vec<bool> = listed.iter().map(|(_, record)| record.is_empty()).collect();
    assert_eq!(
        sizes,
        [true, true, false],
        "a backup has them as what can't be read"
    );
    assert_eq!(flaws(&place, &answers, 0), [Flaw::Unreadable]);
    // The other half of it: the block knows what is in it.
    let row = contents::key_of(at(20), Number(1));
    place
        .tree("contents")
        .insert(row, b"\xff")
        .expect("damaged");
    assert!(found(&open(&place, Some(2)), 3).is_some());
    blocks.insert(Number(1).as_key(), b"\xff").expect("damaged");
    let refused = Answers::open(blocks, place.tree("contents"), Some(Number(2)));
    let why = refused.map(|_| ()).expect_err("nobody knows").to_string();
    assert!(why.contains("what a block of answers contains"), "{why}");
}

#[test]
fn a_record_that_goes_by_itself_or_has_no_key_is_refused() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    let group = [put(1, 10, b"one")];
    apply(&answers, &group);
    let mut laid = answers.lay(group.iter()).expect("laid");
    let gone = Row::remove(Table::Answers, &record::key_of(at(10), &id(1)));
    assert!(answers.apply(&gone, &mut laid).is_err());
    assert!(found(&answers, 1).is_some());
    assert!(
        answers
            .lay([Row::put(Table::Answers, b"short", Vec::new())].iter())
            .is_err()
    );
}

#[test]
fn rows_that_are_there_before_their_blocks_are_found_by_nobody() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    apply(&answers, &[put(1, 10, b"one")]);
    let ahead = Number(policy::BLOCKS_AHEAD).as_key();
    let blocks = place.tree("blocks");
    assert_eq!(blocks.get(ahead).expect("read").as_deref(), Some(&[][..]));
    assert_eq!(answers.rows().count(), 1);
    assert_eq!(flaws(&place, &answers, 0), Vec::new());
    // One that was written, and lost what was in it, is not such a row.
    blocks.insert(Number(0).as_key(), b"").expect("damaged");
    assert_eq!(
        flaws(&place, &answers, 0),
        [Flaw::Unreadable, Flaw::Missing]
    );
}

#[test]
fn a_journal_that_is_laid_in_another_way_leaves_nothing_of_the_first() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    apply(&answers, &[put(0, 5, b"before")]);
    let rows = [put(1, 10, b"one"), put(2, 20, b"two"), put(3, 30, b"three")];
    apply(&answers, &rows[..2]);
    apply(&answers, &rows[2..]);
    let again = open(&place, Some(1));
    assert_eq!((again.len(), place.tree("contents").len()), (1, 1));
    apply(&again, &rows[..1]);
    apply(&again, &rows[1..]);
    assert!((0..=3).all(|number| found(&again, number).is_some()));
    assert_eq!(place.tree("contents").len(), 3);
    assert_eq!(flaws(&place, &again, 0), Vec::new());
}

#[test]
fn a_row_that_is_made_ahead_takes_the_place_of_no_block() {
    let place = Place::new();
    let (slow, fast) = (
        open(&place, Some(0)),
        open(&place, Some(policy::BLOCKS_AHEAD)),
    );
    apply(&fast, &[put(2, 10, b"two")]);
    apply(&slow, &[put(1, 10, b"one")]);
    assert!(found(&fast, 2).is_some() && found(&slow, 1).is_some());
}

#[test]
fn what_a_kill_has_left_of_a_block_that_is_laid_in_another_way_is_forgotten() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    apply(&answers, &[put(1, 10, b"swept")]);
    // The sweeper had removed the block, and not yet what tells of it; nothing of either was checkpointed.
    place
        .tree("blocks")
        .remove(Number(0).as_key())
        .expect("removed");
    let again = open(&place, Some(0));
    apply(&again, &[put(2, 90, b"alive")]);
    sweep(&again, 20);
    assert_eq!(found(&again, 1), None);
    assert!(found(&again, 2).is_some(), "it has that number now");
}

#[test]
fn a_store_whose_next_number_nobody_has_noted_goes_on_behind_its_last_block() {
    let place = Place::new();
    apply(&open(&place, Some(0)), &[put(1, 10, b"one")]);
    let again = open(&place, None);
    assert_eq!(again.next(), Number(1));
    assert_eq!(
        flaws(&place, &again, 0),
        Vec::new(),
        "no row is ahead of nothing"
    );
    assert_eq!(open(&Place::new(), None).next(), Number(0));
}

#[test]
fn what_tells_of_a_block_and_can_t_be_read_is_swept_in_its_time() {
    let place = Place::new();
    let answers = open(&place, Some(0));
    apply(&answers, &[put(1, 10, b"one"), put(2, 12, b"two")]);
    apply(&answers, &[put(3, 20, b"three")]);
    let row = contents::key_of(at(12), Number(0));
    place
        .tree("contents")
        .insert(row, b"\xff")
        .expect("damaged");
    assert_eq!(
        sweep(&answers, 30).len(),
        3,
        "nothing stands in the way of the others"
    );
    assert_eq!((answers.len(), answers.rows().count()), (0, 0));
}
