//! What must hold when all is over: memory, slots, counts, and every order that was answered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::create;
use crate::ledger::{Key, Ledger, Order};
use crate::run::Memory;
use crate::wire::{Manner, Request, Wire};
use crate::{Outcome, RECORDS_LIVE};

/// A minute window that began in the run is over then.
const QUIET: Duration = Duration::from_secs(61);
/// Growth of memory between the third and the last quarter of a run that is no growth: caches still fill.
const SLACK: u64 = 8 << 20;
/// What the tables of a store take in memory for a session more (a million take some 200 MB).
const A_SESSION: u64 = 256;
/// What a crash may cost a key of its day (`policy::LEASE_MAX`): the lease that was in use, and the one ordered ahead.
const A_CRASH: u64 = 2 * 256;
const READERS: usize = 8;
/// A record is looked for when it lives this long yet: the checks take their time.
const MARGIN: Duration = Duration::from_secs(60);

pub fn check(ledger: &Ledger, memory: &Memory) -> Outcome<()> {
    let ran = ledger.started.elapsed();
    flat(ledger, memory);
    orders_are_there(ledger);
    std::thread::sleep(QUIET);
    let kills = ledger.kills.load(Ordering::SeqCst);
    for (number, key) in ledger.keys.iter().enumerate() {
        counts_are_exact(ledger, (number, key), ran, kills)?;
        slots_are_back(ledger, (number, key));
    }
    let sum = |count: fn(&Key) -> u64| -> u64 { ledger.keys.iter().map(count).sum() };
    println!(
        "{} requests admitted for certain, {} unsure; counts and slots of {} keys looked at",
        sum(|key| key.admitted.load(Ordering::Relaxed)),
        sum(|key| key.unsure.load(Ordering::Relaxed)),
        ledger.keys.len()
    );
    Ok(())
}

fn median(samples: &[(Duration, u64)]) -> u64 {
    let mut bytes: Vec<u64> = samples.iter().map(|(_, bytes)| *bytes).collect();
    bytes.sort_unstable();
    bytes.get(bytes.len() / 2).copied().unwrap_or_default()
}

/// Least squares, in bytes a second.
fn slope(samples: &[(Duration, u64)]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean =
        |value: &dyn Fn(&(Duration, u64)) -> f64| samples.iter().map(value).sum::<f64>() / count;
    let (time, bytes) = (
        mean(&|(at, _)| at.as_secs_f64()),
        mean(&|(_, bytes)| *bytes as f64),
    );
    let part = |(at, bytes_then): &(Duration, u64)| {
        let from_mean = at.as_secs_f64() - time;
        (
            from_mean * (*bytes_then as f64 - bytes),
            from_mean * from_mean,
        )
    };
    let (up, along) = samples
        .iter()
        .map(part)
        .fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    if along > 0.0 { up / along } else { 0.0 }
}

fn flat(ledger: &Ledger, memory: &Memory) {
    let quarter = memory.len() / 4;
    if quarter == 0 {
        return;
    }
    let (third, last) = (
        median(&memory[2 * quarter..3 * quarter]),
        median(&memory[3 * quarter..]),
    );
    let peak = memory
        .iter()
        .map(|(_, bytes)| *bytes)
        .max()
        .unwrap_or_default();
    let sessions = ledger.orders.lock().len() as u64;
    println!(
        "\nmemory: {} MiB in the third quarter, {} MiB in the last, {} MiB at most; {:+.2} MiB an hour over the second half; {sessions} sessions",
        third >> 20,
        last >> 20,
        peak >> 20,
        slope(&memory[2 * quarter..]) * 3_600.0 / f64::from(1 << 20)
    );
    // A quarter of the sessions came in a quarter of the time.
    let allowed = third + SLACK + A_SESSION * sessions / 4;
    if last > allowed {
        ledger.broken(format!(
            "memory grew from {third} to {last} bytes in a quarter of the run"
        ));
    }
}

