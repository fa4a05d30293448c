//! See `palisade_fuzz::git_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| palisade_fuzz::git_file(data));
