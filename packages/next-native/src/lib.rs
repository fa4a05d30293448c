//! The gate of `@palisade-gate/next` as a native module of Node.js: what `packages/next/wasm` exports, as a class. Whoever
//! installs it decides faster; what is decided is the same, as it is the same [`palisade_js::Face`].
//!
//! No pointer is followed by this code: what Node.js is given, napi's macros make.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::BufferSlice;
use napi::{Env, Error, Result};
use napi_derive::napi;
use palisade_js::Face;

/// One gate, with its own counts.
#[napi]
pub struct Gate {
    /// None after a panic: nothing that it held can be trusted.
    face: Option<Face>,
    answer: Vec<u8>,
}

// === impl Gate ===

#[napi]
impl Gate {
    /// A gate that was given no policy yet.
    #[napi(constructor)]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a constructor of JavaScript")]
    pub fn new() -> Gate {
        Gate { face: Some(Face::default()), answer: Vec::new() }
    }

    /// Answers a message: one byte that says what the answer is, then the answer, as [`palisade_js`] writes both.
    ///
    /// # Errors
    /// The gate has panicked, now or before.
    #[napi]
    pub fn call<'e>(&mut self, env: &'e Env, operation: u32, handle: u32, message: &[u8]) -> Result<BufferSlice<'e>> {
        let Gate { face, answer } = self;
        let stopped = || Error::from_reason("palisade: the gate stopped in the middle of a decision");
        let mut running = face.take().ok_or_else(stopped)?;
        let said = catch_unwind(AssertUnwindSafe(|| running.call(operation, handle, message, answer)));
        *face = Some(running).filter(|_| said.is_ok());
        // There are fewer than twenty things to say.
        let said = u8::try_from(said.map_err(|_| stopped())?).map_err(|_| stopped())?;
        BufferSlice::copy_from(env, [&[said], answer.as_slice()].concat())
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({:?})", self.face)
    }
}

/// The version that its messages are of: the package's own must be the same.
#[napi]
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
