//! Backups and restores that are killed, or that another overtakes: in the place is what was there, or all of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::{Atlas, BINARY, Client, eventually, run, text};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

/// A restore that has read all but the last byte of its backup, and waits for that.
struct Waiting(Child);

impl Waiting {
    fn begin(backup: &[u8], place: &Path) -> Self {
        let mut child = Command::new(BINARY)
            .args(["restore", "-", "--data-dir"])
            .arg(place)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("atlas starts");
        let input = child.stdin.as_mut().expect("standard input");
        input.write_all(&backup[..backup.len() - 1]).expect("read");
        let room = place.parent().expect("a room");
        eventually("it is at work", || {
            let within = |dir: PathBuf| dir.join("store/db").exists();
            entries(room)
                .into_iter()
                .any(|name| within(room.join(name)))
        });
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }

    /// Gives it the last byte; what it says then.
    fn end(mut self, backup: &[u8]) -> (Option<i32>, String) {
        let mut input = self.0.stdin.take().expect("standard input");
        input.write_all(&backup[backup.len() - 1..]).expect("read");
        drop(input);
        let output = self.0.wait_with_output().expect("ended");
        (output.status.code(), text(&output.stderr))
    }
}

fn entries(dir: &Path) -> Vec<String> {
    let list = std::fs::read_dir(dir).expect("a list");
    let mut names: Vec<String> = list
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// A backup with one order in it, the key's secret, and the answer to the order.
fn backup(temporary: &Path) -> (PathBuf, String, Vec<u8>) {
    let (directory, file) = (temporary.join("data"), temporary.join("a.backup"));
    let server = Atlas::serve(&directory, &[]);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    let first = client.create(&secret, "order_1", ORDER).expect("an answer");
    let made = run(&["backup", file.to_str().expect("text")], &directory);
    assert!(made.status.success(), "{}", text(&made.stderr));
    (file, secret, first.body)
}

fn restored(file: &Path, place: &Path) {
    let output = run(&["restore", file.to_str().expect("text")], place);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_restore_that_is_killed_leaves_the_place_free_and_the_next_one_cleans_up() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (file, secret, first) = backup(temporary.path());
    let bytes = std::fs::read(&file).expect("read");
    let room = temporary.path().join("room");
    std::fs::create_dir(&room).expect("made");
    let place = room.join("place");
    Waiting::begin(&bytes, &place).kill();
    let left = entries(&room);
    assert!(
        left.len() == 1 && left[0].starts_with(".place.restoring-"),
        "{left:?}"
    );
    restored(&file, &place);
    assert_eq!(entries(&room), ["place"]);
    let server = Atlas::serve(&place, &[]);
    let mut client = Client::connect(server.address).expect("a connection");
    let again = client.create(&secret, "order_1", ORDER).expect("an answer");
    assert_eq!((again.replayed, again.body), (true, first));
}

#[test]
fn of_two_restores_into_one_place_the_later_to_end_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (file, secret, first) = backup(temporary.path());
    let bytes = std::fs::read(&file).expect("read");
    let room = temporary.path().join("room");
    std::fs::create_dir(&room).expect("made");
    let place = room.join("place");
    let slow = Waiting::begin(&bytes, &place);
    restored(&file, &place);
    assert_eq!(entries(&room).len(), 2, "what is at work is left alone");
    // What the quick one has made is in use by now.
    let server = Atlas::serve(&place, &[]);
    let (code, said) = slow.end(&bytes);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("can't be moved to"), "{said}");
    assert_eq!(entries(&room), ["place", "place.log"]);
    let mut client = Client::connect(server.address).expect("a connection");
    let again = client.create(&secret, "order_1", ORDER).expect("an answer");
    assert_eq!((again.replayed, again.body), (true, first));
}

#[test]
fn a_backup_whose_server_is_killed_leaves_what_was_there() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, room) = (temporary.path().join("data"), temporary.path().join("room"));
    std::fs::create_dir(&room).expect("made");
    let file = room.join("a.backup");
    std::fs::write(&file, b"what was there").expect("written");
    let server = Atlas::serve(&directory, &[]);
    // It stands still, so the command waits with what it has of a file.
    let pid = server.pid().to_string();
    let stopped = Command::new("kill").args(["-s", "STOP", &pid]).status();
    assert!(stopped.expect("kill runs").success());
    let command = Command::new(BINARY)
        .arg("backup")
        .arg(&file)
        .arg("--data-dir")
        .arg(&directory)
        .stderr(Stdio::piped())
        .spawn()
        .expect("atlas starts");
    // The kernel lists the socket that listens, and then the one that is connected.
    let socket = directory.join("atlas.sock").display().to_string();
    eventually("it is connected", || {
        let sockets = std::fs::read_to_string("/proc/net/unix").expect("a list");
        sockets
            .lines()
            .filter(|line| line.ends_with(&socket))
            .count()
            > 1
    });
    assert_eq!(entries(&room), ["a.backup", "a.backup.partial"]);
    server.kill();
    let output = command.wait_with_output().expect("ended");
    let said = text(&output.stderr);
    assert!(said.contains("no backup was made"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(entries(&room), ["a.backup"]);
    assert_eq!(std::fs::read(&file).expect("read"), b"what was there");
}
