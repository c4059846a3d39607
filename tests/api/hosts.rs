//! The host that a request is for (RFC 9112, 3.2). Which ones the Dashboard answers to is said in `dashboard/hosts.rs`.

use crate::world::{Connection, World};

#[test]
fn a_host_that_there_can_t_be_is_refused_whoever_asks_and_nothing_is_spent() {
    let world = World::new();
    let key = world.key();
    let wrong: [&[u8]; 8] = [
        b"a b",
        b"a/b",
        b"a@b",
        b"[::1",
        b"a:x",
        b"http://a",
        b"a\xff",
        b"a,b:1,c:2",
    ];
    for host in wrong {
        let asked = |request: crate::world::Request| request.host(None).header("Host", host).send();
        for answer in [
            asked(world.get("/healthz")),
            asked(world.get("/nowhere")),
            asked(world.order(&key).idempotent("order_1")),
        ] {
            answer.expect(400, "parameter_invalid");
            assert_eq!(answer.param().as_deref(), Some("Host"));
        }
    }
    assert_eq!(world.report(&key).used_today, 0);
    assert!(!world.order(&key).idempotent("order_1").send().replayed());
    assert_eq!(world.get("/nowhere").send().remaining(), 59);
}

#[test]
fn any_other_is_served() {
    let world = World::new();
    for host in [
        "",
        "a_b.example",
        "[::1]",
        "[::1]:99999",
        "a:0",
        "a.",
        "127.0.0.1",
        "A%20b",
    ] {
        let answer = world.get("/healthz").host(Some(host)).send();
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[test]
fn where_the_target_is_a_url_its_host_counts() {
    let world = World::new();
    let ask = |target: &str, host: &str| {
        let mut connection = Connection::to(world.address);
        connection.write(
            format!("GET http://{target}/dashboard/login HTTP/1.1\r\nHost: {host}\r\n\r\n")
                .as_bytes(),
        );
        connection.read_any("GET").status
    };
    assert_eq!(ask("localhost", "evil.example"), 200);
    assert_eq!(ask("evil.example", "localhost"), 421);
    assert_eq!(ask("a@localhost", "localhost"), 400);
    assert_eq!(ask("localhost", "a b"), 400);
}
