//! Values that nobody trustworthy had before.

use crate::keep::kept;
use crate::rule::NewValue;
use crate::window::Newest;

/// Values remembered for one group; the one not seen for longest gives way.
const VALUES: usize = 512;

/// Neighbourhoods of addresses, about, that make a value known where no event names a verified subject.
const NEIGHBOURHOODS: u32 = 16;

/// How long ago a value must have come first before it counts as known: who arrives with three accounts at once is news.
const SETTLING: u64 = 24 * HOUR;

const HOUR: u64 = 3_600_000_000;

/// The values of one group.
#[derive(Debug, Default, Clone)]
pub(crate) struct Known {
    values: Vec<Met>,
    /// Whether any event named a subject: then only subjects teach.
    verified: bool,
}

#[derive(Debug, Clone, Default)]
struct Met {
    value: u64,
    first: u64,
    last: u64,
    /// Different subjects that had it, as many as are needed.
    subjects: Vec<u32>,
    /// Different clients that had it: bits of their hashes.
    clients: u64,
    recent: Newest,
    reported: bool,
}

impl Known {
    /// Takes an event with a value; says since when it has been coming if that is news. `client` is a hash.
    pub(crate) fn add(
        &mut self,
        shape: &NewValue,
        time: u64,
        start: u64,
        event: (u64, u32, u64),
        count: u32,
    ) -> Option<u64> {
        let (value, subject, client) = event;
        self.verified |= subject != 0;
        let verified = self.verified;
        let met = self.met(value, time, shape.forget);
        met.last = time;
        met.clients |= 1 << (client % 64);
        if subject != 0 && !met.subjects.contains(&subject) && met.subjects.len() < shape.subjects as usize {
            met.subjects.push(subject);
        }
        let least = shape.least as usize;
        met.recent.add(time, count, least);
        let since = met.recent.full(time, HOUR, least)?;
        let learning = time.saturating_sub(start) < shape.learn;
        let settled = learning || time.saturating_sub(met.first) >= SETTLING;
        let subjects = met.subjects.len() >= shape.subjects as usize;
        let taught = settled && (subjects || !verified && met.clients.count_ones() >= NEIGHBOURHOODS);
        if taught && !met.reported {
            // Known from now on, and nobody need hear of it.
            met.reported = learning || met.subjects.len() >= shape.subjects as usize;
        }
        let news = !learning && !met.reported;
        met.reported |= news;
        news.then_some(since)
    }

    fn met(&mut self, value: u64, time: u64, forget: u64) -> &mut Met {
        let at = self.values.iter().position(|met| met.value == value);
        let at = match at {
            Some(at) => at,
            None if self.values.len() < VALUES => {
                self.values.push(Met { value, first: time, ..Met::default() });
                self.values.len() - 1
            }
            None => {
                let oldest = self.values.iter().enumerate().min_by_key(|(_, met)| (met.last, met.value));
                let at = oldest.map_or(0, |(at, _)| at);
                if let Some(met) = self.values.get_mut(at) {
                    *met = Met { value, first: time, ..Met::default() };
                }
                at
            }
        };
        self.values.swap(0, at);
        #[allow(clippy::indexing_slicing, reason = "there is a value: it was found or put there")]
        let met = &mut self.values[0];
        if met.last.saturating_add(forget) < time && met.last != 0 {
            *met = Met { value, first: time, ..Met::default() };
        }
        met
    }
}

kept!(Known { values, verified });
kept!(Met { value, first, last, subjects, clients, recent, reported });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;

    const DAY: u64 = 24 * HOUR;

    fn shape(least: u32) -> NewValue {
        NewValue { of: Vec::new(), subject: Column::Target, subjects: 3, learn: 7 * DAY, forget: 90 * DAY, least }
    }

    #[test]
    fn a_value_is_known_from_three_subjects_on_and_news_once() {
        let (shape, start) = (shape(1), 20_000 * DAY);
        let mut known = Known::default();
        for subject in 1..=3 {
            assert_eq!(known.add(&shape, start, start, (1, subject, 1), 1), None, "learning");
        }
        // Two subjects are one too few, however often they come.
        for nth in 0..100 {
            assert_eq!(
                known.add(&shape, start + nth, start, (2, 1 + u32::from(nth % 2 == 1), nth), 1),
                None,
                "learning"
            );
        }
        let later = start + 8 * DAY;
        assert_eq!(known.add(&shape, later, start, (1, 9, 9), 1), None, "known");
        assert_eq!(known.add(&shape, later, start, (2, 1, 1), 1), Some(later), "two subjects taught it");
        assert_eq!(known.add(&shape, later, start, (3, 0, 1), 1), Some(later), "never seen");
        assert_eq!(known.add(&shape, later + 1, start, (3, 0, 1), 1), None, "said already");
        assert_eq!(known.add(&shape, later + 91 * DAY, start, (3, 0, 1), 1), Some(later + 91 * DAY), "forgotten");
    }

    #[test]
    fn many_subjects_at_once_are_news_and_few_over_days_are_not() {
        let (shape, start) = (shape(5), 20_000 * DAY);
        let (mut known, later) = (Known::default(), start + 8 * DAY);
        let told = (1..=5).filter_map(|subject| known.add(&shape, later, start, (1, subject, 1), 1)).count();
        assert_eq!(told, 1);
        for day in 0..3 {
            let subject = u32::try_from(day).expect("small") + 1;
            assert_eq!(known.add(&shape, later + day * DAY, start, (2, subject, 1), 1), None);
        }
        for nth in 0..10 {
            assert_eq!(known.add(&shape, later + 3 * DAY + nth, start, (2, 4, 1), 1), None, "known by then");
        }
    }

    #[test]
    fn without_any_subject_many_neighbourhoods_teach() {
        let (shape, start) = (shape(1), 20_000 * DAY);
        let mut known = Known::default();
        for client in 0..64 {
            known.add(&shape, start, start, (1, 0, client), 1);
        }
        for _ in 0..1000 {
            known.add(&shape, start, start, (2, 0, 5), 1);
        }
        let later = start + 8 * DAY;
        assert_eq!(known.add(&shape, later, start, (1, 0, 1), 1), None);
        assert_eq!(known.add(&shape, later, start, (2, 0, 5), 1), Some(later));
    }

    #[test]
    fn a_value_that_must_come_often_is_no_news_before() {
        let (shape, start) = (shape(3), 20_000 * DAY);
        let (mut known, later) = (Known::default(), start + 8 * DAY);
        assert_eq!(known.add(&shape, later, start, (1, 0, 1), 2), None);
        assert_eq!(known.add(&shape, later + 2 * HOUR, start, (1, 0, 1), 1), None, "not within an hour");
        assert_eq!(known.add(&shape, later + 2 * HOUR, start, (1, 0, 1), 2), Some(later + 2 * HOUR));
    }
}
