//! The run: starts the server and its clients, looks at the server's memory, kills it when that is asked for, and prints
//! what came of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Client, random};
use crate::ledger::{Key, Ledger};
use crate::process::{Atlas, BINARY, create_key};
use crate::{Outcome, RECORDS_LIVE, checks};

const CONNECTIONS: usize = 1_000;
const KEYS: usize = 50;
/// A client's stack; it holds a request and its answer.
const STACK: usize = 512 * 1024;
/// A server lives between so long and twice as long where it is killed.
const LIFE: Duration = Duration::from_secs(2);
const SAMPLE: Duration = Duration::from_secs(1);

/// Bytes of memory of the server, second by second.
pub type Memory = Vec<(Duration, u64)>;

pub fn run(time: Duration, with_kills: bool) -> Outcome<()> {
    let room = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit {
        current: room.maximum,
        maximum: room.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all)?;
    let temporary = tempfile::tempdir()?;
    let directory = temporary.path().join("data");
    let mut server = start(&directory, None);
    let keys = (0..KEYS).map(|number| make_limited_key(&directory, number));
    let ledger = Ledger::new(
        keys.collect::<Outcome<_>>()?,
        make_key(&directory, [1_000_000_000, 1_000_000_000, 1_000])?,
        server.address,
    );
    println!("{CONNECTIONS} connections, {KEYS} keys, {time:.0?}, kills: {with_kills}");
    let memory = std::thread::scope(|scope| {
        let clients = (0..CONNECTIONS).map(|number| {
            let client = std::thread::Builder::new().stack_size(STACK);
            let ledger = &ledger;
            let live = move || Client::new(ledger, number).live();
            client.spawn_scoped(scope, live).map(drop)
        });
        let started: std::io::Result<()> = clients.collect();
        let memory = started.map_err(Into::into).and_then(|()| {
            if with_kills {
                kill_again_and_again(&mut server, &ledger, time)
            } else {
                watch(&server, &ledger, time)
            }
        });
        ledger.is_over.store(true, Ordering::Relaxed);
        memory
    })?;
    println!("\n| seen | times |\n| --- | --- |");
    for (what, times) in ledger.tally() {
        println!("| {what} | {times} |");
    }
    checks::check(&ledger, &memory)?;
    let status = server.terminate();
    if !status.success() {
        ledger.broken(format!("it ended with {status}"));
    }
    let findings = ledger.findings();
    if findings.is_empty() {
        println!("\nEvery promise was kept.");
        return Ok(());
    }
    Err(format!("broken promises:\n{}", findings.join("\n")).into())
}

fn start(directory: &Path, address: Option<SocketAddr>) -> Atlas {
    let listen = address.map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
    let lifetime = format!("{}s", RECORDS_LIVE.as_secs());
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", &listen, "--data-dir"])
        .arg(directory)
        // The clients of buyers' requests have one address, and so have those of strangers.
        .args([
            "--idempotency-lifetime",
            &lifetime,
            "--public-url",
            "https://atlas.example",
        ])
        .env("RUST_LOG", "warn");
    Atlas::start(command, directory)
}

/// The first fifth gets more than its limits allow, and some have a day that ends early.
fn make_limited_key(directory: &Path, number: usize) -> Outcome<Key> {
    let is_busy = number < KEYS / 5;
    let (per_minute, concurrent) = if is_busy { (600, 8) } else { (6_000, 50) };
    let per_day = if number % 10 == 3 { 1_500 } else { 5_000_000 };
    make_key(directory, [per_minute, per_day, concurrent])
}

/// A key with these limits a minute, a day and at once.
fn make_key(directory: &Path, limits: [u64; 3]) -> Outcome<Key> {
    let [per_minute, per_day, concurrent] = limits.map(|limit| limit.to_string());
    let flags = [
        "--per-minute",
        &per_minute,
        "--per-day",
        &per_day,
        "--concurrent",
        &concurrent,
    ];
    let made = create_key(directory, &flags);
    let [per_minute, per_day, concurrent] = limits;
    Ok(Key {
        secret: made["secret"]
            .as_str()
            .ok_or("a key without a secret")?
            .to_owned(),
        per_minute,
        per_day,
        concurrent: usize::try_from(concurrent)?,
        admitted: AtomicU64::new(0),
        unsure: AtomicU64::new(0),
    })
}

pub fn resident(server: &Atlas) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .ok_or("the server is gone")?
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()?;
    Ok(kib * 1024)
}

fn watch(server: &Atlas, ledger: &Ledger, time: Duration) -> Outcome<Memory> {
    let mut memory = Memory::new();
    let started = Instant::now();
    let mut told = 0;
    while started.elapsed() < time {
        std::thread::sleep(SAMPLE.min(time.saturating_sub(started.elapsed())));
        memory.push((started.elapsed(), resident(server)?));
        if started.elapsed().as_secs() / 60 > told {
            told = started.elapsed().as_secs() / 60;
            let (orders, bytes) = (ledger.orders.lock().len(), resident(server)? >> 20);
            println!("{told} min: {orders} orders, {bytes} MiB of memory");
        }
    }
    Ok(memory)
}

fn kill_again_and_again(server: &mut Atlas, ledger: &Ledger, time: Duration) -> Outcome<Memory> {
    let directory = server.directory.clone();
    while ledger.started.elapsed() < time {
        std::thread::sleep(LIFE + LIFE.mul_f64(random(1_000) as f64 / 1_000.0));
        ledger.kills.fetch_add(1, Ordering::SeqCst);
        server.kill_here();
        *server = start(&directory, Some(ledger.address));
    }
    let kills = ledger.kills.load(Ordering::SeqCst);
    println!("killed {kills} times");
    Ok(Memory::new())
}
