//! Live and test never meet: each mode has an upstream of its own, or none.

use std::path::Path;

use crate::caller::{Call, Caller, Reply};
use crate::process::{Atlas, text};
use crate::script::{Step, cut};
use crate::upstream::Upstream;
use crate::world::{AUTHORIZATION, BOUND, serve};

const TEST_AUTHORIZATION: &str = "Bearer sk_test_OfTheUpstream0123456789ABCD";
const CREATE: &str = "/functions/v1/create-session";

/// A server with these upstreams, and a key of each mode.
struct Both {
    server: Atlas,
    live: String,
    test: String,
}

impl Both {
    fn on(directory: &Path, live: Option<&Upstream>, test: Option<&Upstream>) -> Self {
        let server = serve(directory, |command| {
            if let Some(upstream) = live {
                command.args(["--live-upstream", &upstream.url()]);
                command.env("ATLAS_LIVE_AUTHORIZATION", AUTHORIZATION);
            }
            if let Some(upstream) = test {
                command.args(["--test-upstream", &upstream.url()]);
                command.env("ATLAS_TEST_AUTHORIZATION", TEST_AUTHORIZATION);
            }
        });
        Self {
            live: server.key(&["--mode", "live"]),
            test: server.key(&["--mode", "test"]),
            server,
        }
    }

    #[track_caller]
    fn send(&self, secret: &str, call: &Call) -> Reply {
        let caller = Caller::connect(self.server.address);
        let reply = caller.and_then(|mut caller| caller.send(call, secret));
        reply.expect("an answer")
    }
}

/// A request that the simulator takes, too.
fn session(key: &str) -> Call {
    let call = Call::new("POST", CREATE).json(r#"{"amount":4990,"currency":"USD","order":"a"}"#);
    call.with("Idempotency-Key", key)
}

#[test]
fn each_mode_goes_to_its_own_upstream_with_its_own_authorization() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (live, test) = (Upstream::new(), Upstream::new());
    let both = Both::on(&temporary.path().join("data"), Some(&live), Some(&test));
    for number in 0..10 {
        for call in [
            session(&format!("order_{number}")),
            Call::get("/functions/v1/a"),
            Call::order("a"),
        ] {
            for (secret, own, other, authorization) in [
                (&both.live, &live, &test, AUTHORIZATION),
                (&both.test, &test, &live, TEST_AUTHORIZATION),
            ] {
                let (before, others) = (own.hits().len(), other.hits().len());
                let reply = both.send(secret, &call);
                assert!(
                    matches!(reply.status, 200 | 201) && !reply.replayed(),
                    "{reply}"
                );
                let hits = own.wait_for(before + 1);
                assert_eq!(hits[before].header("authorization"), authorization);
                assert_eq!(other.hits().len(), others);
            }
        }
    }
}

#[test]
fn with_an_upstream_for_live_only_test_keys_meet_the_simulator() {
    let temporary = tempfile::tempdir().expect("a directory");
    let live = Upstream::new();
    let both = Both::on(&temporary.path().join("data"), Some(&live), None);
    let reply = both.send(&both.test, &session("order_1"));
    let id = reply.expect_status(201).json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(id.starts_with("sess_"), "{id}");
    let shown = both.send(
        &both.test,
        &Call::get(&format!("/functions/v1/sessions/{id}")),
    );
    shown.expect_status(200);
    both.send(&both.test, &Call::get("/functions/v1/nothing"))
        .expect(404, "route_not_found");
    both.send(&both.test, &Call::get("/functions/v1/test-cards"))
        .expect_status(200);
    assert_eq!(live.connections(), 0);
    both.send(&both.live, &session("order_1"))
        .expect_status(201);
    let asked = both.send(
        &both.live,
        &Call::get(&format!("/functions/v1/sessions/{id}")),
    );
    // The upstream's own words: what the simulator has is not shown to a live key.
    assert_eq!(asked.json()["method"], "GET");
    live.wait_for(2);
}

#[test]
fn with_an_upstream_for_test_only_live_keys_are_refused_as_before() {
    let temporary = tempfile::tempdir().expect("a directory");
    let test = Upstream::new();
    let both = Both::on(&temporary.path().join("data"), None, Some(&test));
    both.send(&both.live, &session("order_1"))
        .expect(503, "live_mode_unavailable");
    both.send(&both.live, &Call::get("/functions/v1/nothing"))
        .expect(404, "route_not_found");
    assert_eq!(test.connections(), 0);
    let reply = both.send(&both.test, &session("order_1"));
    assert_eq!(reply.expect_status(201).header("x-charge"), "ch_1");
    both.send(&both.test, &Call::get("/functions/v1/test-cards"))
        .expect_status(200);
    test.wait_for(2);
}

