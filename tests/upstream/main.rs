//! The real binary in front of an upstream: what goes up, what comes down, and that it happens once.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong"
)]

mod bounds;
mod caller;
mod circuit;
mod claims;
mod comes_down;
mod connections;
mod doubts;
mod exchange;
mod goes_up;
mod hang_ups;
mod headers_up;
mod injection;
mod kept;
mod keys;
mod kills;
mod modes;
mod nginx;
mod odd_heads;
mod outcomes;
mod paths;
#[path = "../binary/port.rs"]
mod port;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the binary")]
mod process;
mod returns;
mod script;
mod secrets;
mod settings;
mod smuggling;
mod streams;
mod tls;
mod upstream;
mod world;
mod wrong_settings;
