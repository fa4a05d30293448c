//! Other thresholds than rules were written with.

use crate::atom::Order;
use crate::correlation::{COUNT_CAP, DISTINCT_CAP};
use crate::rule::{Bound, Correlation};
use crate::rules::Rules;

/// From when on a rule fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// So many events, or different values; for what is compared with the usual, so many at least.
    Count(u32),
    /// More than this share, between 0 and 1.
    Share(f64),
}

/// Why a threshold cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadThreshold {
    /// There is no such rule.
    NoRule,
    /// The rule counts otherwise: it wants a share and not a count, the other way round, or neither.
    Kind,
    /// The count is zero, or larger than any rule may have.
    Range,
}

impl Rules {
    /// Sets the threshold of a rule, before an [`Engine`](crate::Engine) takes the rules.
    ///
    /// # Errors
    /// If there is no such rule, or it has no such threshold.
    pub fn tune(&mut self, id: &str, threshold: Threshold) -> Result<(), BadThreshold> {
        let correlation = self.correlation_mut(id).ok_or(BadThreshold::NoRule)?;
        let within =
            |count: u32, most: u32| if (1..=most).contains(&count) { Ok(count) } else { Err(BadThreshold::Range) };
        match (correlation, threshold) {
            (Correlation::Count { bound, .. }, Threshold::Count(count)) => *bound = at_least(within(count, COUNT_CAP)?),
            (Correlation::Distinct { bound, .. }, Threshold::Count(count)) => {
                *bound = at_least(within(count, DISTINCT_CAP)?);
            }
            (Correlation::Baseline(baseline), Threshold::Count(count)) => baseline.least = within(count, COUNT_CAP)?,
            (Correlation::Ratio { wanted, .. }, Threshold::Share(share)) if share > 0.0 && share < 1.0 => {
                *wanted = share;
            }
            _ => return Err(BadThreshold::Kind),
        }
        Ok(())
    }
}

fn at_least(count: u32) -> Bound {
    Bound(vec![(Order::AtLeast, f64::from(count))])
}

#[cfg(test)]
mod tests {
    use palisade_diag::FileId;

    use super::*;
    use crate::BUILT_IN;

    #[test]
    fn thresholds_of_the_built_in_rules_can_be_changed() {
        let texts: Vec<_> = BUILT_IN.iter().map(|(_, text)| (FileId(0), *text)).collect();
        let (mut rules, _) = Rules::parse(&texts).expect("rules");
        for (id, threshold) in [
            ("rate-limit-volume", Threshold::Count(200)),
            ("server-error-volume", Threshold::Count(75)),
            ("server-error-rate", Threshold::Share(0.05)),
        ] {
            assert_eq!(rules.tune(id, threshold), Ok(()), "{id}");
        }
        for (id, threshold, why) in [
            ("no-such-rule", Threshold::Count(1), BadThreshold::NoRule),
            ("server-error-rate", Threshold::Count(9), BadThreshold::Kind),
            ("server-error-volume", Threshold::Share(0.5), BadThreshold::Kind),
            ("server-error-volume", Threshold::Count(0), BadThreshold::Range),
        ] {
            assert_eq!(rules.tune(id, threshold), Err(why), "{id}");
        }
    }
}
