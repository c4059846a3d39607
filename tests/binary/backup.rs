//! `atlas backup` and `atlas restore`: the store in one file while it serves, and a store out of it that goes on as if
//! nothing had happened.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::process::{Answer, Atlas, BINARY, Client, eventually, json_of, run, text};
use crate::verify::served;

/// Limits out of the way.
const SETTINGS: &[&str] = &["--per-minute", "1000000", "--per-day", "1000000"];
const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

fn backup(directory: &Path, to: &Path) -> Output {
    let to = to.to_str().expect("text");
    run(&["backup", to], directory)
}

fn made(directory: &Path, to: &Path) {
    let output = backup(directory, to);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn restore(from: &Path, directory: &Path) -> Output {
    let from = from.to_str().expect("text");
    run(&["restore", from], directory)
}

fn restored(from: &Path, directory: &Path) {
    let output = restore(from, directory);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let verified = run(&["verify"], directory);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
}

fn create(server: &Atlas, secret: &str, key: &str) -> Answer {
    let mut client = Client::connect(server.address).expect("a connection");
    client.create(secret, key, ORDER).expect("an answer")
}

/// Text that does not compress.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'0' + u8::try_from(state >> 58).expect("below 64") % 43)
    };
    (0..length)
        .map(letter)
        .collect::<String>()
        .replace('\\', "-")
}

/// Makes sessions of some 40 KiB, until a backup can't be on its way as a whole.
fn fill(server: &Atlas, secret: &str) {
    let mut client = Client::connect(server.address).expect("a connection");
    for number in 0..120 {
        let metadata: serde_json::Map<String, Value> = (0..50)
            .map(|at| (format!("m{at}"), noise(number * 50 + at, 400).into()))
            .collect();
        let order = serde_json::json!({ "amount": 1, "currency": "USD", "metadata": metadata });
        let key = format!("fill-{number}");
        let answer = client.create(secret, &key, &order.to_string());
        assert_eq!(answer.expect("an answer").status, 201);
    }
}

/// What one client asked for, and what it was answered, in its order.
type Answers = Mutex<Vec<Vec<u8>>>;

