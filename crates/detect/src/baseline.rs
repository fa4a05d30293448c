//! What is usual, learned so that nobody teaches it much.
//!
//! A count is learned by buckets of time. Of each bucket one client is worth at most a twentieth, what is learned rises at
//! most a fifth a day once it is warm, and buckets in which the rule fired teach nothing: a patient attacker stays visible.

use std::collections::VecDeque;

use crate::keep::kept;
use crate::rule::{Baseline, Profile};
use crate::window::Different;

/// Clients counted apart in one bucket. Whoever is more than a sixty-fourth of it is among them.
const CLIENTS: usize = 64;

/// What one client may be of what is learned from a bucket.
const CLIENT_SHARE: f64 = 0.05;

/// How much what is learned may rise in a day.
const DAILY_RISE: f64 = 1.2;

const DAY: u64 = 86_400_000_000;

/// Distinct values of one bucket that are told apart; beyond it they count as so many.
const DISTINCT_CAP: usize = 256;

/// How often each client came, for the most frequent of them (Space-Saving: Metwally et al., 2005).
#[derive(Debug, Default, Clone)]
struct Clients {
    counts: Vec<(u64, u32)>,
}

/// A running bucket and what was learned before it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Usual {
    bucket: Option<u64>,
    count: u32,
    clients: Clients,
    values: Different,
    /// Raw counts of the buckets before this one, the newest last: as many as are compared as one.
    before: VecDeque<u32>,
    /// What is learned of each bucket, the newest last.
    learned: VecDeque<f64>,
    /// What [`Usual::learned`] makes usual: it changes with a bucket's end only.
    usual: f64,
    /// The most that may be learned today.
    limit: Option<(u64, f64)>,
    fired: bool,
}

/// A count beside what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Compared {
    pub(crate) count: u32,
    pub(crate) usual: f64,
    pub(crate) exceeds: bool,
    /// When what was counted began, in microseconds.
    pub(crate) since: u64,
}

impl Clients {
    fn add(&mut self, client: u64, count: u32) {
        if let Some(at) = self.counts.iter().position(|(known, _)| *known == client) {
            if let Some((_, counted)) = self.counts.get_mut(at) {
                *counted = counted.saturating_add(count);
            }
            self.counts.swap(0, at);
        } else if self.counts.len() < CLIENTS {
            self.counts.push((client, count));
        } else if let Some(least) = self.counts.iter_mut().min_by_key(|(client, count)| (*count, *client)) {
            *least = (client, least.1.saturating_add(count));
        }
    }

    /// What is left of `total` when no client is more than its share of what is left, or than one.
    fn fair(&self, total: u32) -> f64 {
        let known: f64 = self.counts.iter().map(|(_, count)| f64::from(*count)).sum();
        let others = (f64::from(total) - known).max(0.0);
        let mut fair = f64::from(total);
        // Falls to its fixed point; forty rounds bring it within a thousandth.
        for _ in 0..40 {
            let most = (fair * CLIENT_SHARE).max(1.0);
            fair = others + self.counts.iter().map(|(_, count)| f64::from(*count).min(most)).sum::<f64>();
        }
        fair
    }
}

impl Usual {
    /// Counts an event and compares. `start` is when the stream began: before it nothing is known.
    pub(crate) fn add(&mut self, shape: &Baseline, time: u64, start: u64, value: u64, count: u32) -> Compared {
        self.roll(shape, time, start);
        if shape.distinct {
            self.values.add(time, value, DISTINCT_CAP);
            self.count = u32::try_from(self.values.within(time, shape.bucket)).unwrap_or(u32::MAX);
        } else {
            self.count = self.count.saturating_add(count);
            self.clients.add(value, count);
        }
        let total = self.before.iter().fold(self.count, |sum, count| sum.saturating_add(*count));
        let usual = self.usual;
        let passed = (time / shape.bucket).saturating_sub(start / shape.bucket);
        let warm = passed >= shape.warmup as u64;
        let above = total >= shape.least && f64::from(total) >= usual * shape.factor;
        let exceeds = warm && above || shape.ceiling.is_some_and(|ceiling| total >= ceiling);
        self.fired |= exceeds;
        let first = (time / shape.bucket).saturating_sub(self.before.len() as u64) * shape.bucket;
        Compared { count: total, usual, exceeds, since: first }
    }

