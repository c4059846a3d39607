//! Idempotency keys: what is asked twice goes up once, and under a key of the account's own.

use crate::caller::Call;
use crate::script::{Step, assert_charged_once, charge_in};
use crate::world::World;

#[test]
fn a_repeat_is_a_replay_to_the_byte_and_does_not_go_up() {
    let world = World::new();
    let first = world.send(&Call::keyed("order_1"));
    assert!(!first.expect_status(201).replayed());
    for _ in 0..3 {
        let again = world.send(&Call::keyed("order_1"));
        assert!(again.replayed());
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        for name in ["content-type", "x-charge", "idempotency-key"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    world.upstream.wait_for(1);
    assert_eq!(world.claims().len(), 0);
}

#[test]
fn a_replay_outlives_kill_9_and_needs_no_upstream() {
    let mut world = World::new();
    let first = world.send(&Call::keyed("order_1"));
    world.kill();
    world.upstream.stop();
    world.start();
    let again = world.send(&Call::keyed("order_1"));
    assert!(again.replayed());
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("x-charge"), first.header("x-charge"));
}

#[test]
fn another_request_under_the_key_is_refused_and_does_not_go_up() {
    let world = World::new();
    world.send(&Call::keyed("order_1")).expect_status(201);
    let key = |call: Call| call.with("Idempotency-Key", "order_1");
    let body = crate::script::order("order_1");
    for other in [
        key(Call::order("order_2")),
        key(Call::new("POST", "/functions/v1/refunds").json(&body)),
        key(Call::new("PATCH", "/functions/v1/charges").json(&body)),
        key(Call::new("POST", "/functions/v1/charges?a").json(&body)),
        key(Call::new("POST", "/functions/v1/charges")),
    ] {
        let reply = world.send(&other);
        reply.expect(409, "idempotency_key_reused");
        assert_eq!(reply.error().0, "idempotency_error");
    }
    world.upstream.wait_for(1);
}

#[test]
fn json_is_the_same_however_it_is_written_and_other_bytes_are_not() {
    let world = World::new();
    let post = |body: &[u8]| {
        let call = Call::new("POST", "/functions/v1/a").raw(body);
        world.send(&call.with("Idempotency-Key", &format!("k_{}", body[0])))
    };
    assert!(!post(b"{\"a\":1,\"b\":[2]}").replayed());
    assert!(post(b"{ \"b\": [2], \"a\": 1 }\n").replayed());
    post(b"{\"a\":1,\"b\":[3]}").expect(409, "idempotency_key_reused");
    assert!(!post(b"a=1&b=2").replayed());
    assert!(post(b"a=1&b=2").replayed());
    post(b"a=1&b=2 ").expect(409, "idempotency_key_reused");
    assert!(!post(b"\xff\0").replayed());
    assert!(post(b"\xff\0").replayed());
    world.upstream.wait_for(3);
}

#[test]
fn while_the_first_runs_the_second_is_told_to_wait() {
    let world = World::new();
    world.upstream.then(vec![Step::Wait, Step::Work]);
    let mut first = world.caller();
    let call = Call::keyed("order_1");
    first.say(&call.bytes(&world.secret)).expect("sent");
    world.upstream.wait_for(1);
    for _ in 0..5 {
        let second = world.send(&call);
        second.expect(409, "idempotency_key_in_use");
        assert_eq!(second.header("retry-after"), "1");
    }
    world.upstream.release();
    let reply = first.reply(false).expect("an answer");
    assert_eq!(world.send(&call).body, reply.expect_status(201).body);
    world.upstream.wait_for(1);
}

#[test]
fn of_many_at_once_one_goes_up() {
    let world = World::new();
    for round in 0..10 {
        let call = Call::keyed(&format!("order_{round}"));
        let replies: Vec<_> = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..8).map(|_| scope.spawn(|| world.send(&call))).collect();
            senders
                .into_iter()
                .map(|sender| sender.join().expect("no panic"))
                .collect()
        });
        for reply in &replies {
            if reply.status != 201 {
                reply.expect(409, "idempotency_key_in_use");
            }
        }
        assert!(
            replies
                .iter()
                .any(|reply| reply.status == 201 && !reply.replayed())
        );
        assert!(world.send(&call).replayed());
    }
    world.upstream.wait_for(10);
    assert_charged_once(&world.upstream.charges());
}

