//! What is counted while the gate serves, and how it is told.
//!
//! Each thread counts for itself, with plain loads and stores; the sum is made when somebody asks. The labels are kinds,
//! codes, status classes and the upstreams of the policy: nothing that a client sends becomes one.

mod counters;
mod process;
mod text;

pub(crate) use counters::{Count, Counters};
pub(crate) use text::{Scrape, render};
