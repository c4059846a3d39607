//! An upstream that goes away and comes back under load: every order is charged once in the end.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::caller::{Call, Caller};
use crate::script::{assert_charged_once, charge_in};
use crate::upstream::eventually;
use crate::world::World;

const OUTAGES: usize = 3;
const WRITERS: usize = 10;
/// Charges between one outage and the next.
const CHARGES: usize = 100;

#[derive(Default)]
struct Progress {
    over: AtomicBool,
    failures: AtomicUsize,
    /// The charge of each order.
    done: Mutex<HashMap<String, String>>,
}

#[test]
fn every_order_is_charged_once_when_the_upstream_goes_and_returns() {
    let world = World::new();
    let progress = Progress::default();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (world, progress) = (&world, &progress);
            scope.spawn(move || order(world, writer, progress));
        }
        for _ in 0..OUTAGES {
            let enough = world.upstream.charges().len() + CHARGES;
            eventually("charges are made", || {
                world.upstream.charges().len() >= enough
            });
            let failures = progress.failures.load(Ordering::SeqCst);
            world.upstream.stop();
            eventually("the outage is felt", || {
                progress.failures.load(Ordering::SeqCst) > failures
            });
            world.upstream.start();
        }
        let enough = world.upstream.charges().len() + CHARGES;
        eventually("it goes on", || world.upstream.charges().len() >= enough);
        progress.over.store(true, Ordering::SeqCst);
    });
    let done = progress.done.into_inner().expect("no panic");
    assert!(done.len() >= OUTAGES * CHARGES, "{} orders", done.len());
    let charges = world.upstream.charges();
    assert_charged_once(&charges);
    assert_eq!(
        charges.len(),
        done.len(),
        "what was charged was answered in the end"
    );
    for charge in &charges {
        assert_eq!(done[&charge.order], charge.id);
    }
    assert_eq!(world.claims().len(), 0);
}

/// One order after the other, each until it is charged.
fn order(world: &World, writer: usize, progress: &Progress) {
    let mut caller: Caller = world.caller();
    for number in 0.. {
        if progress.over.load(Ordering::SeqCst) {
            return;
        }
        let key = format!("{writer}-{number}");
        loop {
            let reply = caller
                .send(&Call::keyed(&key), &world.secret)
                .expect("an answer");
            if reply.status == 201 {
                let mut done = progress.done.lock().expect("no panic");
                done.insert(key, charge_in(&reply.body));
                break;
            }
            match reply.status {
                502 => reply.expect(502, "upstream_unreachable"),
                504 => reply.expect(504, "upstream_outcome_unknown"),
                _ => reply.expect(503, "upstream_unavailable"),
            };
            progress.failures.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
        }
    }
}
