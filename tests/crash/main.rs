//! The real binary, killed at random moments, and what is there when it starts again. `ATLAS_CRASH_ROUNDS` says how often
//! each test kills it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong"
)]

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::{Command, Stdio};

mod backups;
mod payments;
mod planted;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the binary")]
mod process;
mod repairs;
mod sessions;
mod starts;
mod sweeps;

/// Limits out of the way, and a name that stays whatever the port is.
const SETTINGS: &[&str] = &[
    "--per-minute",
    "1000000000",
    "--per-day",
    "1000000000",
    "--concurrent",
    "1000",
    "--public-url",
    "https://atlas.example",
];

/// A start that is cut short, right away or once it has written its first line.
fn kill_while_starting(directory: &Path) {
    let mut command = Command::new(process::BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("atlas starts");
    if random(2) == 0 {
        let mut first = [0];
        let mut log = child.stderr.take().expect("standard error");
        std::io::Read::read_exact(&mut log, &mut first).expect("a first line");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

/// How many kills: so many, unless more are asked for.
fn rounds(usual: usize) -> usize {
    let asked = std::env::var("ATLAS_CRASH_ROUNDS");
    asked.map_or(usual, |asked| asked.parse().expect("a number"))
}

/// Whether there is another round: until those that are asked for are over, and what comes by chance has come.
const fn goes_on(round: usize, rounds: usize, has_come: bool) -> bool {
    round < rounds || !has_come && round < 10 * rounds
}

/// A number below `end`; the moments are to differ from run to run.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}
