//! Looks for bytes that break the law `body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::body::holds(bytes));
