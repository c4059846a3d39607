//! What a server is asked for while a compiler looks on: every kind of request that has to be fast, as many of each, or
//! the rarer ones would count for little. `systemd/build` has it in between, so what it prints is the speed of a server
//! that counts.

use std::time::Duration;

use crate::forward::forwarding;
use crate::load::{Plan, Requests};
use crate::probe::{ask, charge, create_session, create_sessions, read_session};
use crate::server::{Server, make_key};
use crate::speed::drive;
use crate::{Outcome, bare};

/// Requests of each kind.
const REQUESTS: u64 = 40_000;
const PLAN: Plan = Plan {
    connections: 50,
    warm_up: Duration::from_millis(500),
    // They are answered sooner by any server.
    measured: Duration::from_secs(60),
};

/// Asks a server for all of it, and stops it in order: that is when it writes down what it has counted.
pub fn show() -> Outcome<()> {
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = temporary.path();
    let upstream = bare::start(
        dir,
        "upstream",
        201,
        br#"{"id":"sess_0Vbzd6vF6AF5EMnItKMMcEbn"}"#,
    )?;
    let data = dir.join("atlas");
    let (test, live) = (make_key(&data, "test")?, make_key(&data, "live")?);
    let command = forwarding(&data, &upstream);
    let atlas = Server::spawn(command, &data.with_extension("log"))?;
    let order = create_session(&test, "an order");
    let made: serde_json::Value = serde_json::from_slice(&ask(atlas.address, &order)?.body)?;
    let id = made["id"].as_str().ok_or("a session without an id")?;
    let loads = [
        ("reads", Requests::same(read_session(&test, id))),
        ("replays", Requests::same(order.clone())),
        ("orders", create_sessions(&test, "profile", u64::MAX)?),
        ("forwarded", Requests::same(charge(&live))),
        (
            "forwarded once",
            create_sessions(&live, "profile", u64::MAX)?,
        ),
    ];
    for (name, requests) in loads {
        let sample = drive(&atlas, &mut requests.only(REQUESTS), PLAN)?;
        println!("  {name} {sample}");
    }
    atlas.stop()?;
    upstream.stop()?;
    Ok(())
}
