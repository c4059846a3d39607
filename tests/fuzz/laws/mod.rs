//! What holds for any bytes whatever, one law a parser. cargo-fuzz looks for bytes that break one; `main.rs` tries the
//! seeds and drawn changes of them wherever the tests run.

pub mod authorization;
pub mod backup;
pub mod body;
pub mod idempotency_key;
pub mod masking;
pub mod rows;
pub mod upstream_headers;
pub mod upstream_path;

/// A law, by the name of its target and of its folder of seeds.
pub type Law = (&'static str, fn(&[u8]));

/// Every law.
pub const LAWS: [Law; 8] = [
    ("authorization", authorization::holds),
    ("backup", backup::holds),
    ("body", body::holds),
    ("idempotency_key", idempotency_key::holds),
    ("masking", masking::holds),
    ("rows", rows::holds),
    ("upstream_headers", upstream_headers::holds),
    ("upstream_path", upstream_path::holds),
];
