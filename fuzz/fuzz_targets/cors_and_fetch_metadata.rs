//! See `palisade_fuzz::cors_and_fetch_metadata`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::cors_and_fetch_metadata(data));
