//! What the guard asks, answered natively: tokens are spent and messages reserved in this process, time is the system's, randomness a
//! cryptographic generator's.
//!
//! With the `axum` feature, [`Inside`] puts it all together for an app that carries the gate within.

#[cfg(feature = "axum")]
mod inside;
mod local;
mod system;

#[cfg(feature = "axum")]
pub use inside::{Inside, InsideAmbient};
pub use local::Local;
pub use system::{SystemEntropy, now};
