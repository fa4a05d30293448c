//! What surrounds a gate of tests: the system's time and randomness; nobody reads the records.

use std::time::Duration;

use palisade_backend::{SystemEntropy, now};
use palisade_guard::{Entropy, Now, Record};
use palisade_tower::Ambient;

#[derive(Clone)]
pub(crate) struct Quiet;

impl Ambient for Quiet {
    type Sleep = tokio::time::Sleep;

    fn now(&self) -> Now {
        now()
    }

    fn entropy(&self) -> &dyn Entropy {
        &SystemEntropy
    }

    fn sleep(&self, time: Duration) -> tokio::time::Sleep {
        tokio::time::sleep(time)
    }

    fn record(&self, _: Record) {}
}
