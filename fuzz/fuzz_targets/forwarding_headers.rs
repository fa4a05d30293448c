//! See `palisade_fuzz::forwarding_headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::forwarding_headers(data));
