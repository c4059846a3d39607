//! Another format of the store: an older one is backed up before it becomes ours, a newer one is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::process::{Answer, Atlas, BINARY, Client, eventually, has_tool, read_log, run, text};

const OURS: u32 = 6;
/// The formats before that differ from each other in how rows lie.
const OLDER: [u32; 2] = [4, 5];

fn opened(directory: &Path) -> sled::Db {
    let store = directory.join("store");
    // As a start does: sled does not open beside a snapshot that a kill has cut off.
    for entry in std::fs::read_dir(&store).expect("a list") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "generating") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let config = sled::Config::new().path(store).segment_size(8 << 20);
    // Another test may begin a process at this moment, and until that runs its own program it holds every lock of this one.
    let mut db = None;
    eventually("nobody holds the store", || {
        db = match config.open() {
            Err(sled::Error::Io(e)) if e.to_string().contains("could not acquire lock") => None,
            opened => Some(opened.expect("opens")),
        };
        db.is_some()
    });
    db.expect("opens")
}

/// Makes the store one of this format.
fn mark(directory: &Path, format: u32) {
    let store = opened(directory);
    let meta = store.open_tree("meta").expect("a tree");
    meta.insert("format", &format.to_be_bytes())
        .expect("written");
    store.flush().expect("flushed");
}

/// Makes a store that was stopped one of an older format: each session of it has a row of its own, and up to format 4 each
/// answer has one, and one that leads to it.
fn age(directory: &Path, format: u32) {
    let store = opened(directory);
    let tree = |name: &str| store.open_tree(name).expect("a tree");
    let (answers, leads) = (tree("answers"), tree("replies"));
    let sessions = tree("sessions");
    let made_alone = |key: &[u8], value: &[u8]| {
        // One that has changed counts.
        drop(
            sessions
                .compare_and_swap(key, None::<&[u8]>, Some(value))
                .expect("written"),
        );
    };
    each_record(&tree("session_blocks"), made_alone);
    let mut gone = vec!["session_blocks", "session_spans"];
    if format < 5 {
        each_record(&tree("blocks"), |key, record| {
            answers.insert(key, record).expect("written");
            leads.insert(&key[8..], &key[..8]).expect("written");
        });
        gone.extend(["blocks", "contents"]);
    }
    for name in gone {
        store.drop_tree(name).expect("dropped");
    }
    let meta = tree("meta");
    let checkpoint = meta.get("checkpoint").expect("read").expect("a row");
    let known = if format < 5 { 16 } else { 24 };
    meta.insert("checkpoint", &checkpoint[..known])
        .expect("written");
    meta.insert("format", &format.to_be_bytes())
        .expect("written");
    store.flush().expect("flushed");
}

/// The records of all blocks.
fn each_record(blocks: &sled::Tree, mut each: impl FnMut(&[u8], &[u8])) {
    for row in blocks.iter() {
        let (_, block) = row.expect("read");
        let Some((count, rest)) = block.get(1..).and_then(|rest| rest.split_first_chunk()) else {
            continue;
        };
        let entries = usize::from(u16::from_be_bytes(*count)) * 28;
        let (entries, mut records) = rest.split_at(entries);
        for entry in entries.chunks(28) {
            let (key, length) = entry.split_at(24);
            let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
            let (record, others) = records.split_at(length as usize);
            records = others;
            each(key, record);
        }
    }
}

fn marked(directory: &Path) -> u32 {
    let store = opened(directory);
    let meta = store.open_tree("meta").expect("a tree");
    let format = meta.get("format").expect("read").expect("a format");
    u32::from_be_bytes(format.as_ref().try_into().expect("four bytes"))
}

/// Whether what is not one of ours yet can be read by the atlas that wrote it.
fn assert_known_to(format: u32, directory: &Path) {
    let store = opened(directory);
    let meta = store.open_tree("meta").expect("a tree");
    let checkpoint = meta.get("checkpoint").expect("read").expect("a row");
    let known = if format < 5 { 16 } else { 24 };
    assert_eq!(checkpoint.len(), known, "of format {format}");
}

fn order(server: &Atlas, secret: &str, key: &str) -> Answer {
    let mut client = Client::connect(server.address).expect("a connection");
    let order = r#"{"amount":4990,"currency":"USD"}"#;
    client.create(secret, key, order).expect("an answer")
}

#[test]
fn an_older_store_is_backed_up_before_it_becomes_one_of_ours() {
    OLDER.into_iter().for_each(becomes_ours);
}

