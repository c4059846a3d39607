//! Requests that are sent on one connection without waiting for an answer: each is answered in its turn, by itself, and
//! none behind an answer that closes the connection.

use crate::client::Response;
use crate::world::{CREATE, Connection, Key, Request, World};

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let world = World::new();
    let key = world.key();
    let mut connection = Connection::to(world.address);
    let orders = ["a", "b", "c"].map(|id| world.order(&key).header("X-Request-Id", id));
    connection.write(&orders.map(|order| order.bytes()).concat());
    for id in ["a", "b", "c"] {
        let answer = connection.read("POST");
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (201, Some(id))
        );
    }
}

#[test]
fn pipelined_requests_are_not_at_once() {
    let world = World::with(|settings| settings.limits.concurrent = 1);
    let key = world.key();
    let mut connection = Connection::to(world.address);
    connection.write(&world.probe(&key).head().repeat(5));
    for n in 0..5 {
        assert_eq!(connection.read("GET").status, 404, "{n}");
    }
}

/// The answer to a new order, whatever came behind it.
fn check_made(answer: &Response, behind: &str) {
    assert_eq!(answer.status, 201, "behind it {behind}");
    assert_eq!(answer.header("connection"), None, "behind it {behind}");
    answer.session();
}

#[test]
fn an_answer_is_that_to_its_own_request_and_not_to_one_behind_it() {
    let world = World::new();
    let key = world.key();
    let health = "/functions/v1/health";
    let behind = [
        (world.request("HEAD", health), "HEAD"),
        (world.get(health).header("Connection", "close"), "GET"),
        (world.order(&key).header("Connection", "close"), "POST"),
        (world.request("OPTIONS", health), "OPTIONS"),
        (world.order(&key).header("Expect", "100-continue"), "POST"),
    ];
    for (second, method) in behind {
        let mut connection = Connection::to(world.address);
        // A new order waits for the disk, so the second request is there long before the first has its answer.
        connection.write(&[world.order(&key).bytes(), second.bytes()].concat());
        check_made(&connection.read("POST"), &format!("{second:?}"));
        let closes = second.head().windows(5).any(|word| word == b"close");
        let answer = connection.read(method);
        assert_eq!(
            answer.header("connection"),
            closes.then_some("close"),
            "{second:?}"
        );
        if closes {
            assert_eq!(connection.rest(), "");
        } else {
            assert_eq!(connection.send(&world.order(&key)).status, 201);
        }
    }
}

#[test]
fn the_older_version_behind_an_order_is_not_its_own() {
    let world = World::new();
    let key = world.key();
    let mut connection = Connection::to(world.address);
    let older = b"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n";
    connection.write(&[&world.order(&key).bytes(), &older[..]].concat());
    let said = connection.rest();
    assert!(said.starts_with("HTTP/1.1 201"), "{said}");
    assert!(said.contains("HTTP/1.0 200"), "{said}");
}

#[test]
fn an_answer_to_head_has_no_body_whatever_comes_behind_it() {
    let world = World::new();
    let cards = world
        .request("HEAD", "/functions/v1/test-cards")
        // The first request of a key waits for its day.
        .key(&world.key());
    let mut connection = Connection::to(world.address);
    connection.write(&[cards.bytes(), world.get("/healthz").bytes()].concat());
    assert_eq!(connection.read("HEAD").status, 200);
    assert_eq!(connection.read("GET").status, 200);
}

/// Requests that are refused before their body is read, each with a body that takes long to come.
fn refused(world: &World, key: &Key, length: usize) -> Vec<(u16, Request)> {
    let body = " ".repeat(length);
    let spent = world.key_with(atlas::domain::key::OwnLimits {
        per_minute: Some(1),
        ..Default::default()
    });
    assert_eq!(world.probe(&spent).send().status, 404);
    vec![
        (401, world.post(CREATE).bearer("sk_test_wrong").json(&body)),
        (400, world.post(CREATE).key(key).key(key).json(&body)),
        (429, world.post(CREATE).key(&spent).json(&body)),
        (401, world.post(CREATE).json(&body)),
    ]
}

#[test]
fn nothing_is_done_behind_an_answer_that_closes_the_connection() {
    let world = World::with(|settings| {
        settings.per_address = 1_000;
        settings.max_body = 1_000;
    });
    let key = world.key();
    // Its day has begun, so the next request is refused before anything of its body is looked at.
    assert_eq!(world.probe(&key).send().status, 404);
    let too_large = |length| {
        let body = " ".repeat(length);
        (413, world.post(CREATE).key(&key).json(&body))
    };
    let requests = refused(&world, &key, 300_000);
    for (status, first) in [vec![too_large(20_000), too_large(300_000)], requests].concat() {
        let before = world.report(&key).used_today;
        let mut connection = Connection::to(world.address);
        let orders = world.order(&key).bytes().repeat(3);
        connection.write(&[first.bytes(), orders].concat());
        let answer = connection.read("POST");
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("connection"), Some("close"), "{status}");
        assert_eq!(connection.rest(), "", "{status}");
        let used = world.report(&key).used_today - before;
        assert_eq!(used, u32::from(status == 413), "{status}");
    }
}

#[test]
fn who_is_refused_with_all_that_it_sent_keeps_its_connection() {
    let world = World::with(|settings| settings.per_address = 1_000);
    let key = world.key();
    for (status, first) in refused(&world, &key, 1_000) {
        let mut connection = Connection::to(world.address);
        connection.write(&[first.bytes(), world.order(&key).bytes()].concat());
        let answer = connection.read("POST");
        assert_eq!(answer.status, status);
        check_made(&connection.read("POST"), "nothing");
    }
}

#[test]
fn more_than_is_kept_behind_a_request_comes_in_its_turn() {
    let world = World::new();
    let key = world.key();
    let name = "x".repeat(4_000);
    let order = world.order(&key).header("X-Padding", &name).bytes();
    let rounds = 2 * atlas::policy::PIPELINED / order.len();
    let (mut connection, all) = (Connection::to(world.address), order.repeat(rounds));
    connection.write(&all);
    for _ in 0..rounds {
        check_made(&connection.read("POST"), "more");
    }
    assert_eq!(world.report(&key).used_today, rounds as u32);
}
