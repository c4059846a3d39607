//! Looks for bytes that break the law `backup`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atlas_laws::backup::holds(bytes));
