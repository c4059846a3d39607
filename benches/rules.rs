//! `cargo bench --bench rules`: what the pure parts of a request cost, in nanoseconds. Each is run in batches; the
//! middle of the batches is printed, so that a busy machine disturbs little. Never fails because of a slow number.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's results go to the terminal"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use atlas::domain::idempotency::Fingerprint;
use atlas::domain::json::Json;
use atlas::domain::key::Mode;
use atlas::domain::limit::Limits;
use atlas::domain::masking::masked;
use atlas::domain::secret::{Pepper, Secret};
use atlas::domain::time::Timestamp;
use atlas::limiter::{Admission, KeyLimiter};
use atlas::policy;

/// A session as a shop makes one.
const BODY: &str = r#"{"amount":4990,"currency":"USD","capture_method":"automatic","external_id":"order-2026-11-25-000017","description":"Two concert tickets, row 7","metadata":{"cart":"c_81f0","shop":"main"}}"#;
const BATCHES: usize = 101;
const BATCH: u32 = 2_000;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` comes through here.
        println!("a benchmark: run it with `cargo bench --bench rules`");
        return;
    }
    println!("| rule | ns |\n| --- | --- |");
    hash_a_secret();
    admit_a_request();
    read_a_body();
    fingerprint_a_body();
    mask_a_body();
}

/// Prints the middle of the batches' means.
fn time(what: &str, mut once: impl FnMut()) {
    let mut means: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let started = Instant::now();
            (0..BATCH).for_each(|_| once());
            started.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    println!("| {what} | {:.0} |", means[BATCHES / 2]);
}

fn hash_a_secret() {
    let pepper = Pepper::new([7; 32]);
    let secret = Secret::mint(Mode::Test, [b'a'; policy::SECRET_RANDOM]);
    time("`Pepper::hash` of a secret", || {
        black_box(pepper.hash(black_box(secret.expose().as_bytes())));
    });
}

fn admit_a_request() {
    let limits = Limits {
        per_minute: policy::LIMIT_MAX,
        per_day: policy::LIMIT_MAX,
        concurrent: policy::CONCURRENT,
    };
    let now = Timestamp::from_millis(1_795_608_000_000);
    let limiter = Arc::new(KeyLimiter::new(limits, now.day(), 0));
    time("`KeyLimiter::admit` and back", || {
        // Leases are granted at once, as by a disk that takes no time.
        let lease = match black_box(limiter.admit(black_box(now))) {
            Admission::Admitted(permit, lease) => {
                drop(permit);
                lease
            }
            Admission::NeedsLease(waiting) => waiting.lease,
            Admission::Refused(_) => None,
        };
        lease
            .into_iter()
            .for_each(|lease| limiter.leased(lease, true, now));
    });
}

fn read_a_body() {
    time(&format!("`Json::parse` of {} bytes", BODY.len()), || {
        drop(black_box(Json::parse(black_box(BODY.as_bytes()))));
    });
}

fn fingerprint_a_body() {
    let path = "/functions/v1/create-session";
    time("`Json::parse` and `Fingerprint::of`", || {
        let body = Json::parse(black_box(BODY.as_bytes()));
        drop(black_box(body.map(|body| {
            Fingerprint::of("POST", path, "", &body.canonical())
        })));
    });
}

fn mask_a_body() {
    time("`masked` of a body with nothing to hide", || {
        black_box(masked(black_box(BODY)));
    });
}