fn becomes_ours(format: u32) {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, place) = (
        temporary.path().join("data"),
        temporary.path().join("place"),
    );
    let server = Atlas::serve(&directory, &[]);
    let secret = server.key(&[]);
    let first = order(&server, &secret, "order_1");
    assert_eq!(server.terminate().code(), Some(0));
    age(&directory, format);
    let copy = directory.join(format!("before-format-{OURS}.atlas-backup"));
    // What an attempt has left that was killed.
    std::fs::write(&copy, b"of long ago").expect("written");
    std::fs::write(copy.with_extension("atlas-backup.partial"), b"half").expect("written");
    let server = Atlas::serve(&directory, &[]);
    let mode = std::fs::metadata(&copy)
        .expect("a backup")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(order(&server, &secret, "order_1").body, first.body);
    let later = order(&server, &secret, "order_2");
    assert_eq!(server.terminate().code(), Some(0));
    let log = read_log(&directory);
    let says = format!("the store has format {format} and becomes format {OURS}");
    assert!(
        log.contains(&says) && log.contains("before-format-"),
        "{log}"
    );
    assert_eq!(marked(&directory), OURS);
    let made = std::fs::read(&copy).expect("read");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
    assert_eq!(std::fs::read(&copy).expect("read"), made, "once is enough");
    // The way back: what was there before, and nothing of what came after.
    let restored = run(&["restore", copy.to_str().expect("text")], &place);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let server = Atlas::serve(&place, &[]);
    let again = order(&server, &secret, "order_1");
    assert_eq!((again.replayed, again.body), (true, first.body));
    let afresh = order(&server, &secret, "order_2");
    assert!(!afresh.replayed && afresh.body != later.body);
}

/// A start that is killed when one of its threads makes this call for the `when`th time, if it comes to that.
fn start_killed_at(directory: &Path, call: &str, when: usize) -> Result<Atlas, String> {
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-q", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .args(["-e", &format!("inject={call}:signal=KILL:when={when}")])
        .args([BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory);
    Atlas::try_start(command, directory)
}

#[test]
fn killed_at_any_moment_a_store_is_of_the_older_format_or_of_ours_with_a_backup_of_what_it_was() {
    if has_tool("strace", &["-V"]) {
        OLDER.into_iter().for_each(is_killed_and_started_again);
    }
}

fn is_killed_and_started_again(format: u32) {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let copy = directory.join(format!("before-format-{OURS}.atlas-backup"));
    let server = Atlas::serve(&directory, &[]);
    let secret = server.key(&[]);
    let first = order(&server, &secret, "order_1");
    assert_eq!(server.terminate().code(), Some(0));
    let (mut older, mut ours) = (0, 0);
    for call in ["fsync", "fdatasync", "rename", "unlink"] {
        for when in 1.. {
            assert!(when < 100, "no start is the whole of it");
            age(&directory, format);
            drop(std::fs::remove_file(&copy));
            let started = start_killed_at(&directory, call, when);
            let is_over = started.is_ok();
            drop(started);
            if marked(&directory) == OURS {
                ours += 1;
                let place = temporary.path().join(format!("{call}-{when}"));
                let restored = run(&["restore", copy.to_str().expect("text")], &place);
                assert!(restored.status.success(), "{}", text(&restored.stderr));
            } else {
                assert_known_to(format, &directory);
                older += 1;
            }
            if is_over {
                break;
            }
            let server = Atlas::serve(&directory, &[]);
            let again = order(&server, &secret, "order_1");
            assert_eq!(again.body, first.body, "{call} {when}");
            assert!(again.replayed && copy.exists(), "{call} {when}");
            assert_eq!(server.terminate().code(), Some(0));
        }
    }
    assert!(
        older > 0 && ours > 0,
        "{older} of the older, {ours} of ours"
    );
}

#[test]
fn a_store_that_can_t_be_backed_up_stays_what_it_is() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
    age(&directory, OURS - 1);
    let copy = directory.join(format!("before-format-{OURS}.atlas-backup"));
    std::fs::create_dir(&copy).expect("in the way");
    let refused = run(&["serve", "--listen", "127.0.0.1:0"], &directory);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no backup of it could be made before that"),
        "{said}"
    );
    assert_eq!(marked(&directory), OURS - 1);
    assert_known_to(OURS - 1, &directory);
    std::fs::remove_dir(&copy).expect("out of the way");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
    assert_eq!(marked(&directory), OURS);
}

#[test]
fn a_newer_store_is_refused_with_the_way_back_if_there_is_one() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
    mark(&directory, OURS + 1);
    let refusal = || {
        let refused = run(&["serve", "--listen", "127.0.0.1:0"], &directory);
        assert_eq!(refused.status.code(), Some(1));
        text(&refused.stderr)
    };
    let said = refusal();
    let says = format!("the store has format {}, this atlas", OURS + 1);
    assert!(said.contains(&says) && !said.contains("restore"), "{said}");
    let copy = directory.join(format!("before-format-{}.atlas-backup", OURS + 1));
    std::fs::write(&copy, b"a backup").expect("written");
    let said = refusal();
    let back = format!("restore {} into an empty directory", copy.display());
    assert!(said.contains(&back), "{said}");
    assert_eq!(marked(&directory), OURS + 1, "it is left alone");
}
