//! Looks for bytes that break the law `masking`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::masking::holds(bytes));
