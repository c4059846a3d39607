//! Doubts: after an outcome that nobody knows, what a repetition settles and what it leaves open, and what is said of it.

use crate::caller::{Call, Reply};
use crate::process::run;
use crate::script::{Answer, Step, answer, assert_charged_once, charge_in, cut, order};
use crate::upstream::{Upstream, eventually};
use crate::world::World;

const PATH: &str = "/functions/v1/charges";

/// The upstream has charged for this, and nobody here knows.
#[track_caller]
fn lose(world: &World, call: &Call) {
    world.upstream.then(vec![Step::WorkCutAt(20), Step::Close]);
    let lost = world.send(call);
    lost.expect(504, "upstream_outcome_unknown");
}

/// The same order, its JSON written otherwise.
fn rewritten(key: &str) -> Call {
    let body = order(key).replace(':', " : ");
    let call = Call::new("POST", PATH).json(&body);
    call.with("Idempotency-Key", key)
}

fn another(key: &str) -> Call {
    Call::order("another").with("Idempotency-Key", key)
}

#[track_caller]
fn message(reply: &Reply) -> String {
    reply.error().1
}

#[test]
fn a_repetition_that_is_not_answered_for_good_leaves_the_first_request_open() {
    let world = World::new();
    for status in [302, 401, 403, 408, 409, 429, 500, 503] {
        let key = format!("order_{status}");
        let call = Call::keyed(&key);
        lose(&world, &call);
        let claim = world.claim();
        for call in [&call, &rewritten(&key)] {
            world
                .upstream
                .then(answer(status, &[("X-Any", "theirs")], b"no"));
            let second = world.send(call);
            assert_eq!((second.status, &second.body[..]), (status, &b"no"[..]));
            assert_eq!(second.header("x-any"), "theirs");
            assert_eq!(world.claim(), claim, "{status}");
            world
                .send(&another(&key))
                .expect(409, "idempotency_key_reused");
        }
        let third = world.send(&call);
        assert_eq!((third.status, third.replayed()), (201, false), "{third}");
        assert_eq!(third.header("x-upstream-idempotent-replayed"), "true");
        assert_eq!(world.claims().len(), 0, "{status}");
        let fourth = world.send(&call);
        assert!(
            fourth.replayed() && fourth.body == third.body,
            "{status}: {fourth}"
        );
    }
    assert_eq!(world.upstream.charges().len(), 8);
    assert_charged_once(&world.upstream.charges());
}

#[test]
fn a_repetition_that_is_declined_settles_the_claim_and_one_that_is_refused_does_not() {
    let world = World::new();
    for (status, is_settled) in [(402, true), (400, false), (415, false), (422, false)] {
        for is_rewritten in [false, true] {
            let key = format!("order_{status}_{is_rewritten}");
            lose(&world, &Call::keyed(&key));
            let claim = world.claim();
            let call = if is_rewritten {
                rewritten(&key)
            } else {
                Call::keyed(&key)
            };
            let said = answer(status, &[], b"it may be about this repetition");
            world.upstream.then(said);
            let second = world.send(&call);
            assert_eq!((second.status, second.replayed()), (status, false));
            assert_eq!(second.body, b"it may be about this repetition");
            let third = world.send(&call);
            if is_settled {
                assert_eq!((third.status, third.replayed()), (status, true), "{third}");
                assert_eq!(third.body, second.body);
            } else {
                assert_eq!((third.status, third.replayed()), (201, false), "{third}");
                let again = world.send(&Call::keyed(&key));
                assert!(again.replayed(), "{again}");
                assert_eq!(charge_in(&again.body), charge_in(&third.body));
            }
            assert_eq!(world.claims().len(), 0, "{claim}");
        }
    }
}

/// Asks until a request has come on a connection that had carried one, which was closed before a byte of the answer, and
/// gives how it was answered once we had sent it again: the upstream then said this.
fn answer_of_the_second_sending(world: &World, call: &Call, said: &Answer) -> Reply {
    answer_of_a_second_sending(world, said, |_| call.clone()).1
}

/// The same of a request that is another each time, and which of them it was.
fn answer_of_a_second_sending(
    world: &World,
    said: &Answer,
    call: impl Fn(usize) -> Call,
) -> (Call, Reply) {
    for attempt in 0..200 {
        let call = call(attempt);
        world.upstream.always(vec![Step::Work]);
        world.send(&Call::get(PATH)).expect_status(200);
        let kept = [vec![Step::CloseIfKept], said.clone()].concat();
        world.upstream.always(kept);
        let before = world.upstream.hits().len();
        let reply = world.send(&call);
        let hits = world.upstream.hits();
        world.upstream.always(vec![Step::Work]);
        if hits[before].turn > 1 {
            assert_eq!(hits.len(), before + 2, "sent twice");
            return (call, reply);
        }
    }
    panic!("no connection is used again");
}

