//! See `palisade_fuzz::response_framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::response_framing(data));
