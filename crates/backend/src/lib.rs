//! What the guard asks, answered natively: tokens are spent in this process, time is the system's, randomness a
//! cryptographic generator's, and schemas are compiled by the `jsonschema` crate.
//!
//! With the `axum` feature, [`Inside`] puts it all together for an app that carries the gate within.

#[cfg(feature = "axum")]
mod inside;
mod local;
mod schemas;
mod system;

#[cfg(feature = "axum")]
pub use inside::{Inside, InsideAmbient};
pub use local::Local;
pub use schemas::{JsonSchemas, providers};
pub use system::{SystemEntropy, now};
