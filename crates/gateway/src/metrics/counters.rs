use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use palisade_event::{Code, Decision, Event, Kind};

/// A number that one thread raises and others read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

/// What one thread has counted.
#[derive(Debug)]
pub(crate) struct Counters {
    /// By kind, the last row for requests without a route, and by class of status.
    requests: [[Count; CLASSES.len()]; Kind::ALL.len() + 1],
    refusals: [Count; Code::ALL.len()],
    would_refuse: [Count; Code::ALL.len()],
    /// Time to the head of the application's answer.
    pub(crate) upstream: Histogram,
    /// Requests that were sent a second time.
    pub(crate) retries: Count,
    /// Which plan it serves by; the first is 1.
    pub(crate) generation: Count,
}

/// Times, by upper bound.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One more than there are bounds, for what is above all of them.
    buckets: [Count; BOUNDS.len() + 1],
    sum_micros: Count,
}

/// The classes of status, as they are told.
pub(crate) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Upper bounds in microseconds, as they are told in seconds: from a local answer to the longest a route may take.
pub(crate) const BOUNDS: [(u64, &str); 14] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

// === impl Count ===

impl Count {
    /// Only the thread it belongs to calls this, so that nothing is lost between the load and the store.
    pub(crate) fn add(&self, number: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl Counters ===

impl Default for Counters {
    fn default() -> Counters {
        let row = || std::array::from_fn(|_| Count::default());
        Counters {
            requests: std::array::from_fn(|_| row()),
            refusals: std::array::from_fn(|_| Count::default()),
            would_refuse: std::array::from_fn(|_| Count::default()),
            upstream: Histogram::default(),
            retries: Count::default(),
            generation: Count::default(),
        }
    }
}

impl Counters {
    /// Counts a request.
    pub(crate) fn request(&self, event: &Event<'_>) {
        let row = event.kind.map_or(Kind::ALL.len(), |kind| kind as usize);
        let class = usize::from(event.status / 100).saturating_sub(1).min(CLASSES.len() - 1);
        if let Some(count) = self.requests.get(row).and_then(|row| row.get(class)) {
            count.add(1);
        }
        let codes = match event.decision {
            Decision::WouldRefuse => &self.would_refuse,
            Decision::Refuse | Decision::Admit | Decision::Answer => &self.refusals,
        };
        if let Some(count) = event.code.and_then(|code| codes.get(code as usize)) {
            count.add(1);
        }
    }

    /// Requests of a kind, or without a route, with a status of that class.
    pub(crate) fn requests(&self, kind: Option<Kind>, class: usize) -> u64 {
        let row = kind.map_or(Kind::ALL.len(), |kind| kind as usize);
        self.requests.get(row).and_then(|row| row.get(class)).map_or(0, Count::read)
    }

    /// Requests answered with that code.
    pub(crate) fn refusals(&self, code: Code) -> u64 {
        self.refusals.get(code as usize).map_or(0, Count::read)
    }

    /// Requests that enforcing would have refused.
    pub(crate) fn would_refuse(&self, code: Code) -> u64 {
        self.would_refuse.get(code as usize).map_or(0, Count::read)
    }
}

// === impl Histogram ===

impl Histogram {
    pub(crate) fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.buckets.get(bucket) {
            count.add(1);
        }
        self.sum_micros.add(micros);
    }

    /// How many fell between a bound and the one below; the last is what is above all bounds.
    pub(crate) fn bucket(&self, index: usize) -> u64 {
        self.buckets.get(index).map_or(0, Count::read)
    }

    pub(crate) fn sum_micros(&self) -> u64 {
        self.sum_micros.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_codes_are_numbered_as_they_are_listed() {
        assert!(Kind::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
        assert!(Code::ALL.iter().enumerate().all(|(index, code)| *code as usize == index));
    }

    #[test]
    fn times_fall_into_the_bucket_below_their_bound() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 59_999_999, 60_000_000, 60_000_001, u64::MAX / 4] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!([0, 1, 13, 14].map(|index| histogram.bucket(index)), [2, 1, 2, 2]);
    }
}
