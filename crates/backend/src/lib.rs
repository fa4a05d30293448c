//! What the guard asks, answered natively: tokens are spent and messages reserved in this process, time is the
//! system's, randomness a cryptographic generator's, signatures are verified by AWS-LC, issuers' keys are fetched over
//! https, and schemas are compiled by the `jsonschema` crate. State that gates share is kept by a Redis or Valkey server
//! ([`Shared`]).
//!
//! With the `axum` feature, [`Inside`] puts it all together for an app that carries the gate within.

mod fetch;
#[cfg(feature = "axum")]
mod inside;
mod issuer;
mod jwks;
mod local;
mod schemas;
mod shared;
mod system;
mod verify;

#[cfg(feature = "axum")]
pub use inside::{Inside, InsideAmbient};
pub use issuer::DemoIssuer;
pub use jwks::{Jwks, JwksTimes};
pub use local::{Answering, Local};
pub use schemas::{JsonSchemas, providers};
pub use shared::{Address, BadAddress, BlockFault, Blocklist, Linked, LinkedAnswer, Notice, Shared};
pub use system::{SystemEntropy, now};
pub use verify::AwsLc;
