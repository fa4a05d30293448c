//! The exports of the module that reads policy files, and nothing else: as those of `packages/next/wasm`, which decides.
//! It runs where an app is built, or started from its source, and goes into no bundle.

use std::cell::RefCell;

#[derive(Default)]
struct Module {
    message: Vec<u8>,
    answer: Vec<u8>,
}

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

/// Makes room for a message of `length` bytes, and tells where it is. It moves with every call.
#[expect(unsafe_code, reason = "an exported name")]
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> usize {
    MODULE.with_borrow_mut(|module| {
        module.message.clear();
        module.message.resize(length, 0);
        module.message.as_mut_ptr().expose_provenance()
    })
}

/// Reads the policy file in the message ([`palisade_js::compile`]). There is one operation and nothing waits.
#[expect(unsafe_code, reason = "an exported name")]
#[unsafe(no_mangle)]
pub extern "C" fn call(_operation: u32, _handle: u32) -> u32 {
    MODULE.with_borrow_mut(|Module { message, answer }| {
        answer.clear();
        palisade_js::compile(message, answer)
    })
}

/// Where the last answer is. Its first four bytes are its length, little-endian.
#[expect(unsafe_code, reason = "an exported name")]
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> usize {
    MODULE.with_borrow(|module| module.answer.as_ptr().expose_provenance())
}