#[test]
fn an_upstream_that_fails_leaves_the_other_mode_alone() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (live, test) = (Upstream::new(), Upstream::new());
    let both = Both::on(&temporary.path().join("data"), Some(&live), Some(&test));
    live.always(cut("HTTP/1.1 2"));
    for _ in 0..10 {
        let reply = both.send(&both.live, &Call::order("a"));
        assert!(matches!(reply.status, 503 | 504), "{reply}");
        both.send(&both.test, &Call::order("a")).expect_status(201);
    }
    live.stop();
    let reply = both.send(&both.live, &Call::order("a"));
    assert!(matches!(reply.status, 502 | 503), "{reply}");
    both.send(&both.test, &Call::order("a")).expect_status(201);
    test.wait_for(11);
}

#[test]
fn the_busy_connections_of_one_mode_are_not_the_others() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (live, test) = (Upstream::new(), Upstream::new());
    let directory = temporary.path().join("data");
    let server = serve(&directory, |command| {
        command.args(["--live-upstream", &live.url(), "--live-connections", "1"]);
        command.args(["--live-connect-timeout", BOUND]);
        command.args(["--test-upstream", &test.url(), "--test-connections", "1"]);
    });
    let (live_key, test_key) = (server.key(&["--mode", "live"]), server.key(&[]));
    live.always(vec![Step::Wait, Step::Work]);
    let call = Call::order("a");
    let mut busy = Caller::connect(server.address).expect("a connection");
    busy.say(&call.bytes(&live_key)).expect("sent");
    live.wait_for(1);
    let send = |secret: &str| {
        let reply = Caller::connect(server.address).and_then(|mut to| to.send(&call, secret));
        reply.expect("an answer")
    };
    send(&live_key).expect(503, "upstream_unavailable");
    send(&test_key).expect_status(201);
    live.release();
    busy.reply(false).expect("an answer").expect_status(201);
}

#[test]
fn a_client_secret_of_a_buyer_never_goes_up() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let before = Both::on(&directory, None, None);
    let made = before.send(&before.test, &session("order_1")).json();
    let member = |name: &str| made[name].as_str().expect("text").to_owned();
    let (id, buyer) = (member("id"), member("client_secret"));
    let (live, test) = (Upstream::new(), Upstream::new());
    assert!(before.server.terminate().success());
    let both = Both::on(&directory, Some(&live), Some(&test));
    let pay = Call::new("POST", &format!("/functions/v1/confirm-payment/{id}"));
    for call in [
        Call::get(&format!("/functions/v1/get-session-config/{id}")),
        Call::get(&format!("/functions/v1/sessions/{id}")),
        pay.json(r#"{"token_id":"tok_visa"}"#)
            .with("Idempotency-Key", "a"),
        Call::get("/functions/v1/anything"),
    ] {
        for secret in [buyer.as_str(), "cs_0123456789", &"cs_".repeat(17)] {
            both.send(secret, &call);
        }
    }
    assert_eq!((live.connections(), test.connections()), (0, 0));
    // What was made here is replayed from here.
    let again = both.send(&both.test, &session("order_1"));
    assert!(
        again.replayed() || again.header("x-charge") == "ch_1",
        "{}",
        text(&again.body)
    );
}

#[test]
fn strangers_of_either_mode_never_go_up() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (live, test) = (Upstream::new(), Upstream::new());
    let both = Both::on(&temporary.path().join("data"), Some(&live), Some(&test));
    let swapped = |key: &str, from: &str, to: &str| key.replacen(from, to, 1);
    for secret in [
        String::new(),
        "sk_live_".to_owned(),
        "sk_live_0123456789abcdefghijklmnopqrstuvwxyz".to_owned(),
        swapped(&both.live, "sk_live_", "sk_test_"),
        swapped(&both.test, "sk_test_", "sk_live_"),
        AUTHORIZATION.replacen("Bearer ", "", 1),
    ] {
        for call in [session("order_1"), Call::get("/functions/v1/a")] {
            both.send(&secret, &call).expect(401, "invalid_api_key");
        }
    }
    assert_eq!((live.connections(), test.connections()), (0, 0));
}
