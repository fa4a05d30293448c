//! See `palisade_fuzz::request_framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::request_framing(data));
