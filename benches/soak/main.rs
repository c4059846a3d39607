//! `cargo bench --bench soak -- 1h`: whether Atlas keeps its promises for as long as it is let run.
//!
//! A thousand connections and fifty keys against the real binary: orders, repetitions, mismatches, reads, payments,
//! refunds, refusals, strangers, bad bodies, resets, and clients that are slow in every part. `-- crash 10m` is the same with
//! a `kill -9` every few seconds. `-- churn` fills the store and sweeps it, again and again, and says what space that takes.
//! Prints what it has seen, and exits with 1 when a promise is broken.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark's results go to the terminal"
)]

mod checks;
mod churn;
mod client;
mod ledger;
#[path = "../../tests/binary/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the binary")]
mod process;
mod run;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

/// What can go wrong goes up to `main`, which prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How long a record answers repetitions here: short, so that sweeping is part of it.
pub const RECORDS_LIVE: Duration = Duration::from_secs(240);
const USUAL: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` comes through here and has no minutes to spare.
        println!("a benchmark: run it with `cargo bench --bench soak -- 60s`");
        return ExitCode::SUCCESS;
    }
    let is_asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let time = arguments
        .iter()
        .find_map(|argument| humantime::parse_duration(argument).ok());
    let outcome = if is_asked("churn") {
        churn::measure()
    } else {
        run::run(time.unwrap_or(USUAL), is_asked("crash"))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
