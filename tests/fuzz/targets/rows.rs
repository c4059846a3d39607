//! Looks for bytes that break the law `rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::rows::holds(bytes));
