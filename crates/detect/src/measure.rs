//! Sums, averages and percentiles of a number that events carry, over a span in ten parts: what is older than the span by
//! less than a tenth may still count.

use std::collections::VecDeque;

use crate::keep::kept;
use crate::rule::Measured;

/// Parts of a span.
const PARTS: u64 = 10;

/// Bins of a part: numbers within 15 % of each other share one, from 1 to 10^15.
const BINS: u16 = 250;

/// How far apart the ends of a bin are.
const STEP: f64 = 1.15;

/// The numbers of one group within a span.
#[derive(Debug, Default, Clone)]
pub(crate) struct Amounts {
    parts: VecDeque<Part>,
}

#[derive(Debug, Default, Clone)]
struct Part {
    at: u64,
    sum: f64,
    count: u64,
    /// How often a number of each bin came; for percentiles only.
    bins: Vec<(u16, u64)>,
}

// === impl Amounts ===

impl Amounts {
    /// Adds a number that came `count` times, at a time that never goes back.
    pub(crate) fn add(&mut self, measured: Measured, time: u64, span: u64, number: f64, count: u32) {
        let at = time / (span / PARTS).max(1);
        while self.parts.front().is_some_and(|part| part.at + PARTS <= at) {
            self.parts.pop_front();
        }
        if self.parts.back().is_none_or(|part| part.at < at) {
            self.parts.push_back(Part { at, ..Part::default() });
        }
        let Some(part) = self.parts.back_mut() else { return };
        part.sum += number * f64::from(count);
        part.count += u64::from(count);
        if let Measured::Percentile(_) = measured {
            let bin = bin(number);
            match part.bins.iter_mut().find(|(known, _)| *known == bin) {
                Some((_, counted)) => *counted += u64::from(count),
                None => part.bins.push((bin, u64::from(count))),
            }
        }
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> u64 {
        self.parts.iter().map(|part| part.count).sum()
    }

    /// What is measured; of no number nothing.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53")]
    pub(crate) fn measure(&self, measured: Measured) -> f64 {
        let (sum, count) = (self.parts.iter().map(|part| part.sum).sum::<f64>(), self.count());
        match measured {
            Measured::Sum => sum,
            Measured::Average => sum / count.max(1) as f64,
            Measured::Percentile(nth) => {
                let mut all: Vec<_> = self.parts.iter().flat_map(|part| part.bins.iter().copied()).collect();
                all.sort_unstable();
                let wanted = (count as f64 * nth / 100.0).ceil().max(1.0);
                let mut passed = 0;
                let reached = all.iter().find(|(_, count)| {
                    passed += count;
                    passed as f64 >= wanted
                });
                reached.map_or(0.0, |(bin, _)| middle(*bin))
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and BINS")]
fn bin(number: f64) -> u16 {
    if number < 1.0 { 0 } else { (number.ln() / STEP.ln()).clamp(0.0, f64::from(BINS - 2)) as u16 + 1 }
}

/// What stands for the numbers of a bin.
fn middle(bin: u16) -> f64 {
    if bin == 0 { 0.0 } else { STEP.powf(f64::from(bin) - 0.5) }
}

kept!(Amounts { parts });
kept!(Part { at, sum, count, bins });

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: u64 = 1000;

    fn of(measured: Measured, numbers: &[(u64, f64)]) -> f64 {
        let mut amounts = Amounts::default();
        numbers.iter().for_each(|(time, number)| amounts.add(measured, *time, SPAN, *number, 1));
        amounts.measure(measured)
    }

    #[test]
    fn what_is_older_than_the_span_does_not_count() {
        let numbers = [(0, 1000.0), (950, 7.0), (1010, 3.0)];
        assert!((of(Measured::Sum, &numbers) - 10.0).abs() < 1e-9);
        assert!((of(Measured::Average, &numbers) - 5.0).abs() < 1e-9);
        assert!((of(Measured::Sum, &numbers[..2]) - 1007.0).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_right_within_a_bin() {
        let numbers: Vec<_> = (1..=1000_u32).map(|number| (10, f64::from(number))).collect();
        for nth in [1.0, 50.0, 95.0, 99.9] {
            let found = of(Measured::Percentile(nth), &numbers);
            assert!((found / (nth * 10.0) - 1.0).abs() < 0.15, "{nth}: {found}");
        }
        assert!(of(Measured::Percentile(50.0), &[]).abs() < 1e-9);
    }
}
