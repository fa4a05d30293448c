//! See `palisade_fuzz::csrf_token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::csrf_token(data));
