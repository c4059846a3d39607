//! Levels a to d: Atlas beside the bare handler, round by round, and beside the disk.

use std::path::Path;
use std::time::Duration;

use crate::load::{Plan, Requests};
use crate::probe::{ask, create_session, create_sessions, read_session};
use crate::report::{Row, Verdict};
use crate::server::{Server, make_key};
use crate::stats::{Sample, median};
use crate::{Outcome, bare, disk, load};

const ROUNDS: usize = 5;
/// Sessions that are read in turn: those of as many buyers who are at the till.
const READ: usize = 200;
/// After each run, for what it left behind: closed connections, pages to be written.
const REST: Duration = Duration::from_millis(200);
const PLAN: Plan = Plan {
    connections: 50,
    warm_up: Duration::from_millis(500),
    measured: Duration::from_millis(2_500),
};

/// Measures the levels that are wanted.
pub fn measure(is_wanted: &dyn Fn(&str) -> bool) -> Outcome<Vec<Row>> {
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = temporary.path();
    let data = dir.join("atlas");
    let atlas = Server::atlas(&data)?;
    let bench = Bench {
        secret: make_key(&data, "test")?,
        atlas,
        dir,
    };
    println!("atlas is process {}", bench.atlas.pid());
    let mut rows = Vec::new();
    if is_wanted("a") {
        rows.push(bench.reads()?);
    }
    if is_wanted("b") {
        rows.push(bench.replays()?);
    }
    if is_wanted("c") {
        rows.extend(bench.new_keys()?);
    }
    bench.atlas.stop()?;
    Ok(rows)
}

struct Bench<'a> {
    atlas: Server,
    secret: String,
    dir: &'a Path,
}

/// One round of a level.
struct Round {
    bare: Sample,
    atlas: Sample,
}

impl Bench<'_> {
    fn reads(&self) -> Outcome<Row> {
        let read_one = |number: usize| -> Outcome<Vec<u8>> {
            let request = create_session(&self.secret, &format!("read {number}"));
            let made: serde_json::Value =
                serde_json::from_slice(&ask(self.atlas.address, &request)?.body)?;
            let id = made["id"].as_str().ok_or("a session without an id")?;
            Ok(read_session(&self.secret, id))
        };
        let reads: Vec<_> = (0..READ).map(read_one).collect::<Outcome<_>>()?;
        let sample = reads.first().ok_or("nothing to read")?.clone();
        let mut requests = Requests::in_turn(reads);
        let rounds = self.compare("a", &sample, &mut requests, || Ok(()))?;
        Ok(beside_bare(
            "a. `GET sessions/{id}`: authenticated and limited",
            &rounds,
            0.80,
        ))
    }

    fn replays(&self) -> Outcome<Row> {
        let request = create_session(&self.secret, "a replay");
        ask(self.atlas.address, &request)?;
        let replay = ask(self.atlas.address, &request)?;
        if !replay.head.contains("idempotent-replayed: true") {
            return Err(format!("no replay: {}", replay.head).into());
        }
        let rounds = self.compare("b", &request, &mut Requests::same(request.clone()), || {
            Ok(())
        })?;
        Ok(beside_bare(
            "b. `POST create-session`: replay of a kept answer",
            &rounds,
            0.70,
        ))
    }

    fn new_keys(&self) -> Outcome<[Row; 2]> {
        let first = create_session(&self.secret, "a new key");
        let mut requests = create_sessions(&self.secret, "speed", u64::MAX)?;
        let mut appends = Vec::with_capacity(ROUNDS);
        let rounds = self.compare("c", &first, &mut requests, || {
            let sample = disk::measure(self.dir, PLAN.connections, PLAN.measured)?;
            println!("  disk  {sample}");
            appends.push(sample);
            Ok(())
        })?;
        let of_disk = rounds
            .iter()
            .zip(&appends)
            .map(|(round, disk)| round.atlas.rate / disk.rate);
        let disk_row = Row {
            what: "d. the same beside 50 threads that append 4 KiB and share `fdatasync`"
                .to_owned(),
            atlas: atlas_of(&rounds).to_string(),
            beside: Sample::middle(&appends).to_string(),
            verdict: Verdict::at_least(median(of_disk.collect()), 0.70),
        };
        let title = "c. `POST create-session`: new key each, synced before the answer";
        Ok([beside_bare(title, &rounds, 0.35), disk_row])
    }

    /// Bare, Atlas and what `after` does, in turn.
    fn compare(
        &self,
        level: &str,
        sample: &[u8],
        requests: &mut Requests,
        mut after: impl FnMut() -> Outcome<()>,
    ) -> Outcome<Vec<Round>> {
        let answer = ask(self.atlas.address, sample)?;
        let bare = bare::start(self.dir, level, answer.status, &answer.body)?;
        let mut same = Requests::same(sample.to_vec());
        println!("level {level}, {ROUNDS} rounds");
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let round = Round {
                bare: drive(&bare, &mut same, PLAN)?,
                atlas: drive(&self.atlas, requests, PLAN)?,
            };
            println!("  bare  {}\n  atlas {}", round.bare, round.atlas);
            after()?;
            rounds.push(round);
        }
        bare.stop()?;
        Ok(rounds)
    }
}

/// One run, and the rest after it.
pub fn drive(server: &Server, requests: &mut Requests, plan: Plan) -> Outcome<Sample> {
    let sample = load::run(server.address, requests, plan, &|| server.cpu())
        .map_err(|why| server.complaint(&why.to_string()))?;
    std::thread::sleep(REST);
    Ok(sample)
}

fn atlas_of(rounds: &[Round]) -> Sample {
    Sample::middle(&rounds.iter().map(|round| round.atlas).collect::<Vec<_>>())
}

fn beside_bare(what: &str, rounds: &[Round], goal: f64) -> Row {
    let ratios = rounds
        .iter()
        .map(|round| round.atlas.rate / round.bare.rate);
    let bare: Vec<_> = rounds.iter().map(|round| round.bare).collect();
    Row {
        what: what.to_owned(),
        atlas: atlas_of(rounds).to_string(),
        beside: Sample::middle(&bare).to_string(),
        verdict: Verdict::at_least(median(ratios.collect()), goal),
    }
}