    /// What is usual for so many buckets as are compared as one.
    fn judged(&self, shape: &Baseline) -> f64 {
        if shape.width > 1 {
            // The buckets before those that are being counted.
            return self.learned.iter().rev().skip(shape.width - 1).take(shape.width).sum();
        }
        let mut sorted: Vec<f64> = self.learned.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "at most 336")]
        let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
        median.max(mean)
    }

    /// Closes the buckets that are over.
    fn roll(&mut self, shape: &Baseline, time: u64, start: u64) {
        let now = time / shape.bucket;
        let Some(last) = self.bucket else {
            // The stream ran without such events until now.
            let quiet = now.saturating_sub(start / shape.bucket).min(shape.history as u64);
            self.learned.extend((0..quiet).map(|_| 0.0));
            self.before.extend((0..quiet.min(shape.width as u64 - 1)).map(|_| 0));
            self.bucket = Some(now);
            self.usual = self.judged(shape);
            return;
        };
        let passed = now.saturating_sub(last);
        for nth in 0..passed.min(shape.history as u64 + 1) {
            self.close(shape, (last + nth) * shape.bucket, start);
        }
        self.bucket = Some(now.max(last));
    }

    fn close(&mut self, shape: &Baseline, at: u64, start: u64) {
        let count = std::mem::take(&mut self.count);
        let clients = std::mem::take(&mut self.clients);
        self.values = Different::default();
        let usual = self.usual;
        let fair = if shape.distinct { f64::from(count) } else { clients.fair(count) };
        let each = if shape.width > 1 { usual / shape.width as f64 } else { usual };
        let taught = if std::mem::take(&mut self.fired) { fair.min(each) } else { fair };
        let warm = (at / shape.bucket).saturating_sub(start / shape.bucket) >= shape.warmup as u64;
        let learned = if warm { taught.min(self.limit_of(shape, at, each)) } else { taught };
        self.learned.push_back(learned);
        while self.learned.len() > shape.history {
            self.learned.pop_front();
        }
        if shape.width > 1 {
            self.before.push_back(count);
            while self.before.len() >= shape.width {
                self.before.pop_front();
            }
        }
        self.usual = self.judged(shape);
    }

    /// The most that a bucket may teach today: a fifth above what was usual when the day began. What is too little to
    /// fire at all may always be learned.
    fn limit_of(&mut self, shape: &Baseline, at: u64, usual: f64) -> f64 {
        let day = at / DAY;
        if self.limit.is_none_or(|(known, _)| known < day) {
            let days = self.limit.map_or(1, |(known, _)| day - known).clamp(1, 30);
            let floor = f64::from(shape.least) / shape.factor / shape.width as f64;
            self.limit = Some((day, usual.max(floor) * DAILY_RISE.powi(i32::try_from(days).unwrap_or(1))));
        }
        self.limit.map_or(usual, |(_, limit)| limit)
    }
}

/// What is usual at each hour, and the hour that runs.
#[derive(Debug, Default, Clone)]
pub(crate) struct Hours {
    hour: Option<u64>,
    count: u32,
    clients: Clients,
    /// By hour of the day or week, what was learned on the days before, the newest last.
    learned: Vec<VecDeque<f64>>,
    fired: bool,
}

const HOUR: u64 = 3_600_000_000;

/// Days that an hour remembers.
const DAYS: usize = 14;

impl Hours {
    /// Counts an event and compares with this hour on other days.
    pub(crate) fn add(&mut self, shape: &Profile, time: u64, start: u64, client: u64, count: u32) -> Compared {
        if self.learned.is_empty() {
            self.learned = vec![VecDeque::new(); shape.slots];
        }
        let now = time / HOUR;
        let last = self.hour.unwrap_or_else(|| (start / HOUR).max(now.saturating_sub((DAYS * shape.slots) as u64)));
        for hour in last..now {
            self.close(shape, hour);
        }
        self.hour = Some(now.max(last));
        self.count = self.count.saturating_add(count);
        self.clients.add(client, count);
        let here = self.learned.get(slot(now, shape.slots));
        let most = here.into_iter().flatten().copied().fold(0.0, f64::max);
        let usual = mean(here.into_iter().flatten().copied());
        let overall = mean(self.learned.iter().flatten().copied());
        let warm = now.saturating_sub(start / HOUR) >= u64::from(shape.days) * 24;
        // An hour that is usually busy is no unusual hour: what is too much there is a spike, which baselines find.
        let unusual = usual * 2.0 <= overall || overall == 0.0;
        let above = self.count >= shape.least && f64::from(self.count) >= most * shape.factor;
        let exceeds = warm && unusual && above;
        self.fired |= exceeds;
        Compared { count: self.count, usual, exceeds, since: now * HOUR }
    }

    fn close(&mut self, shape: &Profile, hour: u64) {
        let count = std::mem::take(&mut self.count);
        let fair = std::mem::take(&mut self.clients).fair(count);
        let Some(slot) = self.learned.get_mut(slot(hour, shape.slots)) else { return };
        let most = slot.iter().copied().fold(0.0, f64::max);
        let taught = if std::mem::take(&mut self.fired) { fair.min(most) } else { fair };
        // Once a week of days is known, a day teaches at most a fifth more than the busiest before.
        let limit = if slot.len() >= 7 {
            (most * DAILY_RISE).max(f64::from(shape.least) / shape.factor)
        } else {
            f64::INFINITY
        };
        slot.push_back(taught.min(limit));
        while slot.len() > DAYS {
            slot.pop_front();
        }
    }
}

