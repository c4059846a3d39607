//! The real binary, as an operator and as the documented clients meet it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong"
)]

#[expect(dead_code, reason = "shared with the crash test")]
mod atlas;
mod clients;
mod commands;
mod disk;
mod secrets;
mod settings;
mod stopping;
mod syncs;
