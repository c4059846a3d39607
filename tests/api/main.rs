//! The contract, as sentences about a server in a world of its own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking what is wrong"
)]

mod authorization;
mod bodies;
mod client;
mod connections;
mod content_types;
mod cors;
mod create_session;
mod dashboard;
mod errors;
mod fingerprint;
mod forwarding;
mod hosts;
mod http2;
mod idempotency_key;
mod keys;
mod limit_headers;
mod limits;
mod metrics;
mod mock;
mod mock_handles;
mod payments;
mod pipelines;
mod races;
mod replay;
mod response;
mod rolling;
mod session_fields;
mod strangers;
mod upgrades;
mod webhooks;
mod world;
