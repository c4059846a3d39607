//! What Atlas takes when idle and with a million live idempotency records, and how soon it is up again with those.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::load::{Plan, Requests};
use crate::probe::create_sessions;
use crate::report::{Row, Verdict};
use crate::server::{Server, make_key};
use crate::stats::thousands;
use crate::{Outcome, backup, load};

const RECORDS: u64 = 1_000_000;
/// As many connections as commits share one sync: the fill is to be short, not gentle. It ends when all are made.
const FILL: Plan = Plan {
    connections: 256,
    warm_up: Duration::ZERO,
    measured: Duration::from_secs(600),
};
pub const MB: f64 = 1e6;

/// Measures memory, start and size, and what is done with the store as a whole, as far as it is wanted.
pub fn measure(is_wanted: &dyn Fn(&str) -> bool) -> Outcome<Vec<Row>> {
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = temporary.path().join("atlas");
    // Most servers open a store that is there already.
    let first = Server::atlas(&data)?;
    let secret = make_key(&data, "test")?;
    first.stop()?;
    let server = Server::atlas(&data)?;
    // Idle is a server whose first upkeep is done.
    std::thread::sleep(Duration::from_secs(1));
    let idle = server.resident()?;
    let (records, took) = fill(&server, &secret)?;
    let full = server.resident()?;
    let live = format!("{} live records", thousands(records as f64));
    println!("  {live} in {:.0} s", took.as_secs_f64());
    let stopped_in = server.stop()?;
    println!("  stopped in {} ms", stopped_in.as_millis());
    let mut rows = Vec::new();
    if is_wanted("memory") {
        rows.push(memory_row("memory when idle", idle, 30.0));
        rows.push(memory_row(&format!("memory with {live}"), full, 300.0));
        rows.extend(start_and_size(&data, &live)?);
    }
    if is_wanted("backup") {
        rows.extend(backup::measure(&data, &live)?);
    }
    Ok(rows)
}

fn start_and_size(data: &Path, live: &str) -> Outcome<Vec<Row>> {
    let server = Server::atlas(data)?;
    let mut rows = vec![start_row(&format!("start with {live}"), &server)];
    std::thread::sleep(Duration::from_secs(1));
    let again = server.resident()?;
    println!("  after the start {:.0} MB", again as f64 / MB);
    // Dropped without a word, which is `kill -9`.
    drop(server);
    let server = Server::atlas(data)?;
    rows.push(start_row("the same after `kill -9`", &server));
    server.stop()?;
    rows.push(Row {
        what: format!("data directory with {live}"),
        atlas: format!("{:.0} MB", size_of(data)? as f64 / MB),
        beside: String::new(),
        verdict: Verdict::NoGoal,
    });
    Ok(rows)
}

fn fill(server: &Server, secret: &str) -> Outcome<(u64, Duration)> {
    println!("memory: filling");
    let mut requests: Requests = create_sessions(secret, "fill", RECORDS)?;
    let started = Instant::now();
    load::run(server.address, &mut requests, FILL, &|| server.cpu())
        .map_err(|why| server.complaint(&why.to_string()))?;
    Ok((RECORDS - requests.left(), started.elapsed()))
}

pub fn memory_row(what: &str, bytes: u64, goal: f64) -> Row {
    Row {
        what: what.to_owned(),
        atlas: format!("{:.0} MB", bytes as f64 / MB),
        beside: String::new(),
        verdict: Verdict::less_than(bytes as f64 / MB, goal, "MB"),
    }
}

fn start_row(what: &str, server: &Server) -> Row {
    let seconds = server.started_in.as_secs_f64();
    Row {
        what: what.to_owned(),
        atlas: format!("{seconds:.2} s"),
        beside: String::new(),
        verdict: Verdict::less_than(seconds, 2.0, "s"),
    }
}

/// Bytes on disk of a directory and what is in it.
fn size_of(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            size_of(&entry.path())?
        } else {
            about.blocks() * 512
        };
    }
    Ok(bytes)
}
