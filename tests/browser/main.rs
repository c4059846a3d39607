//! The dashboard in a real browser: what it shows, what it does by itself, and what it must not do.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong"
)]

mod checkout;
mod chromium;
mod desk;
mod driver;
mod hostile;
mod keyboard;
mod keys;
mod live;
mod log_in;
mod looks;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the binary")]
mod process;
mod scriptless;
mod snippets;
mod storage;
