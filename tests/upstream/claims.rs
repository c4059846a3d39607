//! Open claims: what `atlas claims list` shows of them, and how `atlas settle` ends them.

use serde_json::Value;

use crate::caller::Call;
use crate::process::{BINARY, run, text};
use crate::script::{Step, answer, cut};
use crate::world::World;

/// A world in which a repeat may charge twice, with one request whose outcome is unknown.
fn unknown(key: &str) -> World {
    let world = World::with(&["--live-upstream-is-idempotent", "false"]);
    world.upstream.forget();
    world.upstream.then(vec![Step::WorkCutAt(20), Step::Close]);
    world
        .send(&Call::keyed(key))
        .expect(504, "upstream_outcome_unknown");
    world
}

#[test]
fn an_upstream_that_forgets_keys_is_not_asked_again() {
    let mut world = unknown("order_1");
    let call = Call::keyed("order_1");
    for _ in 0..7 {
        let reply = world.send(&call);
        reply.expect(504, "upstream_outcome_unknown");
        assert!(!reply.replayed());
    }
    let other = Call::order("other").with("Idempotency-Key", "order_1");
    world.send(&other).expect(409, "idempotency_key_reused");
    world.kill();
    world.start();
    world.send(&call).expect(504, "upstream_outcome_unknown");
    world.upstream.wait_for(1);
    // What we know ourselves is no failure of the upstream's: others go up as ever.
    world.send(&Call::keyed("order_2")).expect_status(201);
    assert_eq!(world.upstream.charges().len(), 2);
}

#[test]
fn only_an_answer_that_says_that_nothing_was_done_frees_the_key_where_a_repeat_may_charge_twice() {
    let world = World::with(&["--live-upstream-is-idempotent", "false"]);
    for (status, is_open) in [
        (302, true),
        (401, false),
        (403, false),
        (408, true),
        (409, false),
        (429, false),
        (500, true),
        (503, false),
        (504, true),
    ] {
        let key = format!("order_{status}");
        let before = (world.claims().len(), world.upstream.hits().len());
        world.upstream.then(answer(status, &[], b"no"));
        let first = world.send(&Call::keyed(&key));
        assert_eq!((first.status, &first.body[..]), (status, &b"no"[..]));
        let again = world.send(&Call::keyed(&key));
        if is_open {
            again.expect(504, "upstream_outcome_unknown");
        } else {
            assert_eq!((again.status, again.replayed()), (201, false), "{status}");
        }
        let more = (usize::from(is_open), if is_open { 1 } else { 2 });
        assert_eq!(world.claims().len(), before.0 + more.0, "{status}");
        world.upstream.wait_for(before.1 + more.1);
    }
}

#[test]
fn settled_as_done_is_said_to_all_who_ask_again() {
    let mut world = unknown("order_1");
    world.settle("done");
    for _ in 0..2 {
        let reply = world.send(&Call::keyed("order_1"));
        reply.expect(409, "answer_not_kept");
        let (kind, message) = reply.error();
        assert_eq!(kind, "idempotency_error");
        assert!(message.contains("operator"), "{message}");
        assert_eq!(world.claims().len(), 0);
        world.kill();
        world.start();
    }
    let other = Call::order("other").with("Idempotency-Key", "order_1");
    world.send(&other).expect(409, "idempotency_key_reused");
    world.upstream.wait_for(1);
}

