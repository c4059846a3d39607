//! Connections to the upstream: so many at once and no more, kept and used again, and one that was closed meanwhile
//! costs nobody an answer.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::caller::{Call, Caller};
use crate::script::{Step, answer, assert_charged_once};
use crate::upstream::eventually;
use crate::world::{BOUND, World};

const PATH: &str = "/functions/v1/a";

#[test]
fn when_all_connections_are_busy_the_next_is_told_to_come_back() {
    let world = World::with(&["--live-connections", "2", "--live-connect-timeout", BOUND]);
    world.upstream.always(vec![Step::Wait, Step::Work]);
    let busy: Vec<Caller> = (0..2)
        .map(|number| {
            let mut caller = world.caller();
            let call = Call::keyed(&format!("busy_{number}"));
            caller.say(&call.bytes(&world.secret)).expect("sent");
            world.upstream.wait_for(number + 1);
            caller
        })
        .collect();
    // They wait at the same time.
    let late = [Call::keyed("late"), Call::order("late"), Call::get(PATH)];
    for _ in 0..2 {
        std::thread::scope(|scope| {
            let waiting = late.each_ref().map(|call| scope.spawn(|| world.send(call)));
            for late in waiting {
                let reply = late.join().expect("no panic");
                reply.expect(503, "upstream_unavailable");
                assert_eq!(reply.header("retry-after"), "1");
            }
        });
    }
    world.upstream.wait_for(2);
    assert_eq!(world.upstream.connections(), 2);
    assert_eq!(world.claims().len(), 2, "who was refused claims nothing");
    world.upstream.release();
    for mut caller in busy {
        caller.reply(false).expect("an answer").expect_status(201);
    }
    // Being busy is no failure: nothing is open now.
    eventually("there is place", || {
        world.send(&Call::keyed("late")).status == 201
    });
    assert_charged_once(&world.upstream.charges());
}

#[test]
fn a_crowd_waits_in_line_for_a_connection() {
    let world = World::with(&["--live-connections", "1", "--live-connect-timeout", "60s"]);
    world.upstream.always(vec![Step::Wait, Step::Work]);
    std::thread::scope(|scope| {
        let orders: Vec<_> = (0..20)
            .map(|number| {
                let call = Call::keyed(&format!("order_{number}"));
                let world = &world;
                scope.spawn(move || world.send(&call))
            })
            .collect();
        world.upstream.wait_for(1);
        world.upstream.release();
        for order in orders {
            order.join().expect("no panic").expect_status(201);
        }
    });
    assert_eq!(world.upstream.busiest(), 1);
    assert_charged_once(&world.upstream.charges());
}

#[test]
fn never_are_more_requests_up_there_than_connections_were_allowed() {
    let world = World::with(&["--live-connections", "3"]);
    let is_over = AtomicBool::new(false);
    world.upstream.always(vec![Step::Wait, Step::Work]);
    std::thread::scope(|scope| {
        for writer in 0..12 {
            let (world, is_over) = (&world, &is_over);
            scope.spawn(move || write(world, writer, is_over));
        }
        for _ in 0..20 {
            world.upstream.hold();
            eventually("all places are taken", || world.upstream.busy() >= 3);
            world.upstream.release();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(world.upstream.busiest(), 3);
    assert_charged_once(&world.upstream.charges());
}

/// Orders one after the other; whoever finds no place goes on with the next.
fn write(world: &World, writer: usize, is_over: &AtomicBool) {
    let mut caller = world.caller();
    for number in 0.. {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let call = Call::keyed(&format!("{writer}-{number}"));
        let reply = caller.send(&call, &world.secret).expect("an answer");
        if reply.status != 201 {
            reply.expect(503, "upstream_unavailable");
        }
    }
}

#[test]
fn a_connection_is_used_again() {
    let world = World::new();
    let mut caller = world.caller();
    for _ in 0..50 {
        let reply = caller
            .send(&Call::get(PATH), &world.secret)
            .expect("an answer");
        reply.expect_status(200);
    }
    let connections = world.upstream.connections();
    assert!(
        connections < 25,
        "{connections} connections for 50 requests"
    );
}

/// Asks until a request has come on a connection that had carried one; that connection was closed before a byte of
/// the answer. Gives how its asker was answered, and how often it came.
fn ask_on_a_closed_connection(world: &World, call: &Call) -> (u16, usize) {
    world.upstream.always(vec![Step::CloseIfKept, Step::Work]);
    let mut caller = world.caller();
    for _ in 0..200 {
        let before = world.upstream.hits().len();
        let reply = caller.send(call, &world.secret).expect("an answer");
        let hits = world.upstream.hits();
        if hits[before].turn > 1 {
            let keys = hits[before..].iter().map(|hit| hit.find("idempotency-key"));
            let keys: Vec<Option<&str>> = keys.collect();
            assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
            let fresh = hits[before + 1..].iter().all(|hit| hit.turn == 1);
            assert!(fresh, "the second time is on a connection of its own");
            return (reply.status, keys.len());
        }
        assert!(matches!(reply.status, 200 | 201), "{reply}");
    }
    panic!("no connection is used again");
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_costs_no_answer() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"] {
        let world = World::new();
        let status = if matches!(method, "POST" | "PATCH") {
            201
        } else {
            200
        };
        let found = ask_on_a_closed_connection(&world, &Call::new(method, PATH));
        assert_eq!(found, (status, 2), "{method}");
    }
}

#[test]
fn where_a_repeat_may_charge_twice_only_what_changes_nothing_is_sent_again() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let world = World::with(&["--live-upstream-is-idempotent", "false"]);
        let found = ask_on_a_closed_connection(&world, &Call::new(method, PATH));
        assert_eq!(found, (200, 2), "{method}");
    }
}

