//! Looks for bytes that break the law `upstream_headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::upstream_headers::holds(bytes));
