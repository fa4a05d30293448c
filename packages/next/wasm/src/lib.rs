//! The exports of the WebAssembly module, and nothing else: three functions over two buffers that live here.
//!
//! JavaScript asks for room with `reserve`, writes a message there, and has it answered by `call`; the answer lies at
//! `answer` until the next call. The module imports nothing: time and random bytes are parts of each message.
//!
//! An exported name needs an unsafe attribute, as two of the same name would clash. It is the only thing here that the
//! workspace's rules do not allow; no pointer is followed by this code.

use std::cell::RefCell;

use palisade_js::Face;

/// The one gate of this instance. WebAssembly has one thread.
#[derive(Default)]
struct Module {
    face: Face,
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

/// Answers the message. What `operation` and the result mean is told by [`palisade_js`].
#[expect(unsafe_code, reason = "an exported name")]
#[unsafe(no_mangle)]
pub extern "C" fn call(operation: u32, handle: u32) -> u32 {
    MODULE.with_borrow_mut(|Module { face, message, answer }| {
        answer.clear();
        face.call(operation, handle, message, answer)
    })
}

/// Where the last answer is. Its first four bytes are its length, little-endian.
#[expect(unsafe_code, reason = "an exported name")]
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> usize {
    MODULE.with_borrow(|module| module.answer.as_ptr().expose_provenance())
}