#[test]
fn what_may_charge_twice_is_sent_on_a_connection_of_its_own_that_nobody_is_about_to_close() {
    let world = World::with(&["--live-upstream-is-idempotent", "false"]);
    world.upstream.forget();
    world.upstream.always(vec![Step::CloseIfKept, Step::Work]);
    let mut caller = world.caller();
    for number in 0..20 {
        let order = Call::new("POST", PATH).json(&format!("{{\"order\":\"{number}\"}}"));
        for call in [
            order.clone().with("Idempotency-Key", &format!("k{number}")),
            order,
        ] {
            let reply = caller.send(&call, &world.secret).expect("an answer");
            reply.expect_status(201);
        }
    }
    let hits = world.upstream.wait_for(40);
    assert!(hits.iter().all(|hit| hit.turn == 1));
}

#[test]
fn no_more_than_one_repeat_of_our_own_is_sent() {
    let world = World::new();
    let mut caller = world.caller();
    for _ in 0..200 {
        world.upstream.always(vec![Step::CloseIfKept, Step::Work]);
        let before = world.upstream.hits().len();
        let reply = caller
            .send(&Call::order("a"), &world.secret)
            .expect("an answer");
        reply.expect_status(201);
        assert!(world.upstream.hits().len() <= before + 2);
    }
    world.upstream.always(vec![Step::Close]);
    let before = world.upstream.hits().len();
    let reply = caller
        .send(&Call::order("a"), &world.secret)
        .expect("an answer");
    reply.expect(504, "upstream_outcome_unknown");
    assert!(world.upstream.hits().len() <= before + 2);
}

#[test]
fn orders_under_keys_outlive_connections_that_close_between_them() {
    let world = World::new();
    world.upstream.always(vec![Step::Work, Step::Close]);
    for number in 0..100 {
        let call = Call::keyed(&format!("order_{number}"));
        let statuses = (0..4).map(|_| world.send(&call).status);
        let statuses: Vec<u16> = statuses.take_while(|status| *status != 201).collect();
        assert!(
            statuses.len() < 4 && statuses.iter().all(|status| *status == 504),
            "{statuses:?}"
        );
    }
    assert_eq!(world.upstream.charges().len(), 100);
    assert_charged_once(&world.upstream.charges());
}

#[test]
fn an_upstream_that_says_it_closes_is_believed() {
    let world = World::new();
    let mut said = answer(200, &[("Connection", "close")], b"{}");
    said.push(Step::Close);
    world.upstream.always(said);
    for number in 1..=20 {
        world.send(&Call::order("a")).expect_status(200);
        assert_eq!(world.upstream.connections(), number);
    }
    let hits = world.upstream.wait_for(20);
    assert!(hits.iter().all(|hit| hit.turn == 1));
}
