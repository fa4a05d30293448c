//! Counting within a span of time, exactly, in memory that the threshold bounds and traffic does not.

use crate::keep::kept;

/// The newest times, as many as are needed to decide whether there were so many in a span.
///
/// There were `n` within the span exactly if the `n`-th newest is within it, so older ones need not be kept.
#[derive(Debug, Default, Clone)]
pub(crate) struct Newest {
    times: Vec<u64>,
    next: usize,
}

/// The values seen last, as many as are needed to decide whether there were so many different ones in a span.
///
/// There were `n` different ones within the span exactly if the `n` seen last all are.
#[derive(Debug, Default, Clone)]
pub(crate) struct Different {
    values: Vec<(u64, u64)>,
}

/// Sums over a span in sixty parts: what is older than the span by less than a sixtieth may still count.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sums {
    parts: Vec<[u32; 2]>,
    totals: [u64; 2],
    newest: u64,
}

/// Parts of a [`Sums`].
const PARTS: u64 = 60;

const PARTS_LEN: usize = 60;

// === impl Newest ===

impl Newest {
    /// Adds an event that stands for `count`. `wanted` is the same for every call.
    pub(crate) fn add(&mut self, time: u64, count: u32, wanted: usize) {
        for _ in 0..(count as usize).min(wanted) {
            if self.times.len() < wanted {
                self.times.push(time);
            } else if let Some(slot) = self.times.get_mut(self.next) {
                *slot = time;
                self.next = (self.next + 1) % wanted;
            }
        }
    }

    /// The time of the `wanted`-th newest, if there are so many within `span` before `now`.
    pub(crate) fn full(&self, now: u64, span: u64, wanted: usize) -> Option<u64> {
        if self.times.len() < wanted {
            return None;
        }
        let oldest = self.times.get(self.next).copied()?;
        (now.saturating_sub(oldest) < span).then_some(oldest)
    }

    /// How many of those kept are within the span.
    pub(crate) fn within(&self, now: u64, span: u64) -> usize {
        self.times.iter().filter(|time| now.saturating_sub(**time) < span).count()
    }
}

// === impl Different ===

impl Different {
    pub(crate) fn add(&mut self, time: u64, value: u64, wanted: usize) {
        if let Some(at) = self.values.iter().position(|(known, _)| *known == value) {
            if let Some((_, seen)) = self.values.get_mut(at) {
                *seen = time;
            }
            // A flood of one value finds it at once.
            self.values.swap(0, at);
            return;
        }
        if self.values.len() < wanted {
            self.values.push((value, time));
        } else if let Some(oldest) = self.values.iter_mut().min_by_key(|(value, seen)| (*seen, *value)) {
            *oldest = (value, time);
        }
    }

    /// The oldest time among the `wanted` seen last, if all are within the span.
    pub(crate) fn full(&self, now: u64, span: u64, wanted: usize) -> Option<u64> {
        if self.values.len() < wanted {
            return None;
        }
        let oldest = self.values.iter().map(|(_, seen)| *seen).min()?;
        (now.saturating_sub(oldest) < span).then_some(oldest)
    }

    /// How many of those kept are within the span.
    pub(crate) fn within(&self, now: u64, span: u64) -> usize {
        self.values.iter().filter(|(_, time)| now.saturating_sub(*time) < span).count()
    }
}

// === impl Sums ===

impl Sums {
    /// Adds to one of the two sums, or to none, at a time that never goes back.
    pub(crate) fn add(&mut self, time: u64, span: u64, which: usize, count: u32) {
        let part = (span / PARTS).max(1);
        let now = time / part;
        if self.parts.is_empty() {
            self.parts = vec![[0; 2]; PARTS_LEN];
            self.newest = now;
        }
        for _ in 0..now.saturating_sub(self.newest).min(PARTS) {
            self.newest += 1;
            if let Some(old) = self.parts.get_mut((self.newest % PARTS) as usize) {
                for (total, old) in self.totals.iter_mut().zip(std::mem::take(old)) {
                    *total = total.saturating_sub(u64::from(old));
                }
            }
        }
        if self.newest < now {
            // A gap longer than the span: every part was emptied above, and each stands for a later time.
            self.newest = now;
        }
        let slot = self.parts.get_mut((self.newest % PARTS) as usize).and_then(|part| part.get_mut(which));
        if let (Some(slot), Some(total)) = (slot, self.totals.get_mut(which)) {
            let added = count.min(u32::MAX - *slot);
            *slot += added;
            *total += u64::from(added);
        }
    }

    pub(crate) fn totals(&self) -> [u64; 2] {
        self.totals
    }
}

kept!(Newest { times, next });
kept!(Different { values });
kept!(Sums { parts, totals, newest });

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_agree_with_keeping_everything(gaps in prop::collection::vec((0u64..40, 1u32..4), 1..60), wanted in 1usize..8) {
            let (mut newest, mut all, mut now) = (Newest::default(), Vec::new(), 1000);
            for (gap, count) in gaps {
                now += gap;
                newest.add(now, count, wanted);
                all.extend(std::iter::repeat_n(now, count as usize));
                let within = all.iter().filter(|time| now - **time < 60).count();
                prop_assert_eq!(newest.full(now, 60, wanted).is_some(), within >= wanted);
                prop_assert_eq!(newest.within(now, 60), within.min(wanted));
            }
        }

        #[test]
        fn different_values_agree_with_keeping_everything(events in prop::collection::vec((0u64..40, 0u64..9), 1..60), wanted in 1usize..8) {
            let (mut different, mut all, mut now) = (Different::default(), Vec::new(), 1000);
            for (gap, value) in events {
                now += gap;
                different.add(now, value, wanted);
                all.push((now, value));
                let within: BTreeSet<_> = all.iter().filter(|(time, _)| now - time < 60).map(|(_, value)| value).collect();
                prop_assert_eq!(different.full(now, 60, wanted).is_some(), within.len() >= wanted);
            }
        }

        #[test]
        fn sums_are_those_of_the_span_give_or_take_a_part(gaps in prop::collection::vec((0u64..400, 0usize..2, 1u32..9), 1..60)) {
            let (span, part) = (600, 10);
            let (mut sums, mut all, mut now) = (Sums::default(), Vec::new(), 100_000);
            for (gap, which, count) in gaps {
                now += gap;
                sums.add(now, span, which, count);
                all.push((now, which, u64::from(count)));
                for side in 0..2 {
                    let sum = |longest: u64| -> u64 {
                        all.iter().filter(|(time, which, _)| *which == side && now - time < longest).map(|(.., count)| count).sum()
                    };
                    let total = sums.totals()[side];
                    prop_assert!(sum(span - part) <= total && total <= sum(span + part), "{total}");
                }
            }
        }
    }
}
