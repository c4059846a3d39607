//! The server killed between claim and answer: after that there is one charge a key, and every answer is there.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use crate::caller::{Call, Caller, Reply};
use crate::process::{Atlas, json_of};
use crate::script::{Step, assert_charged_once, charge_in};
use crate::upstream::Upstream;
use crate::world::{World, serve};

const ROUNDS: usize = 100;
const WRITERS: usize = 20;
/// A round is cut after some number of answers below this one.
const ANSWERS_MAX: u64 = 300;

/// An idempotency key and the answer to it, if one came.
type Outcome = (String, Option<Reply>);

/// A number below `end`; the moments are to differ from run to run.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

#[test]
fn a_claim_is_on_disk_before_the_upstream_sees_a_byte() {
    let mut world = World::new();
    let call = Call::keyed("order_1");
    for is_done in [false, true] {
        let steps = if is_done {
            vec![Step::WorkCutAt(0), Step::Wait]
        } else {
            vec![Step::Wait]
        };
        world.upstream.then(steps);
        let before = world.upstream.hits().len();
        let mut caller = world.caller();
        caller.say(&call.bytes(&world.secret)).expect("sent");
        world.upstream.wait_for(before + 1);
        world.kill();
        assert_eq!(caller.head(), None);
        world.start();
        let claim = world.claim();
        assert_eq!(
            (&claim["idempotency_key"], &claim["state"]),
            (&"order_1".into(), &"unknown".into())
        );
        let other = Call::order("other").with("Idempotency-Key", "order_1");
        world.send(&other).expect(409, "idempotency_key_reused");
    }
    let reply = world.send(&call);
    assert_eq!(charge_in(&reply.expect_status(201).body), "ch_1");
    assert!(!reply.replayed() && world.send(&call).replayed());
    assert_eq!(
        (world.upstream.charges().len(), world.claims().len()),
        (1, 0)
    );
    let keys = world
        .upstream
        .hits()
        .into_iter()
        .map(|hit| hit.header("idempotency-key").to_owned());
    assert_eq!(keys.collect::<Vec<_>>(), ["order_1"; 3]);
}

#[test]
fn after_a_kill_an_upstream_that_forgets_keys_is_not_asked_again() {
    let mut world = World::with(&["--live-upstream-is-idempotent", "false"]);
    world.upstream.forget();
    world.upstream.then(vec![Step::WorkCutAt(0), Step::Wait]);
    let call = Call::keyed("order_1");
    let mut caller = world.caller();
    caller.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    world.kill();
    world.start();
    world.send(&call).expect(504, "upstream_outcome_unknown");
    world.settle("done");
    world.send(&call).expect(409, "answer_not_kept");
    assert_eq!(world.upstream.charges().len(), 1);
}

#[test]
fn every_order_is_charged_once_whenever_the_server_is_killed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let upstream = Upstream::new();
    let mut secret = None;
    let (mut answered, mut cut, mut charged_and_cut) = (0, 0, 0);
    for round in 0..ROUNDS {
        let server = start(&directory, &upstream);
        let secret = secret.get_or_insert_with(|| server.key(&["--mode", "live"]));
        let outcomes = order_until_killed(server, secret, round);
        let charges = upstream.charges();
        let was_charged = |key: &str| charges.iter().any(|charge| charge.order == key);

        let server = start(&directory, &upstream);
        let mut caller = Caller::connect(server.address).expect("a connection");
        for (key, first) in &outcomes {
            let again = caller.send(&Call::keyed(key), secret);
            let again = again.expect("an answer after the restart");
            again.expect_status(201);
            if let Some(first) = first {
                first.expect_status(201);
                assert!(again.replayed(), "{key} was answered and is forgotten");
                assert_eq!(again.body, first.body, "{key}");
                answered += 1;
            } else {
                cut += 1;
                charged_and_cut += usize::from(was_charged(key));
            }
            let id = charge_in(&again.body);
            let made = upstream
                .charges()
                .into_iter()
                .find(|charge| charge.id == id);
            assert_eq!(made.map(|charge| charge.order).as_ref(), Some(key));
        }
        server.kill();
    }
    eprintln!(
        "{ROUNDS} kills: {answered} answered and all there; {cut} cut, {charged_and_cut} of them when charged"
    );
    assert!(
        answered > ROUNDS * WRITERS,
        "the rounds did too little to mean anything"
    );
    assert!(
        charged_and_cut > 0,
        "no kill came between charge and answer"
    );
    assert_charged_once(&upstream.charges());
    assert_eq!(
        json_of(&["claims", "list"], &directory),
        serde_json::json!([])
    );
}

fn start(directory: &Path, upstream: &Upstream) -> Atlas {
    serve(directory, |command| {
        command.args(["--live-upstream", &upstream.url()]);
    })
}

/// Lets the writers order until so many answers have come, then kills the server in the midst of the rest.
fn order_until_killed(server: Atlas, secret: &str, round: usize) -> Vec<Outcome> {
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (sender, address) = (sender.clone(), server.address);
            scope.spawn(move || order(address, secret, &format!("{round}-{writer}"), &sender));
        }
        drop(sender);
        let answers = usize::try_from(random(ANSWERS_MAX)).expect("few");
        let mut outcomes: Vec<Outcome> = receiver.iter().take(answers).collect();
        server.kill();
        outcomes.extend(receiver.iter());
        outcomes
    })
}

/// One order after the other until the server is gone; the last one is cut.
fn order(address: SocketAddr, secret: &str, name: &str, outcomes: &Sender<Outcome>) {
    let Some(mut caller) = Caller::connect(address) else {
        return;
    };
    for number in 0.. {
        let key = format!("{name}-{number}");
        let reply = caller.send(&Call::keyed(&key), secret);
        let ended = reply.is_none();
        outcomes.send((key, reply)).expect("somebody listens");
        if ended {
            return;
        }
    }
}
