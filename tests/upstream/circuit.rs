//! An upstream that fails again and again is left alone: at once, with nothing claimed, until a probe succeeds.

use crate::caller::{Call, Reply};
use crate::script::{Answer, Step, answer, cut};
use crate::upstream::eventually;
use crate::world::World;

/// Failures in a row that open the circuit.
const FAILURES: usize = 5;

/// Whether we refused to ask the upstream, and said so properly.
#[track_caller]
fn was_spared(reply: &Reply) -> bool {
    if reply.status != 503 {
        return false;
    }
    reply.expect(503, "upstream_unavailable");
    assert_eq!(reply.error().0, "api_error");
    let wait: u64 = reply.header("retry-after").parse().expect("whole seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    true
}

/// Fails so often that the circuit opens, and goes on until it is seen to be open.
#[track_caller]
fn open(world: &World, failure: Answer) {
    world.upstream.always(failure);
    for _ in 0..FAILURES {
        let reply = world.send(&Call::order("a"));
        assert!(matches!(reply.status, 500..=504), "{reply}");
    }
    eventually("the circuit opens", || {
        was_ours(&world.send(&Call::order("a")))
    });
}

fn was_ours(reply: &Reply) -> bool {
    String::from_utf8_lossy(&reply.body).contains("upstream_unavailable")
}

#[test]
fn an_open_circuit_answers_at_once_and_spares_the_upstream() {
    let world = World::new();
    open(&world, cut("HTTP/1.1 2"));
    let before = world.upstream.connections();
    let mut spared = 0;
    let mut asked = 0;
    for number in 0..200 {
        let reply = world.send(&Call::keyed(&format!("order_{number}")));
        if was_spared(&reply) {
            spared += 1;
        } else {
            reply.expect(504, "upstream_outcome_unknown");
            asked += 1;
        }
    }
    // On a slow machine probes go up; every other request went nowhere.
    assert_eq!(world.upstream.connections() - before, asked);
    assert_eq!(world.claims().len(), asked, "nothing is claimed");
    assert!(spared > 0, "200 requests took too long to say anything");
    world.upstream.always(vec![Step::Work]);
    let free = Call::order("other").with("Idempotency-Key", "order_free");
    eventually("a probe closes it", || world.send(&free).status == 201);
    let is_closed = || (0..20).all(|_| world.send(&Call::order("after")).status == 201);
    eventually("it stays closed", is_closed);
}

#[test]
fn each_kind_of_failure_opens_it() {
    for failure in [
        cut(""),
        cut("hello\r\n\r\n"),
        answer(502, &[], b"theirs"),
        answer(503, &[("Retry-After", "120")], b"theirs"),
        answer(504, &[], b"theirs"),
    ] {
        let world = World::new();
        open(&world, failure);
    }
    let world = World::new();
    world.upstream.stop();
    for _ in 0..FAILURES {
        world
            .send(&Call::order("a"))
            .expect(502, "upstream_unreachable");
    }
    eventually("it opens", || was_spared(&world.send(&Call::order("a"))));
    world.upstream.start();
    eventually("it closes", || world.send(&Call::order("a")).status == 201);
}

#[test]
fn what_is_no_failure_does_not_open_it() {
    let world = World::new();
    let mut caller = world.caller();
    let mut ask = || {
        let reply = caller.send(&Call::order("a"), &world.secret);
        reply.expect("an answer")
    };
    for status in [400, 401, 403, 404, 408, 409, 422, 429, 500, 501, 302] {
        for _ in 0..FAILURES + 2 {
            world.upstream.then(answer(status, &[], b"theirs"));
            ask().expect_status(status);
        }
    }
    for _ in 0..3 {
        for _ in 0..FAILURES - 1 {
            world.upstream.then(answer(503, &[], b"theirs"));
            assert_eq!(ask().body, b"theirs");
        }
        ask().expect_status(201);
    }
}

#[test]
fn as_many_failures_as_open_it_are_answered_as_they_are() {
    let world = World::new();
    let mut caller = world.caller();
    world.upstream.always(answer(503, &[], b"theirs"));
    for _ in 0..FAILURES {
        let reply = caller.send(&Call::order("a"), &world.secret);
        assert_eq!(reply.expect("an answer").body, b"theirs");
    }
    world.upstream.wait_for(FAILURES);
}

/// Asks until the upstream is asked.
fn seek(world: &World) -> Reply {
    loop {
        let reply = world.send(&Call::order("a"));
        if !was_spared(&reply) {
            return reply;
        }
    }
}

#[test]
fn one_probe_at_a_time_asks_whether_it_is_well_again() {
    let world = World::new();
    open(&world, cut("HTTP/1.1 2"));
    world.upstream.always(vec![Step::Wait, Step::Work]);
    let before = world.upstream.hits().len();
    std::thread::scope(|scope| {
        let seekers: Vec<_> = (0..8).map(|_| scope.spawn(|| seek(&world))).collect();
        eventually("a probe goes up", || world.upstream.hits().len() > before);
        for number in 0..50 {
            let reply = world.send(&Call::keyed(&format!("order_{number}")));
            assert!(was_spared(&reply), "a second probe: {reply}");
        }
        assert_eq!(world.claims().len(), 0);
        world.upstream.wait_for(before + 1);
        world.upstream.release();
        for seeker in seekers {
            seeker.join().expect("no panic").expect_status(201);
        }
    });
    world.send(&Call::keyed("order_0")).expect_status(201);
}

#[test]
fn what_is_kept_is_replayed_while_the_circuit_is_open() {
    let world = World::new();
    let first = world.send(&Call::keyed("order_1"));
    open(&world, cut("HTTP/1.1 2"));
    for _ in 0..10 {
        let again = world.send(&Call::keyed("order_1"));
        assert!(again.replayed() && again.body == first.body, "{again}");
    }
}

#[test]
fn an_unknown_outcome_can_wait_for_the_circuit() {
    let world = World::new();
    world.upstream.then(vec![Step::WorkCutAt(10), Step::Close]);
    let call = Call::keyed("order_1");
    world.send(&call).expect(504, "upstream_outcome_unknown");
    open(&world, cut("HTTP/1.1 2"));
    let reply = world.send(&call);
    if !was_spared(&reply) {
        reply.expect(504, "upstream_outcome_unknown");
    }
    assert_eq!(
        world.claim()["idempotency_key"],
        "order_1",
        "the claim stays"
    );
    world.upstream.always(vec![Step::Work]);
    eventually("it is found again", || world.send(&call).status == 201);
    assert_eq!(
        world
            .upstream
            .charges()
            .iter()
            .filter(|made| made.order == "order_1")
            .count(),
        1
    );
}