#[test]
fn what_is_said_below_the_list_settles_the_claim_as_it_stands() {
    let world = unknown("order_1");
    let listed = text(&run(&["claims", "list"], &world.directory).stderr);
    let hint = listed.split('`').nth(1).expect("a command");
    let claim = world.claim();
    let command = hint.replace("ID", claim["id"].as_str().expect("an id"));
    let shell = std::process::Command::new("sh")
        .args(["-c", &command.replacen("atlas", BINARY, 1)])
        .current_dir("/")
        .output()
        .expect("sh runs");
    assert!(shell.status.success(), "{hint}: {}", text(&shell.stderr));
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn settled_as_free_may_be_asked_again() {
    let mut world = unknown("order_1");
    world.settle("free");
    assert_eq!(world.claims().len(), 0);
    world.kill();
    world.start();
    let other = Call::order("other").with("Idempotency-Key", "order_1");
    let reply = world.send(&other);
    assert_eq!((reply.status, reply.replayed()), (201, false));
    assert!(world.send(&other).replayed());
    world.upstream.wait_for(2);
}

#[test]
fn a_claim_may_be_settled_where_the_upstream_knows_keys_too() {
    let world = World::new();
    for (key, end, status) in [("order_1", "done", 409), ("order_2", "free", 201)] {
        world.upstream.then(cut("HTTP/1.1 2"));
        world
            .send(&Call::keyed(key))
            .expect(504, "upstream_outcome_unknown");
        world.settle(end);
        world.send(&Call::keyed(key)).expect_status(status);
    }
}

#[test]
fn the_list_names_what_is_open_and_nothing_else() {
    let world = World::new();
    assert_eq!(world.claims(), Vec::<Value>::new());
    world.send(&Call::keyed("done")).expect_status(201);
    let shop = world.key(&["--mode", "live", "--account", "shop"]);
    world.upstream.then(cut("HTTP/1.1 2"));
    let patch = Call::new("PATCH", "/functions/v1/sessions/a?b=c").json("{\"order\":\"a\"}");
    let patch = patch.with("Idempotency-Key", "lost 1");
    world
        .send_as(&shop, &patch)
        .expect(504, "upstream_outcome_unknown");
    let lost = world.claim();
    let id = lost["id"].as_str().expect("an id");
    assert!(id.starts_with("clm_") && id.len() > 12, "{id}");
    assert_eq!(lost["account"], "shop");
    assert_eq!(lost["mode"], "live");
    assert_eq!(lost["idempotency_key"], "lost 1");
    assert_eq!(lost["method"], "PATCH");
    let path = lost["path"].as_str().expect("a path");
    assert!(path.starts_with("/functions/v1/sessions/a"), "{path}");
    assert_eq!(lost["state"], "unknown");
    let since: jiff::Timestamp = lost["since"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("RFC 3339");
    assert!(since <= jiff::Timestamp::now());

    world.upstream.then(vec![Step::Wait, Step::Work]);
    let mut running = world.caller();
    running
        .say(&Call::keyed("runs").bytes(&world.secret))
        .expect("sent");
    world.upstream.wait_for(3);
    let states: Vec<(Value, Value)> = world
        .claims()
        .into_iter()
        .map(|claim| (claim["idempotency_key"].clone(), claim["state"].clone()))
        .collect();
    assert_eq!(states.len(), 2);
    assert!(
        states.contains(&("runs".into(), "running".into())),
        "{states:?}"
    );
    assert!(
        states.contains(&("lost 1".into(), "unknown".into())),
        "{states:?}"
    );
    let table = text(&run(&["claims", "list"], &world.directory).stdout);
    for word in [id, "clm_", "shop", "lost 1", "PATCH", "unknown", "running"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    world.upstream.release();
    running.reply(false).expect("an answer").expect_status(201);
    assert_eq!(world.claim()["id"], id);
}

#[test]
fn claims_are_listed_and_settled_while_no_server_runs() {
    let mut world = unknown("order_1");
    world.stop();
    assert_eq!(world.claim()["state"], "unknown");
    world.settle("free");
    assert_eq!(world.claims().len(), 0);
    world.start();
    world.send(&Call::keyed("order_1")).expect_status(201);
}

#[test]
fn a_claim_that_is_none_or_an_end_that_is_none_is_refused() {
    let world = unknown("order_1");
    let claim = world.claim();
    let id = claim["id"].as_str().expect("an id");
    for (arguments, code) in [
        (
            &["settle", "clm_0000000000000000000000000000", "--as", "done"][..],
            &[1, 2][..],
        ),
        (&["settle", "nonsense", "--as", "done"], &[2]),
        (&["settle", id, "--as", "charged"], &[2]),
        (&["settle", id], &[2]),
        (&["settle"], &[2]),
    ] {
        let output = run(arguments, &world.directory);
        let message = text(&output.stderr);
        let found = output.status.code().expect("a code");
        assert!(code.contains(&found), "{arguments:?}: {found}: {message}");
        assert!(!message.contains("unrecognized subcommand"), "{message}");
    }
    assert_eq!(world.claim(), claim);
    world.settle("done");
    let output = run(&["settle", id, "--as", "free"], &world.directory);
    assert_eq!(output.status.code(), Some(1), "what is settled stays so");
    world
        .send(&Call::keyed("order_1"))
        .expect(409, "answer_not_kept");
}

#[test]
fn short_of_space_nothing_goes_up_that_would_need_a_claim() {
    let world = World::with(&["--min-free-disk", "1EiB"]);
    for _ in 0..3 {
        let refused = world.send(&Call::keyed("order_1"));
        refused.expect(503, "storage_unavailable");
    }
    assert_eq!(
        (world.upstream.hits().len(), world.claims().len()),
        (0, 0),
        "it was refused before a byte went up"
    );
}
