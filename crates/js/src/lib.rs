//! The guard for JavaScript: the same decisions behind one call that takes bytes and gives bytes.
//!
//! [`Face`] is what a module exports. Each message carries the time and random bytes that its decision may use, so the
//! module itself needs nothing from outside. [`compile`] reads a policy file, in a module of its own: what decides has no
//! reader of TOML in it. A request that waits for an answer, or for its response, is parked under
//! a number; what is parked is bounded.
//!
//! What it does not do: it has no engine of JSON Schema, which alone would be five times its size. Where the policy
//! names a schema, the app's own judges. State that gates share is asked for by JavaScript, with the guard's own scripts.

mod checked;
mod compile;
mod config;
mod face;
mod parked;
mod supplied;
mod together;
mod told;
mod verify;
mod wire;

pub use compile::compile;
pub use face::{Face, Operation, Said};
pub use verify::RustCrypto;
