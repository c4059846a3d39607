//! Bounds: nobody holds a connection for ever, neither by not reading nor by dripping, and the end of the server waits for
//! what nobody else waits for.

use crate::caller::{Call, Caller};
use crate::process::read_log;
use crate::script::{Answer, Step, charge_in, head};
use crate::upstream::eventually;
use crate::world::{BOUND, World};

const PATH: &str = "/functions/v1/report";
const PART: usize = 64 * 1024;
/// 100 MB and a little: more than all buffers on the way.
const PARTS: usize = 1600;

fn large() -> Answer {
    let mut start = head(200, &[("Content-Type", "text/csv")]);
    start.extend_from_slice(format!("Content-Length: {}\r\n\r\n", PARTS * PART).as_bytes());
    vec![Step::Say(start), Step::Repeat(vec![b'x'; PART], PARTS)]
}

/// Who asks for this and does not read loses its place, and gets no whole answer.
fn is_cut(call: &Call) {
    let flags = ["--live-connections", "1", "--live-answer-timeout", BOUND];
    let world = World::with(&flags);
    let other = world.key(&["--mode", "live"]);
    world.upstream.then(large());
    let mut idle = world.caller();
    idle.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    eventually("the place is free", || {
        let reply = world.send_as(&other, &Call::get(PATH));
        assert!(matches!(reply.status, 200 | 503), "{reply}");
        reply.status == 200
    });
    let head = idle.head().expect("a head");
    assert_eq!(head.status, 200, "{call:?}");
    let mut length = 0;
    let whole = idle.body(&head, &mut |part| length += part.len());
    assert_eq!(whole, None, "{length} bytes are not the whole");
    assert!(length < PARTS * PART);
}

#[test]
fn a_client_that_does_not_read_its_answer_holds_no_connection_for_ever() {
    let calls = [Call::get(PATH), Call::order("a"), Call::keyed("order_1")];
    // Each waits its bound out, all at the same time.
    std::thread::scope(|scope| {
        for call in &calls {
            scope.spawn(|| is_cut(call));
        }
    });
}

/// A server that is told to stop while a request is up whose client has gone; it has ended well, and what was done is
/// kept. Gives its log.
#[track_caller]
fn log_of_an_end(hang_up: impl FnOnce(&World, Caller)) -> String {
    let mut world = World::new();
    world.upstream.always(vec![Step::Wait, Step::Work]);
    let call = Call::keyed("order_1");
    let mut caller = world.caller();
    caller.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    hang_up(&world, caller);
    let server = world.take();
    let ending = std::thread::spawn(move || server.terminate());
    eventually("the log says that it is stopping", || {
        read_log(&world.directory).contains("stopping")
    });
    world.upstream.release();
    assert_eq!(ending.join().expect("no panic").code(), Some(0));
    let log = read_log(&world.directory);
    world.start();
    assert_eq!(world.claims().len(), 0, "{log}");
    let reply = world.send(&call);
    assert!(reply.replayed(), "{reply}");
    assert_eq!(charge_in(&reply.body), "ch_1");
    world.upstream.wait_for(1);
    assert_eq!(world.upstream.charges().len(), 1);
    log
}

#[test]
fn the_server_ends_once_what_nobody_waits_for_is_done() {
    let log = log_of_an_end(|world, caller| {
        caller.reset();
        eventually("the log says that the client has gone", || {
            read_log(&world.directory).contains("client-gone")
        });
    });
    assert!(
        log.contains("the client had gone when the upstream answered 201"),
        "{log}"
    );
}

#[test]
fn the_server_ends_once_what_a_client_that_only_closed_asked_for_is_done() {
    let log = log_of_an_end(|_, caller| drop(caller));
    assert!(log.contains("upstream 201"), "{log}");
}

#[test]
fn an_answer_that_drips_is_not_waited_for_longer_than_one_that_does_not_come() {
    let world = World::with(&["--live-answer-timeout", BOUND]);
    let call = Call::keyed("order_1");
    let start = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n";
    world.upstream.then(vec![
        Step::Say(start.as_bytes().to_vec()),
        Step::Drip(b"1\r\nx\r\n".to_vec()),
    ]);
    let reply = world.send(&call);
    reply.expect(504, "upstream_outcome_unknown");
    assert_eq!(world.claim()["state"], "unknown");
    let again = world.send(&call);
    assert_eq!((again.status, again.replayed()), (201, false), "{again}");
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn a_server_that_stops_takes_nothing_new_while_it_waits() {
    let mut world = World::new();
    world.upstream.then(vec![Step::Wait, Step::Work]);
    let call = Call::keyed("order_1");
    let mut caller = world.caller();
    caller.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    caller.reset();
    eventually("the log says that the client has gone", || {
        read_log(&world.directory).contains("client-gone")
    });
    let server = world.take();
    let address = server.address;
    let ending = std::thread::spawn(move || server.terminate());
    eventually("the log says that it is stopping", || {
        read_log(&world.directory).contains("stopping")
    });
    // What comes between these words and the deed is served; it does not go up.
    let health = Call::get("/healthz");
    let ask = |call| Caller::connect(address)?.send(call, &world.secret);
    eventually("it takes nothing", || ask(&health).is_none());
    let late = ask(&Call::keyed("order_2"));
    world.upstream.release();
    assert_eq!(ending.join().expect("no panic").code(), Some(0));
    assert!(late.is_none(), "{}", late.expect("an answer"));
    world.upstream.wait_for(1);
}

#[test]
fn a_client_that_leaves_a_silent_answer_gives_its_place_back_and_is_no_failure_of_the_upstream() {
    let flags = [
        "--live-connections",
        "1",
        "--live-connect-timeout",
        "1s",
        "--live-answer-timeout",
        "1h",
    ];
    let world = World::with(&flags);
    world.upstream.hold();
    for _ in 0..7 {
        let start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
        world
            .upstream
            .then(vec![Step::Say(start.to_vec()), Step::Wait]);
        let mut caller = world.caller();
        caller
            .say(&Call::get(PATH).bytes(&world.secret))
            .expect("sent");
        assert_eq!(caller.head().expect("a head").status, 200);
        assert_eq!(caller.chunk().as_deref(), Some("one"));
        caller.reset();
        eventually("the place is free", || {
            world.send(&Call::get("/functions/v1/other")).status == 200
        });
    }
    world.send(&Call::keyed("order_1")).expect_status(201);
    world.upstream.release();
}
