//! A client that hangs up does not stop the work: its answer is kept, and its slot is held until the work has ended.

use crate::caller::Call;
use crate::process::read_log;
use crate::script::{Step, charge_in};
use crate::upstream::eventually;
use crate::world::World;

#[test]
fn the_answer_to_a_client_that_hung_up_is_kept_for_its_repeat() {
    let world = World::new();
    world.upstream.always(vec![Step::Wait, Step::Work]);
    let call = Call::keyed("order_1");
    let mut caller = world.caller();
    caller.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    drop(caller);
    for _ in 0..5 {
        world.send(&call).expect(409, "idempotency_key_in_use");
    }
    world.upstream.release();
    eventually("it is done", || world.send(&call).status == 201);
    let reply = world.send(&call);
    assert!(reply.replayed());
    assert_eq!(charge_in(&reply.body), "ch_1");
    world.upstream.wait_for(1);
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn many_who_hang_up_at_any_moment_are_charged_once() {
    let world = World::new();
    for number in 0..100 {
        let call = Call::keyed(&format!("order_{number}"));
        let mut caller = world.caller();
        caller.say(&call.bytes(&world.secret)).expect("sent");
        drop(caller);
    }
    for number in 0..100 {
        let call = Call::keyed(&format!("order_{number}"));
        eventually("it is done", || world.send(&call).status == 201);
    }
    let hits = world.upstream.hits();
    assert_eq!(hits.len(), 100, "nothing went up twice");
    assert_eq!(world.upstream.charges().len(), 100);
}

#[test]
fn the_slot_of_a_client_that_hung_up_is_held_until_the_upstream_has_answered() {
    let world = World::new();
    let secret = world.key(&["--mode", "live", "--concurrent", "1"]);
    world.upstream.always(vec![Step::Wait, Step::Work]);
    let mut caller = world.caller();
    let call = Call::keyed("order_1");
    caller.say(&call.bytes(&secret)).expect("sent");
    world.upstream.wait_for(1);
    drop(caller);
    for _ in 0..5 {
        let reply = world.send_as(&secret, &Call::get("/functions/v1/a"));
        reply.expect(429, "rate_limit_exceeded");
        assert_eq!(reply.header("x-ratelimit-scope"), "concurrency");
    }
    world.upstream.wait_for(1);
    world.upstream.release();
    eventually("the slot is free", || {
        world.send_as(&secret, &call).status == 201
    });
    assert_eq!(world.upstream.charges().len(), 1);
}

#[test]
fn a_request_that_is_up_when_the_server_is_told_to_stop_is_answered() {
    let mut world = World::new();
    world.upstream.always(vec![Step::Wait, Step::Work]);
    let call = Call::keyed("order_1");
    let mut caller = world.caller();
    caller.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    let server = world.take();
    let ending = std::thread::spawn(move || server.terminate());
    eventually("the log says that it is stopping", || {
        read_log(&world.directory).contains("stopping")
    });
    world.upstream.release();
    let reply = caller.reply(false);
    assert_eq!(ending.join().expect("no panic").code(), Some(0));
    reply.expect("an answer").expect_status(201);
    world.start();
    assert!(world.send(&call).replayed());
}