fn slot(hour: u64, slots: usize) -> usize {
    // 1970-01-01 was a Thursday; weeks begin on Monday.
    usize::try_from((hour + 72) % slots as u64).unwrap_or(0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

kept!(Clients { counts });
kept!(Usual { bucket, count, clients, values, before, learned, usual, limit, fired });
kept!(Hours { hour, count, clients, learned, fired });

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000;

    fn shape() -> Baseline {
        Baseline {
            distinct: false,
            bucket: 5 * MINUTE,
            width: 1,
            history: 72,
            warmup: 12,
            factor: 10.0,
            least: 20,
            ceiling: Some(5000),
            of: Vec::new(),
        }
    }

    /// Forty clients, one event each, in every bucket.
    fn honest(usual: &mut Usual, buckets: std::ops::Range<u64>, start: u64) -> Compared {
        let mut compared = None;
        for bucket in buckets {
            for client in 0..40 {
                compared = Some(usual.add(&shape(), start + bucket * 5 * MINUTE + client, start, client, 1));
            }
        }
        compared.expect("some buckets")
    }

    #[test]
    fn ten_times_the_usual_exceeds_and_nine_does_not() {
        let (mut usual, start) = (Usual::default(), 1_000 * 5 * MINUTE);
        assert!(!honest(&mut usual, 0..20, start).exceeds);
        let now = start + 20 * 5 * MINUTE;
        let compared = usual.add(&shape(), now, start, 7, 399);
        assert!(!compared.exceeds, "{compared:?}");
        assert!(usual.add(&shape(), now, start, 7, 1).exceeds);
    }

    #[test]
    fn nothing_but_the_ceiling_fires_before_it_is_warm() {
        let mut usual = Usual::default();
        assert!(!usual.add(&shape(), 0, 0, 1, 4999).exceeds);
        assert!(usual.add(&shape(), 0, 0, 1, 1).exceeds);
    }

    #[test]
    fn one_client_teaches_a_twentieth() {
        let (mut usual, start) = (Usual::default(), 1_000 * 5 * MINUTE);
        for bucket in 0..40 {
            for client in 0..40 {
                usual.add(&shape(), start + bucket * 5 * MINUTE, start, client, 1);
            }
            // Ten times as much as all others, every time.
            usual.add(&shape(), start + bucket * 5 * MINUTE, start, 99, 350);
        }
        let compared = usual.add(&shape(), start + 40 * 5 * MINUTE, start, 1, 1);
        assert!((40.0..43.0).contains(&compared.usual), "{compared:?}");
    }

    #[test]
    fn what_is_learned_rises_a_fifth_a_day() {
        let (mut usual, start) = (Usual::default(), 20_000 * DAY);
        honest(&mut usual, 0..288, start);
        // The next day ten times as many clients come.
        for bucket in 288..575 {
            for client in 0..390 {
                usual.add(&shape(), start + bucket * 5 * MINUTE, start, client, 1);
            }
        }
        let compared = usual.add(&shape(), start + 575 * 5 * MINUTE, start, 1, 1);
        assert!(compared.usual <= 40.0 * 1.2 + 0.1, "{compared:?}");
        assert!(compared.usual >= 47.0, "{compared:?}");
    }

    #[test]
    fn a_bucket_that_fired_teaches_nothing() {
        let (mut usual, start) = (Usual::default(), 20_000 * DAY);
        honest(&mut usual, 0..20, start);
        for client in 0..4000 {
            usual.add(&shape(), start + 100 * MINUTE, start, client, 1);
        }
        let compared = usual.add(&shape(), start + 105 * MINUTE, start, 1, 1);
        assert!((39.0..41.0).contains(&compared.usual), "{compared:?}");
    }

    #[test]
    fn a_week_is_compared_with_the_week_before() {
        let shape = Baseline {
            bucket: DAY,
            width: 7,
            history: 14,
            warmup: 13,
            factor: 1.5,
            least: 100,
            ceiling: None,
            ..shape()
        };
        let (mut usual, start) = (Usual::default(), 20_000 * DAY);
        let day = |usual: &mut Usual, day: u64, clients: u64| {
            (0..clients)
                .map(|client| usual.add(&shape, start + day * DAY + client, start, client, 1))
                .any(|compared| compared.exceeds)
        };
        assert!((0..14).all(|nth| !day(&mut usual, nth, 40)));
        // A rise of a tenth each day.
        let fired: Vec<_> = (14..22).map(|nth| day(&mut usual, nth, 40 + (nth - 13) * 8)).collect();
        assert!(!fired[0], "{fired:?}");
        assert!(fired.contains(&true), "{fired:?}");
    }

    #[test]
    fn many_sign_ins_at_night_are_unusual_and_as_many_at_noon_are_not() {
        let shape = Profile { slots: 24, factor: 3.0, least: 20, days: 7 };
        let start = 20_000 * DAY;
        let mut hours = Hours::default();
        for day in 0..10 {
            for hour in 8..20 {
                for client in 0..30 {
                    assert!(!hours.add(&shape, start + day * DAY + hour * HOUR, start, client, 1).exceeds);
                }
            }
        }
        let (mut night, mut noon) = (hours.clone(), hours);
        let at = |hour: u64| start + 10 * DAY + hour * HOUR;
        assert!((0..25).any(|client| night.add(&shape, at(3), start, client, 1).exceeds));
        assert!(!(0..200).any(|client| noon.add(&shape, at(12), start, client, 1).exceeds));
    }
}
