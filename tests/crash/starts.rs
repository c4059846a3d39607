//! Kills of a start in the midst of applying what was logged, one such start after the other: whatever they have done of
//! it, the next one finds all.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Atlas, BINARY, json_of, text};
use crate::sessions::{create, write_until_killed};
use crate::{SETTINGS, random, rounds};

/// Servers that are killed under load, unless more are asked for.
const ROUNDS: usize = 5;
/// Starts of each that are killed before one is not.
const STARTS: usize = 4;
/// Answers until a server is killed: enough for the next start to be busy for a while.
const ANSWERS_MIN: u64 = 300;
const ANSWERS_MAX: u64 = 1_000;

#[test]
fn starts_that_are_killed_while_they_apply_the_log_lose_nothing_of_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let begun = Instant::now();
    let mut server = Atlas::serve(&directory, SETTINGS);
    let mut whole = begun.elapsed();
    let secret = server.key(&[]);
    let (rounds, mut cut, mut answered) = (rounds(ROUNDS), 0, 0);
    for round in 0..rounds {
        let answers = ANSWERS_MIN + random(ANSWERS_MAX - ANSWERS_MIN);
        let outcomes = write_until_killed(server, &secret, round, answers);
        let mut window = whole;
        for _ in 0..STARTS {
            let (moment, has_served) = kill_while_applying(&directory, window);
            cut += usize::from(!has_served);
            // The next one comes before that.
            window = if has_served { moment } else { window };
        }
        let begun = Instant::now();
        server = Atlas::serve(&directory, SETTINGS);
        whole = begun.elapsed();
        for (key, first) in &outcomes {
            let again = create(server.address, &secret, key).expect("an answer");
            assert_eq!(again.status, 201, "{key}: {}", text(&again.body));
            let Some(first) = first else { continue };
            assert!(again.replayed, "{key} was answered and is forgotten");
            assert_eq!(text(&again.body), text(&first.body), "{key}");
            answered += 1;
        }
        let found = json_of(&["verify"], &directory);
        assert_eq!(found["faults"], serde_json::json!([]), "{found}");
    }
    let starts = rounds * STARTS;
    eprintln!(
        "{starts} starts killed, {cut} of them before they served: all of {answered} answers are there"
    );
    assert!(cut > 0, "no kill came in time");
}

/// Starts a server, and kills it at some moment within this time since it has opened the log; says which, and whether it
/// served by then.
fn kill_while_applying(directory: &Path, window: Duration) -> (Duration, bool) {
    let mut child = Command::new(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("atlas starts");
    let descriptors = format!("/proc/{}/fd", child.id());
    let journal = directory.join("store/journal");
    let has_opened_it = || {
        let list = std::fs::read_dir(&descriptors).into_iter().flatten();
        let mut targets = list.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.any(|target| target == journal)
    };
    while !has_opened_it() {
        let ended = child.try_wait().expect("known");
        assert!(ended.is_none(), "it does not start: {ended:?}");
        std::thread::yield_now();
    }
    // No moment is waited for: any will do.
    let most = u64::try_from(window.as_micros()).expect("short");
    let moment = Duration::from_micros(random(most.max(1)));
    std::thread::sleep(moment);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let mut said = String::new();
    let mut out = child.stdout.take().expect("standard output");
    out.read_to_string(&mut said).expect("text");
    (moment, !said.is_empty())
}
