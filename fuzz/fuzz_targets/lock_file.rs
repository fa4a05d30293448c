//! See `palisade_fuzz::lock_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::lock_file(data));
