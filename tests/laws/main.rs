//! Properties of the rules, held against naive models, by the thousand and without a server.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking what is wrong"
)]

mod circuit;
mod limits;
mod once;
mod payments;
mod values;

/// 2026-11-25T12:00:00Z, in milliseconds.
const START: u64 = 1_795_608_000_000;
