//! What the guard asks, answered natively: tokens are spent and messages reserved in this process, time is the
//! system's, randomness a cryptographic generator's, signatures are verified by AWS-LC, and issuers' keys are fetched
//! over https.
//!
//! With the `axum` feature, [`Inside`] puts it all together for an app that carries the gate within.

mod fetch;
#[cfg(feature = "axum")]
mod inside;
mod issuer;
mod jwks;
mod local;
mod system;
mod verify;

#[cfg(feature = "axum")]
pub use inside::{Inside, InsideAmbient};
pub use issuer::DemoIssuer;
pub use jwks::{Jwks, JwksTimes};
pub use local::{Answering, Local};
pub use system::{SystemEntropy, now};
pub use verify::AwsLc;
