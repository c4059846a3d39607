//! Kills the real binary at random moments under 50 parallel writers, starts it again, and compares what is there with
//! what was answered (contract, section 3: both or neither, and never a key stuck "in use").
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use crate::process::{self, Answer, Atlas, Client};
use crate::{SETTINGS, kill_while_starting, random, rounds};

/// Kills, unless more are asked for.
const ROUNDS: usize = 30;
const WRITERS: usize = 50;
/// A round is cut after some number of answers below this one.
const ANSWERS_MAX: u64 = 1_500;
/// An idempotency key and the answer to it, if one came.
pub type Outcome = (String, Option<Answer>);

#[test]
fn what_was_answered_is_there_after_kill_9_and_the_rest_is_whole_or_absent() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut sessions = HashSet::new();
    let mut secret = None;
    let (mut answered, mut cut, mut survived) = (0, 0, 0);
    let rounds = rounds(ROUNDS);
    for round in 0..rounds {
        kill_while_starting(&directory);
        let server = Atlas::serve(&directory, SETTINGS);
        let secret = secret.get_or_insert_with(|| server.key(&[]));
        let outcomes = write_until_killed(server, secret, round, random(ANSWERS_MAX));

        let server = Atlas::serve(&directory, SETTINGS);
        for (key, answer) in &outcomes {
            let again = create(server.address, secret, key).expect("an answer after the restart");
            assert_eq!(
                again.status,
                201,
                "{key} is stuck: {}",
                process::text(&again.body)
            );
            match answer {
                Some(first) => {
                    assert!(again.replayed, "{key} was answered and is forgotten");
                    assert_eq!(
                        process::text(&again.body),
                        process::text(&first.body),
                        "{key}"
                    );
                    answered += 1;
                }
                None => {
                    cut += 1;
                    survived += usize::from(again.replayed);
                }
            }
            assert!(
                sessions.insert(again.session()),
                "{key} shares a session with another"
            );
            assert_shown(server.address, secret, &again);
        }
        server.kill();
    }
    eprintln!(
        "{rounds} kills: {answered} answered and all there; {cut} cut, {survived} of them whole, the rest absent"
    );
    assert!(
        answered > rounds * WRITERS,
        "the rounds did too little to mean anything"
    );
    // A start applies what the last kill left in the journal.
    assert!(Atlas::serve(&directory, SETTINGS).terminate().success());
    assert_same_rows(&directory, sessions.len());
}

/// Lets the writers write until so many answers have come, then kills the server in the midst of the rest.
pub fn write_until_killed(server: Atlas, secret: &str, round: usize, answers: u64) -> Vec<Outcome> {
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (sender, address) = (sender.clone(), server.address);
            scope.spawn(move || {
                write(
                    address,
                    secret,
                    &format!("round-{round}-writer-{writer}"),
                    &sender,
                )
            });
        }
        drop(sender);
        let mut outcomes: Vec<Outcome> = receiver
            .iter()
            .take(usize::try_from(answers).expect("few"))
            .collect();
        server.kill();
        outcomes.extend(receiver.iter());
        outcomes
    })
}

/// One order after the other until the server is gone; the last one is cut.
fn write(address: SocketAddr, secret: &str, name: &str, outcomes: &Sender<Outcome>) {
    let Some(mut client) = Client::connect(address) else {
        return;
    };
    for order in 0.. {
        let key = format!("{name}-{order}");
        let answer = client.create(secret, &key, &body(&key));
        let ended = answer.is_none();
        outcomes.send((key, answer)).expect("somebody listens");
        if ended {
            return;
        }
    }
}

fn body(key: &str) -> String {
    let note = "n".repeat(300);
    format!(r#"{{"amount":4990,"currency":"USD","external_id":"{key}","description":"{note}"}}"#)
}

/// Makes the order of this key, or has it replayed.
pub fn create(address: SocketAddr, secret: &str, key: &str) -> Option<Answer> {
    Client::connect(address)?.create(secret, key, &body(key))
}

fn assert_shown(address: SocketAddr, secret: &str, made: &Answer) {
    let path = format!("/functions/v1/sessions/{}", made.session());
    let shown = Client::connect(address)
        .and_then(|mut client| client.get(secret, &path))
        .expect("an answer");
    assert_eq!(
        (shown.status, &shown.body),
        (200, &made.body),
        "a replayed session must exist"
    );
}

/// As many sessions as records, and no more than were ever shown: no session without its record.
fn assert_same_rows(directory: &Path, expected: usize) {
    let database = sled::Config::new()
        .path(directory.join("store"))
        .segment_size(8 << 20)
        .open()
        .expect("the store opens");
    let tree = |name: &str| database.open_tree(name).expect("a table");
    // What a block of records contains: a version, and 24 bytes for each.
    let records = tree("contents").iter().values();
    let records: usize = records.map(|row| row.expect("read").len() / 24).sum();
    // A block of sessions says behind its version how many it has; the others have rows of their own.
    let together = tree("session_blocks").iter().values();
    let together: usize = together
        .filter_map(|row| Some(row.expect("read").get(1..)?.first_chunk().copied()))
        .flatten()
        .map(|count| usize::from(u16::from_be_bytes(count)))
        .sum();
    assert!(together > 0, "50 writers make some together");
    let sessions = tree("sessions").len() + together;
    assert_eq!((sessions, records), (expected, expected));
    let blobs = std::fs::read_dir(directory.join("store/blobs"))
        .expect("a directory")
        .count();
    assert_eq!(blobs, 0, "sled never syncs blob files");
}
