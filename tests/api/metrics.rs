//! What is counted, each by what brings it about and by nothing else. What Prometheus makes of it is said in
//! `tests/binary/metrics.rs`, by the real process.

use std::collections::BTreeMap;

use atlas::domain::key::{Mode, OwnLimits};
use atlas::policy;

use crate::dashboard::events::Events;
use crate::dashboard::operator::Operator;
use crate::forwarding::{charge, world_of};
use crate::mock_handles::mock;
use crate::webhooks::receiver::{Answer, Receiver};
use crate::world::{Connection, HOUR, Request, SECOND, World, eventually};

/// Every sample, by its name and labels.
fn samples(world: &World) -> BTreeMap<String, f64> {
    let text = world.app.scrape();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter_map(|line| line.rsplit_once(' '));
    lines
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

pub fn sample(world: &World, name: &str) -> f64 {
    let all = samples(world);
    *all.get(name).unwrap_or_else(|| panic!("no {name}"))
}

/// The counters of this name that are not at nought, by their labels, as soon as they come to so many.
#[track_caller]
pub fn counted(world: &World, name: &str, total: f64) -> Vec<(String, f64)> {
    let start = format!("{name}{{");
    let all = || -> Vec<(String, f64)> {
        let own = samples(world).into_iter();
        let own = own.filter(|(name, count)| name.starts_with(&start) && *count > 0.0);
        own.map(|(name, count)| (name[start.len()..name.len() - 1].to_owned(), count))
            .collect()
    };
    let sum = || all().iter().map(|(_, count)| count).sum::<f64>();
    eventually("it is counted", || sum() >= total);
    all()
}

/// Labels and counts as they are written here.
pub fn those(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    let expected = expected.iter();
    expected
        .map(|(labels, count)| ((*labels).to_owned(), *count))
        .collect()
}

/// Whether an answer begins so that is not in the API's shape.
fn begins(request: &Request, with: &str) -> bool {
    let bytes = request.start().connection.read_next();
    bytes.starts_with(with.as_bytes())
}

#[test]
fn each_limit_counts_those_that_it_turns_away() {
    const LIMITED: &str = "atlas_requests_limited_total";
    let world = World::with(|settings| settings.per_address = 1);
    let none = OwnLimits::default();
    let of_one = |limits| {
        let key = world.key_with(limits);
        assert_eq!(world.probe(&key).send().status, 404);
        key
    };
    let minute = of_one(OwnLimits {
        per_minute: Some(1),
        ..none
    });
    let day = of_one(OwnLimits {
        per_day: Some(1),
        ..none
    });
    let busy = world.key_with(OwnLimits {
        concurrent: Some(1),
        ..none
    });
    let held = world.hold(&busy);
    let in_flight = r#"atlas_requests_in_flight{mode="test"}"#;
    assert_eq!(sample(&world, in_flight), 1.0);
    assert_eq!(world.probe(&busy).send().status, 429);
    let mut expected = vec![(r#"limit="concurrency""#, 1.0)];
    assert_eq!(counted(&world, LIMITED, 1.0), those(&expected));
    assert_eq!(held.finish().status, 201);
    eventually("its slot is back", || sample(&world, in_flight) == 0.0);

    assert_eq!(world.probe(&day).send().status, 429);
    expected.push((r#"limit="day""#, 1.0));
    assert_eq!(counted(&world, LIMITED, 2.0), those(&expected));
    assert_eq!(world.probe(&minute).send().status, 429);
    expected.push((r#"limit="minute""#, 1.0));
    assert_eq!(counted(&world, LIMITED, 3.0), those(&expected));
    for status in [401, 429, 429] {
        let stranger = world.get("/functions/v1/sessions/sess_none");
        assert_eq!(stranger.send().status, status);
    }
    expected.insert(0, (r#"limit="address""#, 2.0));
    assert_eq!(counted(&world, LIMITED, 5.0), those(&expected));
    let codes = [
        (r#"code="201",face="api",mode="test""#, 1.0),
        (r#"code="401",face="api",mode="none""#, 1.0),
        (r#"code="404",face="api",mode="test""#, 2.0),
        (r#"code="429",face="api",mode="none""#, 2.0),
        (r#"code="429",face="api",mode="test""#, 3.0),
    ];
    assert_eq!(counted(&world, "atlas_requests_total", 9.0), those(&codes));
    assert_eq!(sample(&world, "atlas_stranger_addresses"), 1.0);
}

#[test]
fn what_goes_upstream_is_counted_by_what_comes_of_it_and_its_claim_grows_old() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    upstream.answer(Answer::Status(201));
    charge(&world, &key, "order_1").send();
    upstream.answer(Answer::Status(303));
    world.get("/functions/v1/charges").key(&key).send();
    upstream.answer(Answer::Close);
    let unknown = charge(&world, &key, "order_2");
    unknown.send().expect(504, "upstream_outcome_unknown");
    world.advance(HOUR);
    assert_eq!(sample(&world, "atlas_open_claims"), 1.0);
    let age = sample(&world, "atlas_open_claims_oldest_seconds");
    assert_eq!(age, HOUR.as_secs_f64());
    let open = r#"atlas_upstream_circuit_open{mode="live"}"#;
    assert_eq!(sample(&world, open), 0.0);
    // A charge that is repeated is sent twice: the circuit opens at its fifth failure, and what comes then is not sent.
    let mut failed = 1.0;
    while sample(&world, open) == 0.0 {
        unknown.send().expect(504, "upstream_outcome_unknown");
        failed += 1.0;
    }
    unknown.send().expect(503, "upstream_unavailable");
    let ends = [
        (r#"mode="live",outcome="2xx""#, 1.0),
        (r#"mode="live",outcome="3xx""#, 1.0),
        (r#"mode="live",outcome="busy""#, 1.0),
        (r#"mode="live",outcome="unknown""#, failed),
    ];
    let sent = counted(&world, "atlas_upstream_requests_total", failed + 3.0);
    assert_eq!(sent, those(&ends));
    let times = r#"atlas_upstream_request_duration_seconds_count{mode="live"}"#;
    assert_eq!(sample(&world, times), failed + 2.0);
    let found = [(r#"found="first""#, 2.0), (r#"found="resumed""#, failed)];
    let idempotent = counted(&world, "atlas_idempotent_requests_total", failed + 2.0);
    assert_eq!(idempotent, those(&found));
}

#[test]
fn a_repetition_that_comes_too_early_is_counted_as_such() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    upstream.answer(Answer::Silence);
    let charge = charge(&world, &key, "order_1");
    let first = charge.start();
    upstream.wait_for(1);
    charge.send().expect(409, "idempotency_key_in_use");
    let found = [(r#"found="first""#, 1.0), (r#"found="in_use""#, 1.0)];
    let idempotent = counted(&world, "atlas_idempotent_requests_total", 2.0);
    assert_eq!(idempotent, those(&found));
    let in_use = r#"atlas_upstream_connections_in_use{mode="live"}"#;
    assert_eq!(sample(&world, in_use), 1.0);
    drop(first);
}

#[test]
fn an_answer_that_was_not_kept_is_counted_when_it_is_asked_for() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let packed = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
    upstream.answer(Answer::Bytes(packed.into()));
    let charge = charge(&world, &key, "order_1");
    assert!(begins(&charge, "HTTP/1.1 200 "));
    charge.send().expect(409, "answer_not_kept");
    let found = [(r#"found="first""#, 1.0), (r#"found="not_kept""#, 1.0)];
    let idempotent = counted(&world, "atlas_idempotent_requests_total", 2.0);
    assert_eq!(idempotent, those(&found));
}

#[test]
fn each_face_is_counted_by_itself_and_monitors_are_not() {
    let world = mock();
    let key = world.key();
    let operator = Operator::of(&world);
    let mut watch = Events::open(&operator, "/dashboard/events/requests");
    assert_eq!(operator.post("/dashboard/logout", &[]).status, 303);
    watch.read_to_end();
    assert_eq!(world.order(&key).send().status, 201);
    for (path, status) in [
        ("/openapi.json", 200),
        ("/pay/nobody", 404),
        ("/_mock/clock", 200),
        ("/functions/v1/nowhere", 404),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/functions/v1/health", 200),
    ] {
        assert_eq!(world.get(path).send().status, status, "{path}");
    }
    assert!(begins(&world.get("/docs"), "HTTP/1.1 200 "));
    let requests = [
        (r#"code="200",face="dashboard",mode="none""#, 1.0),
        (r#"code="200",face="docs",mode="none""#, 2.0),
        (r#"code="200",face="mock",mode="none""#, 1.0),
        (r#"code="200",face="watch",mode="none""#, 1.0),
        (r#"code="201",face="api",mode="test""#, 1.0),
        (r#"code="3xx",face="dashboard",mode="none""#, 2.0),
        (r#"code="404",face="api",mode="none""#, 1.0),
        (r#"code="404",face="checkout",mode="none""#, 1.0),
    ];
    let seen = counted(&world, "atlas_requests_total", 10.0);
    assert_eq!(seen, those(&requests));
    let times = [
        (r#"face="api",mode="none""#, 1.0),
        (r#"face="api",mode="test""#, 1.0),
        (r#"face="checkout",mode="none""#, 1.0),
        (r#"face="dashboard",mode="none""#, 3.0),
        (r#"face="docs",mode="none""#, 2.0),
        (r#"face="mock",mode="none""#, 1.0),
        (r#"face="watch",mode="none""#, 1.0),
    ];
    let seen = counted(&world, "atlas_request_duration_seconds_count", 10.0);
    assert_eq!(seen, those(&times));
}

#[test]
fn whoever_guesses_pages_or_at_the_dashboard_is_counted_at_the_limit() {
    let world = World::with(|settings| settings.per_address = 2);
    for (path, status) in [
        ("/pay/nobody", 404),
        ("/dashboard/keys", 401),
        ("/pay/nobody", 429),
        ("/dashboard/keys", 429),
    ] {
        assert_eq!(world.get(path).send().status, status, "{path}");
    }
    let limited = [(r#"limit="address""#, 2.0)];
    let seen = counted(&world, "atlas_requests_limited_total", 2.0);
    assert_eq!(seen, those(&limited));
}

#[test]
fn a_500_of_the_upstream_or_one_that_was_asked_for_is_no_fault_of_ours() {
    let upstream = Receiver::new();
    let (world, key) = world_of(&upstream, true);
    let failed = "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n";
    upstream.answer(Answer::Bytes(failed.into()));
    assert_eq!(charge(&world, &key, "order_1").send().status, 500);
    counted(&world, "atlas_requests_total", 1.0);
    assert_eq!(sample(&world, "atlas_internal_errors_total"), 0.0);

    let world = mock();
    let order = world.order(&world.key());
    let failing = order.header("X-Atlas-Mock", "status=500");
    assert_eq!(failing.send().status, 500);
    counted(&world, "atlas_requests_total", 1.0);
    assert_eq!(sample(&world, "atlas_internal_errors_total"), 0.0);
}

#[test]
fn connections_are_counted_until_they_end() {
    let world = World::new();
    let are_open = |count: f64| {
        eventually("they are counted", || {
            sample(&world, "atlas_connections") == count
        });
    };
    are_open(0.0);
    let first = Connection::to(world.address);
    let second = Connection::to(world.address);
    are_open(2.0);
    drop(first);
    are_open(1.0);
    drop(second);
    are_open(0.0);
}

#[test]
fn records_are_known_after_a_start_and_go_when_they_are_swept() {
    const RECORDS: &str = "atlas_store_records";
    const LAG: &str = "atlas_store_sweep_lag_seconds";
    let world = World::new();
    let key = world.key();
    for order in ["order_1", "order_2", "order_3", "order_1"] {
        let answer = world.order(&key).idempotent(order).send();
        assert_eq!(answer.status, 201);
    }
    assert_eq!(world.order(&key).send().status, 201);
    assert_eq!(sample(&world, RECORDS), 3.0);
    let world = world.restart();
    eventually("they are counted", || samples(&world).contains_key(RECORDS));
    assert_eq!(sample(&world, RECORDS), 3.0);
    let fourth = world.order(&key).idempotent("order_4").send();
    assert_eq!(fourth.status, 201);
    assert_eq!(sample(&world, RECORDS), 4.0);
    assert_eq!(sample(&world, LAG), 0.0);

    world.advance(24 * HOUR + 5 * SECOND);
    assert_eq!(sample(&world, LAG), 5.0);
    assert_eq!(sample(&world, "atlas_store_swept_records_total"), 0.0);
    // Until no request is under way that came before that.
    world.advance(world.app.settings.body_timeout + policy::SWEEP_MARGIN);
    eventually("they are swept", || sample(&world, RECORDS) == 0.0);
    eventually("and counted", || {
        sample(&world, "atlas_store_swept_records_total") == 4.0
    });
    assert_eq!(sample(&world, LAG), 0.0);
}

#[test]
fn a_disk_without_room_is_told_and_so_is_what_it_turned_away() {
    let world = World::new();
    let key = world.key();
    assert_eq!(sample(&world, "atlas_store_writable"), 1.0);
    let world = world.restart_with(|settings| settings.min_free_disk = u64::MAX);
    let refused = world.order(&key).send();
    refused.expect(503, "storage_unavailable");
    assert_eq!(sample(&world, "atlas_store_writable"), 0.0);
    assert!(sample(&world, "atlas_disk_free_bytes") > 0.0);
    let result = |result: &str| {
        let name = format!("atlas_store_commits_total{{result=\"{result}\"}}");
        sample(&world, &name)
    };
    assert_eq!((result("refused"), result("failed")), (1.0, 0.0));
    assert_eq!(sample(&world, "atlas_store_queue_commits"), 0.0);
}

#[test]
fn keys_are_told_by_mode_and_state_and_histograms_add_up() {
    let world = World::new();
    let key = world.key();
    world.revoke(&world.key_of("default", Mode::Live));
    world.key_for(60);
    world.advance(60 * SECOND);
    for _ in 0..7 {
        assert_eq!(world.order(&key).send().status, 201);
    }
    let keys = [
        (r#"mode="live",state="revoked""#, 1.0),
        (r#"mode="test",state="active""#, 1.0),
        (r#"mode="test",state="expired""#, 1.0),
    ];
    assert_eq!(counted(&world, "atlas_keys", 3.0), those(&keys));
    counted(&world, "atlas_requests_total", 7.0);
    let all = samples(&world);
    let times = "atlas_request_duration_seconds";
    let of = |part: &str| all[&format!("{times}{part}")];
    assert_eq!(of(r#"_count{face="api",mode="test"}"#), 7.0);
    assert!(of(r#"_sum{face="api",mode="test"}"#) > 0.0);
    for (name, count) in all.iter().filter(|(name, _)| name.contains("_count")) {
        let bucket = name.replacen("_count", "_bucket", 1);
        let end = match bucket.strip_suffix('}') {
            Some(labelled) => format!("{labelled},le=\"+Inf\"}}"),
            None => format!("{bucket}{{le=\"+Inf\"}}"),
        };
        assert_eq!(all.get(&end), Some(count), "{end}");
    }
    // However many share a sync, each is in one group; a scrape may come between two counts of the writer's.
    eventually("they add up", || {
        let all = samples(&world);
        all["atlas_store_group_commits_sum"] == all[r#"atlas_store_commits_total{result="kept"}"#]
            && all["atlas_store_group_commits_count"]
                == all["atlas_store_sync_duration_seconds_count"]
    });
}
