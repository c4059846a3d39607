//! A server with an upstream of its own, and a merchant who has a live key.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::caller::{Call, Caller, Reply};
use crate::process::{Atlas, BINARY, json_of, run, text};
use crate::upstream::Upstream;

/// What the upstream wants to see; never to be seen anywhere else.
pub const AUTHORIZATION: &str = "Bearer sk_live_OfTheUpstream0123456789WXYZ";

/// A time that is waited out, and long enough for what must come within it on a busy machine.
pub const BOUND: &str = "3s";

/// Limits out of the way.
pub const UNLIMITED: &[&str] = &[
    "--per-minute",
    "1000000000",
    "--per-day",
    "1000000000",
    "--concurrent",
    "1000",
];

/// `atlas serve` on this directory and a free port, without limits.
pub fn serve(directory: &std::path::Path, configure: impl FnOnce(&mut Command)) -> Atlas {
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory)
        .args(UNLIMITED);
    configure(&mut command);
    Atlas::start(command, directory)
}

pub struct World {
    _temporary: tempfile::TempDir,
    pub directory: PathBuf,
    pub upstream: Upstream,
    flags: Vec<String>,
    server: Option<Atlas>,
    /// A live key of the account `default`.
    pub secret: String,
}

impl World {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A world whose server has more flags.
    pub fn with(flags: &[&str]) -> Self {
        let upstream = Upstream::new();
        let url = upstream.url();
        Self::to(upstream, &url, flags)
    }

    /// A world whose live requests go to this URL.
    pub fn to(upstream: Upstream, url: &str, flags: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        let mut flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        flags.extend(["--live-upstream".to_owned(), url.to_owned()]);
        let mut world = Self {
            directory: temporary.path().join("data"),
            _temporary: temporary,
            upstream,
            flags,
            server: None,
            secret: String::new(),
        };
        world.start();
        world.secret = world.key(&["--mode", "live"]);
        world
    }

    /// From the next start on, live requests go to this URL.
    pub fn lead_to(&mut self, url: &str) {
        *self.flags.last_mut().expect("the URL") = url.to_owned();
    }

    pub fn start(&mut self) {
        let start = |command: &mut Command| {
            command
                .env("ATLAS_LIVE_AUTHORIZATION", AUTHORIZATION)
                .args(&self.flags);
        };
        self.server = Some(serve(&self.directory, start));
    }

    pub fn server(&self) -> &Atlas {
        self.server.as_ref().expect("it is running")
    }

    /// The server, to be ended by whoever takes it.
    pub fn take(&mut self) -> Atlas {
        self.server.take().expect("it is running")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.take().kill();
    }

    /// SIGTERM, to its clean end.
    pub fn stop(&mut self) {
        assert!(self.take().terminate().success());
    }

    pub fn key(&self, arguments: &[&str]) -> String {
        self.server().key(arguments)
    }

    pub fn caller(&self) -> Caller {
        Caller::connect(self.server().address).expect("a connection")
    }

    /// The answer to a request with the world's key on a connection of its own.
    #[track_caller]
    pub fn send(&self, call: &Call) -> Reply {
        self.send_as(&self.secret, call)
    }

    #[track_caller]
    pub fn send_as(&self, secret: &str, call: &Call) -> Reply {
        let reply = self.caller().send(call, secret);
        reply.unwrap_or_else(|| panic!("no answer to {call:?}"))
    }

    /// Sends these bytes on a connection of their own. Whatever is answered, it has been once this returns.
    pub fn try_bytes(&self, bytes: &[u8]) -> Option<Reply> {
        let mut caller = self.caller();
        caller.say(bytes)?;
        caller.bare_reply(bytes.starts_with(b"HEAD "))
    }

    /// What `atlas claims list` shows.
    pub fn claims(&self) -> Vec<Value> {
        let listed = json_of(&["claims", "list"], &self.directory);
        listed.as_array().expect("a list").clone()
    }

    /// The one claim that is open.
    #[track_caller]
    pub fn claim(&self) -> Value {
        let mut claims = self.claims();
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims.remove(0)
    }

    /// Settles the one open claim.
    #[track_caller]
    pub fn settle(&self, end: &str) {
        let claim = self.claim();
        let id = claim["id"].as_str().expect("an id");
        let output = run(&["settle", id, "--as", end], &self.directory);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}