/// The day's count is what the clients know of, and a minute never admitted more than its limit.
fn counts_are_exact(
    ledger: &Ledger,
    (number, key): (usize, &Key),
    ran: Duration,
    kills: u64,
) -> Outcome<()> {
    let mut wire = Wire::connect(ledger.address).ok_or("no connection")?;
    let asked = Request::new(
        "GET",
        "sessions/sess_000000000000000000000000",
        &key.secret,
        "",
        "",
    );
    let answer = wire.ask(&asked, Manner::Quick).ok_or("no answer")?;
    ledger.count(key, Some(&answer));
    let (_, day) = answer
        .left
        .split_once("\"day\";r=")
        .ok_or("no day in RateLimit")?;
    let left: u64 = day.split(';').next().unwrap_or_default().parse()?;
    let used = key.per_day - left;
    let admitted = key.admitted.load(Ordering::Relaxed);
    let unsure = key.unsure.load(Ordering::Relaxed);
    if used < admitted || used > admitted + unsure + kills * A_CRASH {
        ledger.broken(format!(
            "key {number} has used {used} of its day; {admitted} were admitted, {unsure} are unsure"
        ));
    }
    // A bucket of a minute's worth, refilled evenly; a crash fills it.
    let minutes = ran.as_secs_f64() / 60.0 + 1.0;
    let most = key.per_minute as f64 * (1.0 + minutes + kills as f64) + 1.0;
    if admitted as f64 > most || admitted > key.per_day {
        ledger.broken(format!(
            "key {number} was admitted {admitted} times in {ran:.0?}"
        ));
    }
    Ok(())
}

/// As many requests as may run at once wait for their bodies together, and one more is refused.
fn slots_are_back(ledger: &Ledger, (number, key): (usize, &Key)) {
    if key.per_day < 5_000 {
        // Its day is over.
        return;
    }
    let request = create(&key.secret, "", 100);
    let mut waiting: Vec<Wire> = Vec::new();
    let mut admitted = 0;
    for _ in 0..key.concurrent {
        let Some(mut wire) = Wire::connect(ledger.address) else {
            ledger.broken("no connection".to_owned());
            return;
        };
        admitted += usize::from(wire.begin(&request));
        waiting.push(wire);
    }
    let late = Wire::connect(ledger.address).and_then(|mut wire| wire.ask(&request, Manner::Quick));
    let answers = waiting.iter_mut().filter_map(|wire| wire.finish(&request));
    let made = answers.filter(|answer| answer.status == 201).count();
    let is_about_slots =
        late.is_some_and(|answer| answer.status == 429 && answer.text().contains("concurrency"));
    if admitted < key.concurrent || made < key.concurrent || !is_about_slots {
        ledger.broken(format!(
            "key {number} has {made} of {} slots, and one more was refused: {is_about_slots}",
            key.concurrent
        ));
    }
}

/// Every session that was shown is there, and every record that still lives.
fn orders_are_there(ledger: &Ledger) {
    let secret = ledger.unlimited.secret.as_str();
    let orders = ledger.orders.lock();
    let replayed = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for part in orders.chunks(orders.len().div_ceil(READERS).max(1)) {
            let replayed = &replayed;
            scope.spawn(move || {
                let Some(mut wire) = Wire::connect(ledger.address) else {
                    ledger.broken("no connection".to_owned());
                    return;
                };
                // The youngest first: the others' records end while this looks.
                for order in part.iter().rev() {
                    if let Some(is_replayed) = is_there(ledger, &mut wire, secret, order) {
                        replayed.fetch_add(u64::from(is_replayed), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!(
        "{} answered orders looked for, {} of them repeated",
        orders.len(),
        replayed.load(Ordering::Relaxed)
    );
}

/// Whether its record was looked for, too.
fn is_there(ledger: &Ledger, wire: &mut Wire, secret: &str, order: &Order) -> Option<bool> {
    let path = format!("sessions/{}", order.session);
    let shown = wire.ask(&Request::new("GET", &path, secret, "", ""), Manner::Quick)?;
    let is_same = |body: &[u8]| *blake3::hash(body).as_bytes() == order.answer;
    if shown.status != 200 || !(order.changed || is_same(&shown.body)) {
        ledger.broken(format!(
            "{} is gone or changed: {}",
            order.session,
            shown.text()
        ));
    }
    if order.first_sent.elapsed() + MARGIN > RECORDS_LIVE {
        return Some(false);
    }
    let request = create(secret, &order.idempotency_key, order.amount);
    let again = wire.ask(&request, Manner::Quick)?;
    if !again.replayed || !is_same(&again.body) {
        ledger.broken(format!(
            "{} is forgotten: {}",
            order.idempotency_key,
            again.text()
        ));
    }
    Some(true)
}