/// Ends the clients, also when what goes on beside them fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_under_load_is_one_moment_after_the_command_began() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, place) = (
        temporary.path().join("data"),
        temporary.path().join("place"),
    );
    let server = Atlas::serve(&directory, SETTINGS);
    let secret = server.key(&[]);
    fill(&server, &secret);
    let file = temporary.path().join("a.backup");
    let (clients, is_over): ([Answers; 4], _) = (Default::default(), AtomicBool::new(false));
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        for (number, answers) in clients.iter().enumerate() {
            let (server, secret, is_over) = (&server, &secret, &is_over);
            scope.spawn(move || {
                let mut client = Client::connect(server.address).expect("a connection");
                for order in 0.. {
                    let key = format!("{number}-{order}");
                    let answer = client.create(secret, &key, ORDER).expect("an answer");
                    assert_eq!(answer.status, 201);
                    answers.lock().expect("a lock").push(answer.body);
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let answered = |answers: &Answers| answers.lock().expect("a lock").len();
        let _over = Over(&is_over);
        eventually("twenty answers for each client", || {
            clients.iter().all(|answers| answered(answers) >= 20)
        });
        before.extend(clients.iter().map(answered));
        made(&directory, &file);
    });
    drop(server);
    restored(&file, &place);
    let server = Atlas::serve(&place, SETTINGS);
    let mut client = Client::connect(server.address).expect("a connection");
    for (number, answers) in clients.iter().enumerate() {
        let answers = answers.lock().expect("a lock");
        let mut is_gone = false;
        for (order, first) in answers.iter().enumerate() {
            let key = format!("{number}-{order}");
            let again = client.create(&secret, &key, ORDER).expect("an answer");
            if again.replayed {
                assert!(!is_gone, "{key} is there, and one before it is not");
                assert_eq!(&again.body, first, "byte for byte");
                let path = format!("/functions/v1/sessions/{}", again.session());
                let read = client.get(&secret, &path).expect("an answer");
                assert_eq!(read.status, 200, "no record without its session");
            } else {
                assert!(
                    order >= before[number],
                    "{key} was answered before the backup"
                );
                is_gone = true;
            }
        }
    }
}

/// A list, without what is written down once a minute only.
fn told(list: &[&str], directory: &Path) -> Value {
    let mut told = json_of(list, directory);
    for row in told.as_array_mut().expect("an array") {
        let row = row.as_object_mut().expect("an object");
        row.remove("used_today");
        row.remove("last_used_at");
    }
    told
}

#[test]
fn a_restored_store_has_everything_that_the_first_one_had() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, place) = (
        temporary.path().join("data"),
        temporary.path().join("place"),
    );
    let server = served(&directory);
    let secret = server.key(&["--account", "other", "--per-day", "500"]);
    let first = create(&server, &secret, "order_1");
    let password = crate::process::run_with_input(
        &["dashboard", "--set-password"],
        &directory,
        "a long enough password\n",
    );
    assert!(password.status.success(), "{}", text(&password.stderr));
    let file = temporary.path().join("serving.backup");
    made(&directory, &file);
    assert_eq!(server.terminate().code(), Some(0));
    let lists: [&[&str]; 3] = [
        &["keys", "list"],
        &["webhooks", "list"],
        &["claims", "list"],
    ];
    let listed = lists.map(|list| told(list, &directory));
    restored(&file, &place);
    assert_eq!(lists.map(|list| told(list, &place)), listed);
    // The same of one that nobody serves, through pipes.
    let copy = temporary.path().join("alone.backup");
    let out = File::create(&copy).expect("a file");
    let piped = Command::new(BINARY)
        .args(["backup", "-", "--data-dir"])
        .arg(&place)
        .stdout(out)
        .output()
        .expect("atlas runs");
    assert!(piped.status.success(), "{}", text(&piped.stderr));
    let again = temporary.path().join("again");
    let piped = Command::new(BINARY)
        .args(["restore", "-", "--data-dir"])
        .arg(&again)
        .stdin(File::open(&copy).expect("the file"))
        .output()
        .expect("atlas runs");
    assert!(piped.status.success(), "{}", text(&piped.stderr));
    assert_eq!(lists.map(|list| told(list, &again)), listed);
    let server = Atlas::serve(&again, &[]);
    let replay = create(&server, &secret, "order_1");
    assert_eq!((replay.replayed, replay.body), (true, first.body));
    let mut client = Client::connect(server.address).expect("a connection");
    let form = "password=a+long+enough+password";
    let log_in = format!(
        "POST /dashboard/login HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len(),
        address = server.address
    );
    let entered = client.send(&log_in).expect("an answer");
    assert_eq!(entered.status, 303, "{}", text(&entered.body));
}

#[test]
fn a_file_is_the_owner_s_alone_and_is_replaced_when_the_new_one_is_whole() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, SETTINGS);
    let secret = server.key(&[]);
    let file = temporary.path().join("a.backup");
    std::fs::write(&file, b"what was there").expect("written");
    // The server stands still, so the command waits with what it has of a file.
    let signal = |name: &str| {
        let pid = server.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success());
    };
    let partial = temporary.path().join("a.backup.partial");
    signal("STOP");
    let mut command = Command::new(BINARY);
    command
        .arg("backup")
        .arg(&file)
        .arg("--data-dir")
        .arg(&directory);
    let mut child = command.stderr(Stdio::null()).spawn().expect("atlas starts");
    eventually("it begins", || partial.exists());
    let second = backup(&directory, &file);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("another backup"),
        "{}",
        text(&second.stderr)
    );
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(std::fs::read(&file).expect("read"), b"what was there");
    signal("CONT");
    create(&server, &secret, "order_1");
    // What the killed one asked for may be served until the server learns that nobody reads it.
    eventually("the next is made", || {
        backup(&directory, &file).status.success()
    });
    assert!(!partial.exists(), "what was left is gone");
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    restored(&file, &temporary.path().join("place"));
}

/// A backup that is read by hand, from the socket: its head, and then nothing.
fn slow_reader(directory: &Path) -> UnixStream {
    let mut reader = UnixStream::connect(directory.join("atlas.sock")).expect("a connection");
    reader
        .write_all(b"POST /backup HTTP/1.1\r\nHost: atlas\r\nContent-Length: 0\r\n\r\n")
        .expect("sent");
    let mut head = [0; 15];
    reader.read_exact(&mut head).expect("a head");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    reader
}

