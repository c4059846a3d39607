//! `cargo bench --bench http`: how fast Atlas is beside a bare actix-web handler on the same machine, and what it takes.
//!
//! Starts the real binary, drives it over 127.0.0.1 and prints one Markdown table. Levels are measured in rounds that
//! alternate between the bare handler and Atlas, so that a noisy machine is noisy for both; a ratio is the median of
//! the rounds' ratios. Never fails because of a slow number; exits with 1 when something does not work.
//!
//! `cargo bench --bench http -- a c` measures only these of `a`, `b`, `c`, `e`, `memory` and `backup`. With `ATLAS_SERVER`
//! set to the path of a program, that one is measured instead of the one that cargo has built for it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's results go to the terminal"
)]

mod backup;
mod bare;
mod disk;
mod forward;
mod load;
mod memory;
mod probe;
mod profile;
mod proxies;
mod report;
mod server;
mod speed;
mod stats;

use std::process::ExitCode;
use std::time::Instant;

use report::Row;

/// What can go wrong goes up to `main`, which prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == bare::VERB) {
        return finish(bare::serve(&arguments[1..]));
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` comes through here and has no minutes to spare.
        println!("a benchmark: run it with `cargo bench --bench http`");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = arguments
        .into_iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if wanted == ["profile"] {
        return finish(profile::show());
    }
    finish(measure(&wanted))
}

fn measure(wanted: &[String]) -> Outcome<()> {
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let started = Instant::now();
    println!("the program is {}", server::program().display());
    let mut rows: Vec<Row> = Vec::new();
    if ["a", "b", "c"].into_iter().any(is_wanted) {
        rows.extend(speed::measure(&is_wanted)?);
    }
    if is_wanted("e") {
        rows.extend(forward::measure()?);
    }
    if ["memory", "backup"].into_iter().any(is_wanted) {
        rows.extend(memory::measure(&is_wanted)?);
    }
    println!("\n{}", report::markdown(&rows)?);
    println!("Took {:.0} s.", started.elapsed().as_secs_f64());
    Ok(())
}

fn finish(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
