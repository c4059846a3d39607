//! How long a backup, a restore and a look at every row take with a million live records, and in how much memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::memory::{MB, memory_row};
use crate::report::{Row, Verdict};
use crate::server::{Server, atlas_command};

/// Seconds that each may take.
const GOAL: f64 = 60.0;
/// Megabytes that each may take.
const GOAL_MB: f64 = 300.0;

/// Measures on a data directory that nobody serves, and that holds so many records.
pub fn measure(data: &Path, live: &str) -> Outcome<Vec<Row>> {
    let (file, place) = (
        data.with_extension("backup"),
        data.with_extension("restored"),
    );
    let file_name = file.to_string_lossy().into_owned();
    let mut rows = Vec::new();

    let server = Server::atlas(data)?;
    let (took, peak) = run(atlas_command(data, &["backup", &file_name]))?;
    rows.push(time_row(&format!("backup of {live} while serving"), took));
    rows.push(memory_row("most memory of its command", peak, GOAL_MB));
    rows.push(memory_row(
        "most memory of the server by then",
        server.peak()?,
        GOAL_MB,
    ));
    server.stop()?;
    let size = std::fs::metadata(&file)?.len();
    rows.push(Row {
        what: format!("backup file of {live}"),
        atlas: format!("{:.0} MB", size as f64 / MB),
        beside: String::new(),
        verdict: Verdict::NoGoal,
    });

    for (what, command) in [
        ("restore", atlas_command(&place, &["restore", &file_name])),
        ("verify, alone,", atlas_command(&place, &["verify"])),
        (
            "backup, alone,",
            atlas_command(&place, &["backup", &file_name]),
        ),
    ] {
        let (took, peak) = run(command)?;
        rows.push(time_row(&format!("{what} of {live}"), took));
        rows.push(memory_row("most memory of it", peak, GOAL_MB));
    }
    Ok(rows)
}

fn time_row(what: &str, took: Duration) -> Row {
    let seconds = took.as_secs_f64();
    println!("  {what}: {seconds:.1} s");
    Row {
        what: what.to_owned(),
        atlas: format!("{seconds:.1} s"),
        beside: String::new(),
        verdict: Verdict::less_than(seconds, GOAL, "s"),
    }
}

/// Runs a command to its end; how long that took, and the most memory it had.
fn run(mut command: Command) -> Outcome<(Duration, u64)> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak.max(peak_of(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    };
    if !status.success() {
        return Err(format!("{command:?} ended with {status}").into());
    }
    Ok((started.elapsed(), peak))
}

/// None once it has ended.
fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
