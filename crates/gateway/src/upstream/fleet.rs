//! All upstreams of a policy, as every thread and the metrics see them.

use std::sync::Arc;

use palisade_policy::{HealthCheck, Origin, Upstream};

use super::vital::Vital;
use crate::metrics::Count;

/// The upstreams and how they are.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) seats: Vec<Seat>,
    pub(crate) health: Option<HealthCheck>,
}

/// One upstream.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) origin: Origin,
    pub(crate) weight: u16,
    pub(crate) vital: Arc<Vital>,
    /// What each thread has counted of it.
    pub(crate) tallies: Arc<[Tally]>,
}

/// What one thread has counted of one upstream.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Tally {
    /// Requests that were sent, or were to be.
    pub(crate) requests: Count,
    /// Connections that could not be opened.
    pub(crate) failures: Count,
}

// === impl Fleet ===

impl Fleet {
    /// The upstreams of a policy, for so many threads. What is known of those that `before` had too is kept.
    pub(crate) fn new(
        upstreams: &[Upstream],
        health: Option<HealthCheck>,
        threads: usize,
        before: Option<&Fleet>,
    ) -> Fleet {
        let seat = |upstream: &Upstream| {
            let Upstream { origin, weight } = upstream.clone();
            let known = before.and_then(|fleet| fleet.seats.iter().find(|seat| seat.origin == origin));
            match known {
                Some(seat) => Seat { weight, ..seat.clone() },
                None => Seat {
                    origin,
                    weight,
                    vital: Arc::default(),
                    tallies: (0..threads).map(|_| Tally::default()).collect(),
                },
            }
        };
        let seats: Vec<Seat> = upstreams.iter().map(seat).collect();
        if health.is_none() {
            // Nobody is left who could say that it is well again.
            seats
                .iter()
                .filter(|seat| before.is_some() && seat.vital.is_sick())
                .for_each(|seat| seat.vital.checked(true));
        }
        Fleet { seats, health }
    }

    /// Whether any upstream may be sent traffic.
    pub(crate) fn any_well(&self, now_micros: u64) -> bool {
        self.seats.iter().any(|seat| seat.vital.is_well(now_micros))
    }
}
