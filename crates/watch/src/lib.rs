//! From logs that exist already, from reports and from a gate's own lines, to events, and to what is made of them.
//!
//! [`lines`] reads every format that is known, [`tail`] follows a log through its rotations, [`intake`] is the port at which
//! others report, [`geo`] knows countries; with the feature `streams`, gates and detectors on several machines meet over Redis.
//! [`pipeline`] feeds the detector, [`windows`] keeps what it remembers, [`store`] what was counted and found, [`notify`] tells
//! people, [`respond`] says whom an incident shuts out, [`dashboard`] shows it, [`report`] sums it up,
//! [`export`] sends all of it on.

pub mod dashboard;
pub mod export;
pub mod geo;
pub mod intake;
pub mod lines;
pub mod notify;
pub mod pipeline;
mod recent;
pub mod report;
pub mod respond;
pub mod store;
#[cfg(feature = "streams")]
pub mod streams;
pub mod tail;
pub mod windows;
