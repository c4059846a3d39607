//! Looks for bytes that break the law `authorization`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::authorization::holds(bytes));
