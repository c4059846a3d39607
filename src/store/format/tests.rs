//! Stores that another atlas has left. Made by the last ones of formats 4 and 5: each answered `order_1` to `order_40` and
//! stopped, was started, answered `in_the_journal`, and was killed.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::domain::idempotency::{IdempotencyKey, Kept, RecordId};
use crate::domain::key::{Account, Mode};
use crate::domain::time::Timestamp;
use crate::store::{Store, restore};

const OF_FORMAT_4: &[u8] = include_bytes!("format-4.tar.zst");
const OF_FORMAT_5: &[u8] = include_bytes!("format-5.tar.zst");
const OPTIONS: Options = Options {
    cache: 8 << 20,
    min_free_disk: 0,
    latest: None,
};

/// Lays a store there.
fn left_in(dir: &Path, store: &[u8]) {
    let mut tar = Command::new("tar");
    tar.arg("-x").arg("-C").arg(dir).stdin(Stdio::piped());
    let mut tar = tar.spawn().expect("tar runs");
    let unpacked = zstd::decode_all(store).expect("unpacked");
    let mut input = tar.stdin.take().expect("a pipe");
    input.write_all(&unpacked).expect("written");
    drop(input);
    assert!(tar.wait().expect("it ends").success());
}

fn names() -> impl Iterator<Item = String> {
    let orders = (1..=40).map(|number| format!("order_{number}"));
    orders.chain(["in_the_journal".to_owned()])
}

/// The session that was answered under this idempotency key, as it is kept, if the answer has its id.
fn answered(store: &Store, name: &str) -> Option<String> {
    let key = IdempotencyKey::parse(name.as_bytes()).expect("a key");
    let id = RecordId::of(&Account::default(), Mode::Test, &key);
    let record = store.record(&id).expect("read")?;
    let Kept::Answer(reply) = record.kept else {
        return None;
    };
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let session = crate::domain::id::SessionId::parse(body["id"].as_str()?)?;
    let kept = store.session(&session).expect("read")?;
    (kept.id == session).then(|| body["id"].to_string())
}

fn opened(dir: &Path) -> Store {
    let (store, _) = Store::open(dir, OPTIONS, [0; 32]).expect("opens");
    let found = store.verify(false, Timestamp::default()).expect("read");
    assert_eq!(found.faults, Vec::new());
    store
}

#[test]
fn every_answer_of_an_older_format_is_found_and_so_it_is_in_its_backup() {
    // In format 4 an answer, what leads there, and its session; then an answer and its session.
    for (format, store, rows) in [(4, OF_FORMAT_4, 3), (5, OF_FORMAT_5, 2)] {
        answers_are_found(format, store, rows * 41);
    }
}

fn answers_are_found(format: u32, store: &[u8], rows: u64) {
    let (dir, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (dir, place) = (dir.expect("a directory"), place.expect("a directory"));
    left_in(dir.path(), store);
    let store = opened(dir.path());
    let all: Vec<_> = names().map(|name| answered(&store, &name)).collect();
    let ids: std::collections::BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(ids.len(), 41, "{all:?}");
    store.close(Timestamp::default(), &[]).expect("closed");
    drop(store);
    let again = opened(dir.path());
    assert!(
        names()
            .zip(&all)
            .all(|(name, id)| answered(&again, &name) == *id)
    );
    drop(again);
    // What the format had, it has in its backup; so it is what an older atlas can restore.
    let backup = std::fs::File::open(copy_before(dir.path(), FORMAT)).expect("a backup");
    let restored = restore(backup, &place.path().join("data"), OPTIONS).expect("restored");
    assert_eq!(restored.backup.head.store_format, format);
    let older = restored.backup.extent.rows;
    assert!(older >= rows, "{older} rows of format {format}");
    let there = opened(&place.path().join("data"));
    assert!(
        names()
            .zip(&all)
            .all(|(name, id)| answered(&there, &name) == *id)
    );
}

#[test]
fn an_answer_that_format_4_had_lost_is_not_taken_for_one_that_never_was() {
    let dir = tempfile::tempdir().expect("a directory");
    left_in(dir.path(), OF_FORMAT_4);
    let key = IdempotencyKey::parse(b"order_7").expect("a key");
    let id = RecordId::of(&Account::default(), Mode::Test, &key);
    let config = sled::Config::new().path(dir.path().join("store"));
    let db = config.segment_size(crate::policy::SEGMENT).open();
    let db = db.expect("a database");
    let tree = |name: &str| db.open_tree(name).expect("a tree");
    let expires_at = tree("replies").get(id.as_bytes()).expect("read");
    let answer = [&*expires_at.expect("a pointer"), id.as_bytes()].concat();
    assert!(tree("answers").remove(answer).expect("removed").is_some());
    db.flush().expect("flushed");
    drop(db);
    let (store, _) = Store::open(dir.path(), OPTIONS, [0; 32]).expect("opens");
    assert_eq!(
        store.record(&id).map(|_| ()),
        Err(crate::store::Unavailable)
    );
    assert!(answered(&store, "order_8").is_some());
}
