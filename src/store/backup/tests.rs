//! A backup is the store as it was after one group, whatever goes on meanwhile; and what is not whole is not believed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::answers::record;
use crate::store::rows::encode_number;
use crate::store::tests::{at, open};
use crate::store::{Options, Restored, restore};

const OPTIONS: Options = Options {
    cache: 8 << 20,
    min_free_disk: 0,
    latest: None,
};

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn pepper() -> Pepper {
    Pepper::new([7; 32])
}

fn go_on() -> Result<(), String> {
    Ok(())
}

fn rows_of(store: &Store) -> Rows {
    let mut rows = Rows::new();
    for table in Table::ALL {
        for row in store.trees.rows(table) {
            let (key, value) = row.expect("read");
            rows.insert((table as u8, key.to_vec()), value.to_vec());
        }
    }
    rows
}

/// What rows are after a change, said as plainly as can be.
fn change(rows: &mut Rows, row: &Row) {
    match row {
        Row::Put { table, key, value } => {
            rows.insert((*table as u8, key.clone()), value.clone());
        }
        Row::Remove { table, key } => {
            rows.remove(&(*table as u8, key.clone()));
        }
        Row::Raise { table, key, to } => {
            let row = rows.entry((*table as u8, key.clone()));
            let row = row.or_insert_with(|| encode_number(0));
            if row.len() != 4 || encode_number(*to) > *row {
                *row = encode_number(*to);
            }
        }
        Row::Clear { table } => rows.retain(|(of, _), _| *of != *table as u8),
    }
}

/// Calls back before each piece is written.
struct Watched<'a>(Vec<u8>, &'a dyn Fn());

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn small_backup() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let row = Row::put(Table::Operator, b"password", b"hash".to_vec());
    store.commit_and_wait(at(5), vec![row]).expect("kept");
    let mut file = Vec::new();
    store
        .backup(&pepper(), at(9), &go_on, &mut file)
        .expect("made");
    file
}

fn restored(file: &[u8], dir: &Path) -> Result<Restored, String> {
    restore(file, dir, OPTIONS)
}

fn some_row() -> impl Strategy<Value = Row> {
    let table = prop::sample::select(vec![Table::Sessions, Table::Days, Table::Outbox]);
    let key = (0_u8..12).prop_map(|key| vec![key]);
    let put = (table.clone(), key.clone(), any::<u8>(), 0_usize..90_000).prop_map(
        |(table, key, byte, length)| Row::Put {
            table,
            key,
            value: vec![byte; length],
        },
    );
    let raise = (key.clone(), 0_u32..100).prop_map(|(key, to)| Row::Raise {
        table: Table::Days,
        key,
        to,
    });
    let remove = (table.clone(), key).prop_map(|(table, key)| Row::Remove { table, key });
    let clear = table.prop_map(|table| Row::Clear { table });
    prop_oneof![6 => put, 3 => raise, 3 => remove, 1 => clear]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Groups are committed before the backup, and then one before each of its pieces.
    #[test]
    fn a_backup_is_the_store_after_the_group_that_it_names(
        before in prop::collection::vec(some_row(), 20..40),
        groups in prop::collection::vec(prop::collection::vec(some_row(), 1..5), 8..20),
    ) {
        let (dir, place) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let store = open(dir.path());
        let model = RefCell::new(Rows::new());
        before.iter().for_each(|row| change(&mut model.borrow_mut(), row));
        store.commit_and_wait(at(1), before).expect("kept");
        let history = RefCell::new(BTreeMap::from([(1_u64, model.borrow().clone())]));
        let groups = RefCell::new(groups.into_iter());
        let commit_one = || {
            let Some(group) = groups.borrow_mut().next() else { return };
            group.iter().for_each(|row| change(&mut model.borrow_mut(), row));
            store.commit_and_wait(at(2), group).expect("kept");
            let number = 1 + history.borrow().len() as u64;
            history.borrow_mut().insert(number, model.borrow().clone());
        };
        let mut file = Watched(Vec::new(), &commit_one);
        let summary = store.backup(&pepper(), at(3), &go_on, &mut file).expect("made");
        let extent = summary.extent;
        prop_assert!(extent.group >= 3, "two pieces come before the tables: {extent:?}");
        prop_assert_eq!(rows_of(&store), model.borrow().clone(), "the model is right");
        restored(&file.0, place.path()).expect("restored");
        let (again, its_pepper) = Store::open(place.path(), OPTIONS, [0; 32]).expect("opens");
        prop_assert_eq!(&rows_of(&again), &history.borrow()[&extent.group]);
        prop_assert_eq!(again.latest(), at(2));
        prop_assert_eq!(its_pepper.fingerprint(), pepper().fingerprint());
    }
}

