//! Kills in the midst of sweeping: thousands of records that have expired are removed under load, and some of their
//! idempotency keys are taken anew meanwhile.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};

use crate::planted::{DAY, now, plant};
use crate::process::{Answer, Atlas, BINARY, Client, text};
use crate::{SETTINGS, random, rounds};

/// Kills, unless more are asked for.
const ROUNDS: usize = 8;
const WRITERS: usize = 8;
/// Records that expire before each round: some steps of the sweeper.
const EXPIRED: usize = 2_000;
/// A round is cut after some number of answers below this one.
const ANSWERS_MAX: u64 = 1_500;
const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

/// An idempotency key and the answer to it, if one came.
type Outcome = (String, Option<Answer>);

#[test]
fn kills_while_records_are_swept_lose_nothing_and_leave_nothing_half() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let secret = Atlas::serve(&directory, SETTINGS).key(&[]);
    let (rounds, mut answered, mut taken_anew, mut swept) = (rounds(ROUNDS), 0, 0, 0);
    for round in 0..rounds {
        expire(&directory, round);
        let before = rows(&directory);
        let server = Atlas::serve(&directory, SETTINGS);
        let outcomes = order_until_killed(server, &secret, round);
        // Nobody has started in between, and mended what the kill has left. An order is two rows at least.
        let made = outcomes.iter().filter(|(_, answer)| answer.is_some());
        swept += (before + 2 * made.count() as u64).saturating_sub(rows(&directory));

        let server = Atlas::serve(&directory, SETTINGS);
        let mut client = Client::connect(server.address).expect("a connection");
        for (key, first) in &outcomes {
            let again = client.create(&secret, key, ORDER).expect("an answer");
            assert_eq!(again.status, 201, "{key}: {}", text(&again.body));
            let Some(first) = first else { continue };
            assert!(again.replayed, "{key} was answered and is forgotten");
            assert_eq!(text(&again.body), text(&first.body), "{key}");
            answered += 1;
            taken_anew += usize::from(key.starts_with("expired"));
        }
        server.kill();
    }
    eprintln!(
        "{rounds} kills while {swept} rows were swept: {answered} answered and all there, {taken_anew} under old keys"
    );
    assert!(answered > rounds && taken_anew > 0 && swept > 0);
}

/// What `atlas verify` counts, all of which must be well.
fn rows(directory: &Path) -> u64 {
    let output = Command::new(BINARY)
        .args(["verify", "--json", "--data-dir"])
        .arg(directory)
        .output()
        .expect("atlas runs");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{found}");
    found["rows"].as_u64().expect("a number")
}

/// Puts records into the store that expired the day before yesterday.
fn expire(directory: &Path, round: usize) {
    let records = (0..EXPIRED).map(|number| (expired(round, number), vec![b'x'; 300]));
    plant(directory, now().minus(3 * DAY), records);
}

fn expired(round: usize, number: usize) -> String {
    format!("expired-{round}-{number}")
}

fn order_until_killed(server: Atlas, secret: &str, round: usize) -> Vec<Outcome> {
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (sender, address) = (sender.clone(), server.address);
            scope.spawn(move || order(address, secret, (round, writer), &sender));
        }
        drop(sender);
        let answers = usize::try_from(random(ANSWERS_MAX)).expect("few");
        let mut outcomes: Vec<Outcome> = receiver.iter().take(answers).collect();
        server.kill();
        outcomes.extend(receiver.iter());
        outcomes
    })
}

/// One order after the other until the server is gone, each second one under a key of a record that has expired.
fn order(
    address: SocketAddr,
    secret: &str,
    (round, writer): (usize, usize),
    outcomes: &Sender<Outcome>,
) {
    let Some(mut client) = Client::connect(address) else {
        return;
    };
    for number in 0.. {
        let place = number * WRITERS + writer;
        let key = if number % 2 == 0 && place < EXPIRED {
            expired(round, place)
        } else {
            format!("new-{round}-{place}")
        };
        let answer = client.create(secret, &key, ORDER);
        let ended = answer.is_none();
        outcomes.send((key, answer)).expect("somebody listens");
        if ended {
            return;
        }
    }
}
