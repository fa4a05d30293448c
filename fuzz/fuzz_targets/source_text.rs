//! See `palisade_fuzz::source_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::source_text(data));
