//! See `palisade_fuzz::event_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::event_line(data));