#[test]
fn our_own_repetition_that_is_not_answered_for_good_leaves_open_what_the_first_sending_did() {
    for status in [429, 503] {
        let said = answer(status, &[("X-Any", "theirs")], b"no");
        let world = World::new();
        let call = Call::keyed("order_1");
        let reply = answer_of_the_second_sending(&world, &call, &said);
        assert_eq!((reply.status, reply.header("x-any")), (status, "theirs"));
        let claim = world.claim();
        assert_eq!(
            (&claim["idempotency_key"], &claim["state"]),
            (&"order_1".into(), &"unknown".into())
        );
        world
            .send(&another("order_1"))
            .expect(409, "idempotency_key_reused");
        let again = world.send(&call);
        assert_eq!((again.status, again.replayed()), (201, false), "{again}");
        assert_eq!(world.claims().len(), 0);

        for method in ["POST", "PATCH"] {
            let call = Call::new(method, PATH).json(&order("order_2"));
            let reply = answer_of_the_second_sending(&world, &call, &said);
            reply.expect(504, "upstream_outcome_unknown");
        }
        for method in ["GET", "PUT", "DELETE"] {
            let call = Call::new(method, PATH);
            let reply = answer_of_the_second_sending(&world, &call, &said);
            assert_eq!((reply.status, reply.header("x-any")), (status, "theirs"));
        }
        assert_eq!(world.claims().len(), 0, "without a key nothing is claimed");
    }
}

/// "Already charged", said of the second sending, must not be kept as what became of the request.
#[test]
fn our_own_repetition_that_is_refused_leaves_open_what_the_first_sending_did() {
    let world = World::new();
    for status in [400, 404, 422] {
        let said = answer(status, &[], b"it may be about the second sending");
        let keyed = |attempt| Call::keyed(&format!("order_{status}_{attempt}"));
        let (call, reply) = answer_of_a_second_sending(&world, &said, keyed);
        assert_eq!((reply.status, reply.replayed()), (status, false));
        let claim = world.claim();
        assert_eq!(claim["state"], "unknown", "{claim}");
        let again = world.send(&call);
        assert_eq!((again.status, again.replayed()), (201, false), "{again}");
        assert!(world.send(&call).replayed());
        assert_eq!(world.claims().len(), 0);
    }
}

/// Nobody knows what it does when it is done twice, and it has no key by which the upstream would.
#[test]
fn a_method_that_nobody_knows_goes_up_once() {
    let world = World::new();
    for method in ["CHARGE", "COPY", "LOCK"] {
        for _ in 0..10 {
            world.upstream.always(vec![Step::Work]);
            world.send(&Call::get(PATH)).expect_status(200);
            world.upstream.always(vec![Step::CloseIfKept, Step::Work]);
            let before = world.upstream.hits().len();
            world.send(&Call::new(method, PATH)).expect_status(200);
            assert_eq!(world.upstream.hits().len(), before + 1, "{method}");
        }
    }
}

#[test]
fn a_repetition_that_is_not_sent_says_nothing_of_the_first() {
    let world = World::new();
    let call = Call::keyed("order_1");
    lose(&world, &call);
    world.upstream.always(cut(""));
    let mut spared = None;
    eventually("the circuit opens", || {
        let reply = world.send(&call);
        spared = (reply.status == 503).then_some(reply);
        spared.is_some()
    });
    let reply = spared.expect("it was not sent");
    reply.expect(503, "upstream_unavailable");
    let said = message(&reply);
    assert!(
        said.contains("first request is still not known") && said.contains("same Idempotency-Key"),
        "{said}"
    );
    assert!(!said.contains("nothing was sent to it"), "{said}");
    assert_eq!(world.claim()["idempotency_key"], "order_1");
    let mut fresh = None;
    eventually("the circuit opens", || {
        let reply = world.send(&Call::order("order_2"));
        fresh = (reply.status == 503).then_some(reply);
        fresh.is_some()
    });
    let reply = fresh.expect("it was not sent");
    let said = message(reply.expect(503, "upstream_unavailable"));
    assert!(said.contains("nothing was sent to it"), "{said}");
}

