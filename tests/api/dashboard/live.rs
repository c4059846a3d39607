//! Events: what happens is told as it happens, to whoever is in.

use atlas::domain::key::OwnLimits;

use super::events::{Events, restart_under};
use super::html::Html;
use super::key_forms::{once, path};
use super::operator::{Operator, page_of};
use super::rooms::House;
use crate::world::{Connection, Key, World};

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

/// Sends an order that is to be found by this id.
fn order(world: &World, key: &Key, id: &str) {
    world.order(key).header("X-Request-Id", id).send();
}

#[test]
fn a_stream_with_a_filter_misses_nothing_among_many_others() {
    let world = World::new();
    let busy = world.key_with(OwnLimits {
        per_minute: Some(1_000_000),
        per_day: Some(1_000_000),
        concurrent: None,
    });
    let quiet = world.key();
    let operator = Operator::of(&world);
    for path in [
        format!("/dashboard/events/requests?key={}", quiet.id),
        format!("/dashboard/events/keys/{}", quiet.id),
        "/dashboard/events/requests?status=201".to_owned(),
    ] {
        let mut stream = Events::open(&operator, &path);
        let mut connection = Connection::to(world.address);
        for n in 0..3 {
            order(&world, &quiet, &format!("quiet-{n}"));
            for _ in 0..500 {
                connection.send(&world.probe(&busy));
            }
        }
        order(&world, &quiet, "the-last");
        let seen = stream.read_until("the-last");
        for n in 0..3 {
            let id = format!("quiet-{n}");
            assert_eq!(seen.matches(&id).count(), 1, "{path}: {id}");
        }
    }
}

/// Where the live part of a page hears of what happens.
fn live(page: &Html) -> String {
    let regions = ["section", "div"]
        .into_iter()
        .flat_map(|name| page.all(name));
    let mut addresses =
        regions.filter_map(|region| region.attribute("data-live").map(str::to_owned));
    addresses.next().expect("a live region")
}

#[test]
fn what_comes_between_a_page_and_its_stream_is_told_once() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    order(&world, &key, "shown");
    operator.request_with("shown");
    let once = once(&operator, &path(&key, ""), "roll");
    let rolled = [("once", once.as_str()), ("grace", "1h")];
    let pages = [
        operator.page("/dashboard/requests"),
        operator.page(&path(&key, "")),
        operator.page(&format!("/dashboard/requests?key={}", key.id)),
        page_of(&operator.post(&path(&key, "/roll"), &rolled), 200),
    ];
    order(&world, &key, "between");
    operator.request_with("between");
    for page in pages {
        let mut stream = Events::open(&operator, &live(&page));
        order(&world, &key, "after");
        let seen = stream.read_until("after");
        assert_eq!(seen.matches("between").count(), 1, "{seen}");
        assert!(!seen.contains("shown"), "{seen}");
    }
}

#[test]
fn a_stream_that_was_lost_goes_on_where_it_ended() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let path = "/dashboard/events/requests?status=201&after=0";
    let mut stream = Events::open(&operator, path);
    order(&world, &key, "heard");
    let seen = stream.read_until("heard");
    let last = seen.lines().find_map(|line| line.strip_prefix("id: "));
    let last = last.expect("an id").to_owned();
    drop(stream);
    order(&world, &key, "missed");
    operator.request_with("missed");
    let mut stream = Events::open_after(&operator, path, &last);
    order(&world, &key, "new");
    let seen = stream.read_until("new");
    assert_eq!(seen.matches("missed").count(), 1, "{seen}");
    assert!(!seen.contains("heard"), "{seen}");
}

#[test]
fn a_page_of_before_a_restart_hears_all_that_is_there() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    order(&world, &key, "first");
    operator.request_with("first");
    let mut stream = Events::open(&operator, "/dashboard/events/requests?after=4000");
    order(&world, &key, "second");
    assert!(stream.read_until("second").contains("first"));
}

#[test]
fn a_stream_that_would_have_no_reader_is_not_begun() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for path in ["requests".to_owned(), format!("keys/{}", house.key.id)] {
        let path = format!("/dashboard/events/{path}");
        let request = house.world.request("HEAD", &path);
        let answer = request.header("Cookie", operator.cookie()).send();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    }
}

#[test]
fn so_many_may_watch_and_those_that_end_make_room_for_others() {
    let world = World::new();
    let operator = Operator::of(&world);
    let path = "/dashboard/events/requests";
    let streams: Vec<_> = (0..64).map(|_| Events::open(&operator, path)).collect();
    let request = operator
        .world()
        .get(path)
        .header("Cookie", operator.cookie());
    request.send().expect(503, "too_many_watchers");
    operator.post("/dashboard/logout", &[]);
    for mut stream in streams {
        stream.read_to_end();
    }
    Events::open(&Operator::of(&world), path);
}
