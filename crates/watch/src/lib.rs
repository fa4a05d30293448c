//! From logs that exist already, from reports and from a gate's own lines, to events.
//!
//! [`lines`] reads every format that is known, [`tail`] follows a log through its rotations, [`intake`] is the port at which
//! others report, [`geo`] knows countries; with the feature `streams`, gates and detectors on several machines meet over Redis.

pub mod geo;
pub mod intake;
pub mod lines;
mod recent;
#[cfg(feature = "streams")]
pub mod streams;
pub mod tail;
