//! The contract, as sentences about a server in a world of its own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking what is wrong"
)]

mod replay;
mod world;