#[test]
fn a_byte_that_is_wrong_or_missing_or_too_many_is_found() {
    let whole = small_backup();
    assert!(check_copy(whole.as_slice(), std::io::sink()).is_ok());
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut flipped = whole.clone();
            flipped[at] ^= bit;
            let checked = check_copy(flipped.as_slice(), std::io::sink());
            assert!(checked.is_err(), "byte {at} of {}", whole.len());
        }
        let cut = check_copy(&whole[..at], std::io::sink()).expect_err("it is cut");
        assert!(cut.contains("cut short"), "after {at}: {cut}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert!(check_copy(longer.as_slice(), std::io::sink()).is_err());
    let twice = [whole.as_slice(), &whole].concat();
    assert!(check_copy(twice.as_slice(), std::io::sink()).is_err());
}

#[test]
fn what_can_t_be_restored_leaves_nothing_behind() {
    let whole = small_backup();
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("data");
    let mut newer = whole.clone();
    newer[11] = 2;
    let mut half = whole.clone();
    let end = half.len();
    half[end - 30] ^= 1;
    for (file, says) in [
        (&newer, "form 2"),
        (&half, "damaged"),
        (&whole[..end - 9].to_vec(), "cut short"),
        (&b"a shopping list".to_vec(), "no backup"),
        (&Vec::new(), "cut short"),
    ] {
        let refused = restored(file, &place).expect_err("refused");
        assert!(refused.contains(says), "{says}: {refused}");
        let left = std::fs::read_dir(dir.path()).expect("a list").count();
        assert_eq!(left, 0, "{says}");
    }
    let restored = restored(&whole, &place).expect("restored");
    assert_eq!(
        (restored.found.rows, restored.found.faults),
        (1, Vec::new())
    );
    let left = std::fs::read_dir(dir.path()).expect("a list").count();
    assert_eq!(left, 1, "the store, and nothing beside it");
    assert_eq!(open(&place).latest(), at(5));
}

#[test]
fn a_store_of_a_format_to_come_is_refused() {
    let head = Head {
        store_format: FORMAT + 1,
        made_at: at(1),
        atlas: "9.0.0".to_owned(),
    };
    let mut file = Vec::new();
    let writer = Writer::begin(&mut file, head, &[1; 32]).expect("begun");
    writer.end(0, at(0)).expect("ended");
    let dir = tempfile::tempdir().expect("a directory");
    let refused = restored(&file, dir.path()).expect_err("refused");
    assert!(
        refused.contains("use atlas 9.0.0 or a newer one"),
        "{refused}"
    );
}

#[test]
fn a_place_that_is_not_empty_is_refused_and_left_alone() {
    let whole = small_backup();
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let refused = restored(&whole, dir.path()).expect_err("refused");
    assert!(refused.contains("a server uses"), "{refused}");
    store.close(at(0), &[]).expect("closed");
    drop(store);
    let refused = restored(&whole, dir.path()).expect_err("refused");
    assert!(refused.contains("is not empty"), "{refused}");
    assert_eq!(open(dir.path()).password(), Ok(None), "it is what it was");
}