#[test]
fn who_reads_slowly_holds_up_neither_payments_nor_the_end_of_the_server() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, SETTINGS);
    let secret = server.key(&[]);
    fill(&server, &secret);
    let file = temporary.path().join("a.backup");
    let reader = slow_reader(&directory);
    let second = backup(&directory, &file);
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(
        said.contains("no backup was made: another backup"),
        "{said}"
    );
    assert!(!file.exists(), "nothing is written");
    assert_eq!(create(&server, &secret, "order_1").status, 201);
    drop(reader);
    // The server learns by and by that nobody reads any more.
    eventually("the next is made", || {
        backup(&directory, &file).status.success()
    });
    let reader = slow_reader(&directory);
    assert_eq!(server.terminate().code(), Some(0));
    drop(reader);
    restored(&file, &temporary.path().join("place"));
}

#[test]
fn what_can_t_be_restored_is_refused_by_name_and_nothing_is_left() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, file) = (
        temporary.path().join("data"),
        temporary.path().join("a.backup"),
    );
    let server = Atlas::serve(&directory, SETTINGS);
    let secret = server.key(&[]);
    create(&server, &secret, "order_1");
    made(&directory, &file);
    let running = restore(&file, &directory);
    assert_eq!(running.status.code(), Some(1));
    let said = text(&running.stderr);
    assert!(said.contains("a server uses"), "{said}");
    assert_eq!(server.terminate().code(), Some(0));
    let full = restore(&file, &directory);
    assert!(
        text(&full.stderr).contains("is not empty"),
        "{}",
        text(&full.stderr)
    );
    let whole = std::fs::read(&file).expect("read");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    let room = temporary.path().join("room");
    std::fs::create_dir(&room).expect("made");
    let place = room.join("place");
    for (bytes, says) in [
        (&flipped, "damaged"),
        (&whole[..whole.len() - 1].to_vec(), "cut short"),
        (&b"PK\x03\x04 a letter".to_vec(), "no backup of atlas"),
    ] {
        let bad = temporary.path().join("bad");
        std::fs::write(&bad, bytes).expect("written");
        let refused = restore(&bad, &place);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{says}: {said}");
        assert_eq!(
            std::fs::read_dir(&room).expect("a list").count(),
            0,
            "{says}"
        );
    }
    let nowhere = restore(&temporary.path().join("none"), &place);
    assert!(text(&nowhere.stderr).contains("can't be read"));
    std::fs::create_dir(&place).expect("made");
    restored(&file, &place);
}

#[test]
fn the_latest_backups_of_a_directory_are_kept() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, many) = (temporary.path().join("data"), temporary.path().join("many"));
    let server = Atlas::serve(&directory, &[]);
    std::fs::create_dir(&many).expect("made");
    let name = |day: u8| format!("atlas-202601{day:02}T031500Z.atlas-backup");
    (1..=5).for_each(|day| std::fs::write(many.join(name(day)), b"old").expect("written"));
    let left = format!("{}.partial", name(3));
    for other in ["notes.txt", "atlas-mine.atlas-backup", &left] {
        std::fs::write(many.join(other), b"mine").expect("written");
    }
    let to = many.to_str().expect("text");
    let told = json_of(&["backup", "--keep", "3", to], &directory);
    let listed: Vec<PathBuf> = std::fs::read_dir(&many)
        .expect("a list")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let new = PathBuf::from(told["file"].as_str().expect("a file"));
    let mut expected: Vec<PathBuf> = [&name(4), &name(5), "notes.txt", "atlas-mine.atlas-backup"]
        .map(|name| many.join(name))
        .to_vec();
    expected.push(many.join(new.file_name().expect("a name")));
    let sorted = |mut paths: Vec<PathBuf>| {
        paths.sort();
        paths
    };
    assert_eq!(sorted(listed), sorted(expected));
    let wrong = run(&["backup", "--keep", "3", "a.backup"], &directory);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
    drop(server);
    restored(&new, &temporary.path().join("place"));
}
