//! Events: what happens is told as it happens, to whoever is in.

use super::events::{Events, restart_under};
use super::operator::Operator;
use super::rooms::House;
use crate::world::World;

#[test]
fn a_request_is_told_as_it_comes() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    for path in ["requests".to_owned(), format!("keys/{}", key.id)] {
        let mut stream = Events::open(&operator, &format!("/dashboard/events/{path}"));
        for n in 0..3 {
            let id = format!("mine-{n}");
            world.order(&key).header("X-Request-Id", &id).send();
            let seen = stream.read_until(&id);
            assert!(seen.lines().any(|line| line.starts_with("data:")), "{seen}");
        }
    }
}

#[test]
fn a_stream_tells_only_what_its_filter_asks_for() {
    let world = World::new();
    let (one, two) = (world.key(), world.key());
    let operator = Operator::of(&world);
    for path in [
        format!("requests?key={}", two.id),
        format!("keys/{}", two.id),
        "requests?status=400".to_owned(),
        "requests?idempotency_key=b".to_owned(),
    ] {
        let mut stream = Events::open(&operator, &format!("/dashboard/events/{path}"));
        let first = world.order(&one).idempotent("a");
        first.header("X-Request-Id", "unwelcome").send();
        let second = world.order_of(&two, "{}").idempotent("b");
        second.header("X-Request-Id", "welcome-guest").send();
        let seen = stream.read_until("welcome-guest");
        assert!(!seen.contains("unwelcome"), "{path}: {seen}");
    }
}

#[test]
fn many_may_watch() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let mut streams: Vec<_> = (0..10)
        .map(|_| Events::open(&operator, "/dashboard/events/requests"))
        .collect();
    world.order(&key).header("X-Request-Id", "mine-1").send();
    for stream in &mut streams {
        stream.read_until("mine-1");
    }
}

#[test]
fn there_is_no_stream_without_a_session_or_for_a_key_that_there_is_not() {
    let house = House::new();
    for path in ["requests".to_owned(), format!("keys/{}", house.key.id)] {
        let path = format!("/dashboard/events/{path}");
        let request = house.world.get(&path);
        let request = request.header("Accept", "text/event-stream");
        request.send().expect(401, "login_required");
    }
    let operator = Operator::of(&house.world);
    let request = house
        .world
        .get("/dashboard/events/keys/key_00000000000000000000");
    let answer = request.header("Cookie", operator.cookie()).send();
    answer.expect(404, "key_not_found");
}

#[test]
fn a_stream_ends_with_its_session() {
    let world = World::new();
    let operator = Operator::of(&world);
    let mut stream = Events::open(&operator, "/dashboard/events/requests");
    operator.post("/dashboard/logout", &[]);
    stream.read_to_end();
}

#[test]
fn an_open_stream_does_not_hold_the_server_up() {
    let (mut stream, world) = restart_under(World::new(), "/dashboard/events/requests");
    stream.read_to_end();
    assert!(Operator::of(&world).is_in());
}

#[test]
fn one_who_goes_away_harms_nobody() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    drop(Events::open(&operator, "/dashboard/events/requests"));
    let mut stream = Events::open(&operator, "/dashboard/events/requests");
    world.order(&key).header("X-Request-Id", "mine-1").send();
    stream.read_until("mine-1");
}