#[test]
fn one_backup_at_a_time_and_then_the_next() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let second = RefCell::new(None);
    let try_second = || {
        let tried = store.backup(&pepper(), at(1), &go_on, std::io::sink());
        second.borrow_mut().get_or_insert(tried);
    };
    // The first two pieces are written before it begins to listen, so the second try is at the last.
    let first = store.backup(&pepper(), at(1), &go_on, Watched(Vec::new(), &try_second));
    assert!(first.is_ok(), "{first:?}");
    let second = second.into_inner().expect("tried");
    assert!(second.is_ok(), "{second:?}");
    let busy = |_: &Store| {
        let listener = store.tap.listen(dir.path(), 0).expect("listens");
        let tried = store.backup(&pepper(), at(1), &go_on, std::io::sink());
        drop(listener);
        tried.expect_err("one is being made")
    };
    assert!(busy(&store).contains("another backup"), "{}", busy(&store));
    assert!(
        store
            .backup(&pepper(), at(1), &go_on, std::io::sink())
            .is_ok()
    );
}

#[test]
fn a_backup_that_the_end_of_the_store_overtakes_is_not_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let row = Row::put(Table::Operator, b"password", b"hash".to_vec());
    store.commit_and_wait(at(5), vec![row]).expect("kept");
    let listener = store.tap.listen(dir.path(), 0).expect("listens");
    store.close(at(6), &[]).expect("closed");
    assert!(listener.end().is_err());
    let mut file = Vec::new();
    let refused = store.backup(&pepper(), at(9), &go_on, &mut file);
    assert_eq!(refused, Err("the server stops".to_owned()));
    let read = check_copy(file.as_slice(), std::io::sink());
    assert_eq!(
        read,
        Err("the server stops".to_owned()),
        "the reader is told"
    );
}

#[test]
fn nothing_that_belongs_together_is_torn_by_the_sweeper() {
    let (dir, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (dir, place) = (dir.expect("a directory"), place.expect("a directory"));
    let store = open(dir.path());
    for number in 0..12 {
        let answer = crate::store::tests::record(10, vec![b'a'; 60_000]);
        let key = record::key_of(at(10), &[number; 16]);
        let row = Row::put(Table::Answers, &key, record::encode(&answer));
        store.commit_and_wait(at(5), vec![row]).expect("kept");
    }
    let sweep = || store.sweep(at(100_000)).expect("swept or rests");
    // The first two pieces come before anything is read, and the last ones after all is.
    let (pieces, swept) = (RefCell::new(0), RefCell::new(0));
    let sweep_later = || {
        *pieces.borrow_mut() += 1;
        if *pieces.borrow() > 2 {
            *swept.borrow_mut() += sweep();
        }
    };
    let mut file = Watched(Vec::new(), &sweep_later);
    store
        .backup(&pepper(), at(9), &go_on, &mut file)
        .expect("made");
    let restored = restored(&file.0, place.path()).expect("restored");
    assert_eq!(
        (restored.found.rows, restored.found.faults),
        (24, Vec::new())
    );
    assert_eq!(swept.take() + sweep(), 12);
    assert_eq!(rows_of(&store), Rows::new(), "it goes on afterwards");
}

#[test]
fn a_backup_gives_up_before_the_disk_is_full() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        min_free_disk: u64::MAX >> 2,
        ..OPTIONS
    };
    let (store, _) = Store::open(dir.path(), options, [7; 32]).expect("opens");
    let large = vec![1; 300_000];
    let fill = |number: u8| {
        let row = Row::put(Table::Operator, &[number], large.clone());
        store.commit_and_wait(at(1), vec![row]).expect("urgent");
    };
    (0..6).for_each(fill);
    let few = RefCell::new(0);
    let write_little = || {
        *few.borrow_mut() += 1;
        (*few.borrow() == 3).then(|| fill(0));
    };
    let made = store.backup(&pepper(), at(1), &go_on, Watched(Vec::new(), &write_little));
    assert!(made.is_ok(), "{made:?}");
    let write_much = || fill(1);
    let out = Watched(Vec::new(), &write_much);
    let refused = store.backup(&pepper(), at(1), &go_on, out);
    assert!(refused.is_err_and(|why| why.contains("nearly full")));
}
