//! Level e: forwarding to an upstream, beside the proxies that people would take otherwise. Load and upstream have one
//! core, and whoever forwards has another, alone while it is measured.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::load::{Plan, Requests};
use crate::memory::{MB, memory_row};
use crate::probe::{ORDER, ask, charge};
use crate::proxies::{Task, UPSTREAM_AUTHORIZATION, haproxy, nginx};
use crate::report::{Row, Verdict};
use crate::server::{Server, make_key, pinned, serve};
use crate::speed::drive;
use crate::stats::{Sample, median};
use crate::{Outcome, bare};

const ROUNDS: usize = 5;
const LOAD_CORE: usize = 0;
const PROXY_CORE: usize = 1;
const PLAN: Plan = Plan {
    connections: 50,
    warm_up: Duration::from_millis(500),
    measured: Duration::from_millis(2_500),
};
/// A thousand connections, each with a request in flight.
const CROWD: Plan = Plan {
    connections: 1_000,
    ..PLAN
};

/// Measures forwarding.
pub fn measure() -> Outcome<Vec<Row>> {
    if std::thread::available_parallelism()?.get() <= PROXY_CORE {
        eprintln!("there is one core only, so nothing is measured beside a proxy");
        return Ok(Vec::new());
    }
    let all = rustix::thread::sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set(LOAD_CORE);
    sched_setaffinity(None, &one)?;
    let rows = on_two_cores();
    sched_setaffinity(None, &all)?;
    rows
}

fn on_two_cores() -> Outcome<Vec<Row>> {
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = temporary.path();
    let answer = format!(r#"{{"id":"sess_0Vbzd6vF6AF5EMnItKMMcEbn","asked":{ORDER}}}"#);
    let upstream = bare::start(dir, "upstream", 201, answer.as_bytes())?;
    let data = dir.join("atlas");
    let secret = make_key(&data, "live")?;
    let atlas = start_atlas(&data, &upstream)?;
    let task = Task {
        dir,
        upstream: upstream.address,
        secret: &secret,
        core: PROXY_CORE,
    };
    let request = charge(&secret);
    for server in [&upstream, &atlas] {
        ask(server.address, &request)?;
    }
    println!("level e, {ROUNDS} rounds; atlas is process {}", atlas.pid());
    let mut requests = Requests::same(request.clone());
    let mut rows = Vec::new();
    for (name, other) in [("nginx", nginx(&task)?), ("HAProxy", haproxy(&task)?)] {
        let Some(other) = other else { continue };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(drive(&other, &mut requests, PLAN)?);
            ours.push(drive(&atlas, &mut requests, PLAN)?);
            println!(
                "  {name} {}\n  atlas {}",
                theirs[ours.len() - 1],
                ours[ours.len() - 1]
            );
        }
        let ratios = ours
            .iter()
            .zip(&theirs)
            .map(|(ours, theirs)| ours.rate / theirs.rate);
        let ratio = median(ratios.collect());
        rows.push(Row {
            what: format!("e. forwarding, no idempotency key, beside {name}"),
            atlas: Sample::middle(&ours).to_string(),
            beside: Sample::middle(&theirs).to_string(),
            verdict: if name == "nginx" {
                Verdict::at_least(ratio, 0.9)
            } else {
                Verdict::told(ratio)
            },
        });
    }
    rows.push(crowd(&atlas, &mut requests)?);
    atlas.stop()?;
    upstream.stop()?;
    Ok(rows)
}

fn crowd(atlas: &Server, requests: &mut Requests) -> Outcome<Row> {
    let sample = drive(atlas, requests, CROWD)?;
    let memory = atlas.peak()?;
    println!("  1,000 connections {sample}, {:.0} MB", memory as f64 / MB);
    Ok(memory_row(
        "most memory while forwarding for 1,000 connections at once",
        memory,
        50.0,
    ))
}

fn start_atlas(data: &Path, upstream: &Server) -> Outcome<Server> {
    let mut command = forwarding(data, upstream);
    command.args(["--workers", "1"]);
    Server::spawn(pinned(&command, PROXY_CORE), &data.with_extension("log"))
}

/// The command that serves, and sends what live keys ask for to an upstream.
pub fn forwarding(data: &Path, upstream: &Server) -> Command {
    let mut command = serve(data);
    command
        .env("ATLAS_LIVE_AUTHORIZATION", UPSTREAM_AUTHORIZATION)
        .arg("--live-upstream")
        .arg(format!("http://{}/functions/v1", upstream.address));
    command
}
