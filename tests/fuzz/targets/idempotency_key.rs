//! Looks for bytes that break the law `idempotency_key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::idempotency_key::holds(bytes));