#[test]
fn whoever_cannot_find_out_by_repeating_is_not_asked_to_repeat() {
    for flags in [&[][..], &["--live-upstream-is-idempotent", "false"]] {
        for method in ["POST", "PATCH", "PUT", "DELETE"] {
            let world = World::with(flags);
            world.upstream.always(cut("HTTP/1.1 2"));
            let reply = world.send(&Call::new(method, PATH).json(&order("order_1")));
            let said = message(reply.expect(504, "upstream_outcome_unknown"));
            assert!(said.contains("may have been done"), "{method}: {said}");
            assert!(!said.contains("same Idempotency-Key"), "{method}: {said}");
            assert!(!said.contains("Send it again"), "{method}: {said}");
            assert!(!said.contains("so send it again"), "{method}: {said}");
        }
        for method in ["GET", "OPTIONS"] {
            let world = World::with(flags);
            world.upstream.always(cut("HTTP/1.1 2"));
            let reply = world.send(&Call::new(method, PATH));
            let said = message(reply.expect(504, "upstream_outcome_unknown"));
            assert!(said.contains("send it again"), "{method}: {said}");
            assert!(!said.contains("Idempotency-Key"), "{method}: {said}");
            assert!(!said.contains("may have been done"), "{method}: {said}");
        }
    }
}

#[test]
fn who_finds_out_what_became_of_a_keyed_request_depends_on_the_upstream() {
    let world = World::new();
    world.upstream.then(cut("HTTP/1.1 2"));
    let reply = world.send(&Call::keyed("order_1"));
    let said = message(reply.expect(504, "upstream_outcome_unknown"));
    assert!(
        said.contains("Send it again with the same Idempotency-Key"),
        "{said}"
    );
    assert!(!said.contains("operator"), "{said}");

    let world = World::with(&["--live-upstream-is-idempotent", "false"]);
    world.upstream.then(cut("HTTP/1.1 2"));
    for _ in 0..2 {
        let reply = world.send(&Call::keyed("order_1"));
        let said = message(reply.expect(504, "upstream_outcome_unknown"));
        assert!(said.contains("operator"), "{said}");
        assert!(!said.contains("Send it again"), "{said}");
    }
    world.upstream.wait_for(1);
}

#[test]
fn a_refusal_that_is_not_kept_is_not_called_done() {
    let world = World::new();
    let encoded = answer(402, &[("Content-Encoding", "gzip")], b"\x1f\x8b");
    let large = answer(422, &[], &vec![b'x'; 70_000]);
    for (said, status) in [(encoded, 402), (large, 422)] {
        let call = Call::keyed(&format!("order_{status}"));
        world.upstream.then(said);
        world.send(&call).expect_status(status);
        for _ in 0..2 {
            let again = world.send(&call);
            let said = message(again.expect(409, "answer_not_kept"));
            let refused = format!("refused with status {status}");
            assert!(said.contains(&refused), "{said}");
            assert!(!said.contains("was done"), "{said}");
        }
    }
    world.upstream.wait_for(2);
}

#[test]
fn the_id_of_a_claim_is_of_no_other_under_the_same_key() {
    let world = World::with(&["--live-upstream-is-idempotent", "false"]);
    world.upstream.always(cut("HTTP/1.1 2"));
    let mut ids = Vec::new();
    for name in ["first", "second", "second"] {
        let call = Call::order(name).with("Idempotency-Key", "order_1");
        world.send(&call).expect(504, "upstream_outcome_unknown");
        let claim = world.claim();
        let id = claim["id"].as_str().expect("an id").to_owned();
        assert!(!ids.contains(&id), "{id} stood for another: {ids:?}");
        for old in &ids {
            for end in ["done", "free"] {
                let output = run(&["settle", old, "--as", end], &world.directory);
                assert_eq!(output.status.code(), Some(1), "{old} as {end}");
            }
        }
        assert_eq!(world.claim(), claim, "nothing has changed");
        world.send(&call).expect(504, "upstream_outcome_unknown");
        ids.push(id);
        world.settle("free");
    }
    world.upstream.wait_for(3);
}

#[test]
fn what_went_to_one_upstream_is_not_asked_of_another() {
    let mut world = World::new();
    let call = Call::keyed("order_1");
    lose(&world, &call);
    world.stop();
    let other = Upstream::new();
    world.lead_to(&other.url());
    world.start();
    for call in [&call, &rewritten("order_1")] {
        let reply = world.send(call);
        let said = message(reply.expect(504, "upstream_outcome_unknown"));
        assert!(said.contains("operator"), "{said}");
        assert!(!said.contains("Send it again"), "{said}");
    }
    world
        .send(&another("order_1"))
        .expect(409, "idempotency_key_reused");
    assert_eq!(other.connections(), 0);
    world.settle("free");
    world.send(&call).expect_status(201);
    assert_eq!(other.hit().header("idempotency-key"), "order_1");
    assert!(world.send(&call).replayed());
    world.upstream.wait_for(1);
}