/// The key under which a key of this account's reaches the upstream.
fn key_above(world: &World, secret: &str, key: &str) -> String {
    let call = Call::new("POST", "/functions/v1/a").with("Idempotency-Key", key);
    let before = world.upstream.hits().len();
    world.send_as(secret, &call).expect_status(201);
    let hits = world.upstream.wait_for(before + 1);
    hits[before].header("idempotency-key").to_owned()
}

#[test]
fn the_same_key_of_two_accounts_is_two_keys_above() {
    let world = World::new();
    let shop = world.key(&["--mode", "live", "--account", "shop"]);
    let other = world.key(&["--mode", "live", "--account", "other"]);
    let own = &world.secret;
    assert_eq!(key_above(&world, own, "order_1"), "order_1");
    assert_eq!(key_above(&world, &shop, "order_1"), "shop:order_1");
    assert_eq!(key_above(&world, &other, "order_1"), "other:order_1");
    // One account can't take the name of another's key.
    assert_eq!(
        key_above(&world, own, "shop:order_1"),
        "default:shop:order_1"
    );
    assert_eq!(key_above(&world, own, "a:b"), "default:a:b");
    assert_eq!(key_above(&world, &shop, "a:b"), "shop:a:b");
    assert_eq!(
        key_above(&world, own, "with blanks \"and\" 'quotes'"),
        "with blanks \"and\" 'quotes'"
    );
    assert_eq!(key_above(&world, own, "  trimmed  "), "trimmed");
}

#[test]
fn a_key_too_long_with_its_account_is_hashed() {
    let world = World::new();
    let shop = world.key(&["--mode", "live", "--account", "shop"]);
    let other = world.key(&["--mode", "live", "--account", "other"]);
    let longest = "k".repeat(255);
    assert_eq!(key_above(&world, &world.secret, &longest), longest);
    let fits = "k".repeat(255 - "shop:".len());
    assert_eq!(key_above(&world, &shop, &fits), format!("shop:{fits}"));
    let colon = format!(":{}", "k".repeat(254));
    let hashed = [
        key_above(&world, &shop, &longest),
        key_above(&world, &other, &longest),
        key_above(&world, &shop, &"k".repeat(251)),
        key_above(&world, &world.secret, &colon),
    ];
    for (place, key) in hashed.iter().enumerate() {
        let digits = key.strip_prefix("~:").unwrap_or_else(|| panic!("{key}"));
        let is_hex = digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(digits.len() == 64 && is_hex, "{key}");
        assert!(!hashed[..place].contains(key), "{key} stands for two");
    }
    assert_eq!(
        key_above(&world, &world.secret, &hashed[0]),
        format!("default:{}", hashed[0])
    );
}

#[test]
fn two_keys_of_one_account_share_what_was_done() {
    let world = World::new();
    let second = world.key(&["--mode", "live"]);
    let first = world.send(&Call::keyed("order_1"));
    let again = world.send_as(&second, &Call::keyed("order_1"));
    assert!(again.replayed());
    assert_eq!(charge_in(&again.body), charge_in(&first.body));
    assert_eq!(world.upstream.charges().len(), 1);
}

#[test]
fn a_key_that_is_none_is_refused_and_nothing_goes_up() {
    let world = World::new();
    for key in ["", " ", &"k".repeat(256), "k\u{e9}y", "k\ty"] {
        let reply = world.send(&Call::order("a").with("Idempotency-Key", key));
        reply.expect(400, "idempotency_key_invalid");
    }
    assert_eq!(world.upstream.connections(), 0);
}

#[test]
fn a_patch_is_as_safe_to_repeat_as_a_post() {
    let world = World::new();
    let patch = Call::new("PATCH", "/functions/v1/sessions/a").json("{\"order\":\"a\"}");
    let call = patch.with("X-Idempotency-Key", "k");
    let first = world.send(&call);
    let again = world.send(&call);
    assert!(again.replayed());
    assert_eq!((again.status, again.body), (201, first.body));
    assert_eq!(world.upstream.hit().header("idempotency-key"), "k");
}
