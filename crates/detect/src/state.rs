//! What one rule remembers of its groups in one partition, and whether a hit makes it hold.

use crate::baseline::{Hours, Usual};
use crate::hit::Hit;
use crate::keep::{Keep, kept};
use crate::measure::Amounts;
use crate::novelty::Known;
use crate::rule::{Correlation, Measured, Rule};
use crate::rules::VERIFIED;
use crate::table::Table;
use crate::window::{Different, Newest, Sums};

/// Slots of a table in one partition, by how much a slot takes.
const SMALL: usize = 4096;
const MIDDLE: usize = 512;
const LARGE: usize = 64;

/// What a rule remembers.
#[derive(Debug)]
pub(crate) enum State {
    Each,
    Count(Table<Newest>),
    /// Counts that are judged when their window ends.
    Tumbling(Table<Tumbling>),
    Distinct(Table<Different>),
    Measure(Table<Amounts>),
    Ratio(Table<Sums>),
    Temporal(Table<Vec<Newest>>),
    Ordered(Table<Vec<Newest>>),
    Baseline(Table<Usual>),
    NewValue(Table<Known>),
    Profile(Table<Hours>),
    Absence(Table<Awaited>),
}

/// A window that runs until its end.
#[derive(Debug, Default)]
pub(crate) struct Tumbling {
    pub(crate) began: Option<u64>,
    pub(crate) count: u32,
    pub(crate) sample: Vec<u8>,
}

/// Something that should come.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    /// Since when it is awaited.
    pub(crate) since: Option<u64>,
    pub(crate) sample: Vec<u8>,
}

/// What a hit did to a rule's condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing that anybody need know.
    Quiet,
    /// The condition was looked at, and does not hold.
    Broken,
    Holds(Finding),
    /// The group is looked at again at that time.
    Later(u64),
}

/// Why a condition holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Finding {
    /// The first event that counts, in microseconds.
    pub(crate) since: u64,
    /// Events that count, at least.
    pub(crate) count: u64,
    pub(crate) measures: [Option<(&'static str, f64)>; 2],
}

impl State {
    pub(crate) fn new(rule: &Rule) -> State {
        let slots = |per_slot: u32| if per_slot > 128 { MIDDLE } else { SMALL };
        match &rule.correlation {
            Correlation::Each => State::Each,
            Correlation::Count { bound, .. } if bound.is_rising() => State::Count(Table::new(slots(bound.threshold()))),
            Correlation::Count { .. } => State::Tumbling(Table::new(MIDDLE)),
            Correlation::Distinct { bound, .. } => State::Distinct(Table::new(slots(bound.threshold()))),
            Correlation::Measure { .. } => State::Measure(Table::new(LARGE)),
            Correlation::Ratio { .. } => State::Ratio(Table::new(MIDDLE)),
            Correlation::Temporal { .. } => State::Temporal(Table::new(SMALL)),
            Correlation::Ordered { .. } => State::Ordered(Table::new(SMALL)),
            Correlation::Baseline(_) => State::Baseline(Table::new(LARGE)),
            Correlation::NewValue(_) => State::NewValue(Table::new(MIDDLE)),
            Correlation::Profile(_) => State::Profile(Table::new(LARGE)),
            Correlation::Absence { .. } => State::Absence(Table::new(MIDDLE)),
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        match self {
            State::Each => {}
            State::Count(table) => table.save(out),
            State::Tumbling(table) => table.save(out),
            State::Distinct(table) => table.save(out),
            State::Measure(table) => table.save(out),
            State::Ratio(table) => table.save(out),
            State::Temporal(table) | State::Ordered(table) => table.save(out),
            State::Baseline(table) => table.save(out),
            State::NewValue(table) => table.save(out),
            State::Profile(table) => table.save(out),
            State::Absence(table) => table.save(out),
        }
    }

    /// What a rule remembered, by the same rule.
    pub(crate) fn load(rule: &Rule, rest: &mut &[u8]) -> Option<State> {
        fn again<S: Default + Keep>(table: &mut Table<S>, rest: &mut &[u8]) -> Option<()> {
            *table = Table::load(table.cap(), rest)?;
            Some(())
        }
        let mut state = State::new(rule);
        match &mut state {
            State::Each => Some(()),
            State::Count(table) => again(table, rest),
            State::Tumbling(table) => again(table, rest),
            State::Distinct(table) => again(table, rest),
            State::Measure(table) => again(table, rest),
            State::Ratio(table) => again(table, rest),
            State::Temporal(table) | State::Ordered(table) => again(table, rest),
            State::Baseline(table) => again(table, rest),
            State::NewValue(table) => again(table, rest),
            State::Profile(table) => again(table, rest),
            State::Absence(table) => again(table, rest),
        }?;
        Some(state)
    }

    /// Takes a hit. `start` is when the stream began; `sample` the packed event, for those that speak later.
    pub(crate) fn step(&mut self, rule: &Rule, role: usize, hit: &Hit, start: u64, sample: &[u8]) -> Verdict {
        let (now, span) = (hit.time, rule.span_of_time());
        match (self, &rule.correlation) {
            (State::Count(table), Correlation::Count { bound, span }) => {
                let wanted = bound.threshold() as usize;
                let Some(slot) = table.enter(hit.group, now, *span) else { return Verdict::Quiet };
                slot.state.add(now, hit.count, wanted);
                let found = slot.state.full(now, *span, wanted);
                found.map_or(Verdict::Quiet, |since| holds(since, wanted.max(hit.count as usize) as u64, None, None))
            }
            (State::Tumbling(table), Correlation::Count { bound, span }) => {
                let Some(slot) = table.enter(hit.group, now, *span) else { return Verdict::Quiet };
                let fresh = slot.state.began.is_none();
                let began = *slot.state.began.get_or_insert(now);
                slot.state.count = slot.state.count.saturating_add(hit.count).min(bound.threshold().saturating_add(1));
                keep(&mut slot.state.sample, sample, fresh);
                if fresh { Verdict::Later(began + span) } else { Verdict::Quiet }
            }
            (State::Distinct(table), Correlation::Distinct { bound, span, .. }) => {
                let wanted = bound.threshold() as usize;
                let Some(slot) = table.enter(hit.group, now, *span) else { return Verdict::Quiet };
                slot.state.add(now, hit.value, wanted);
                let found = slot.state.full(now, *span, wanted);
                found.map_or(Verdict::Quiet, |since| {
                    holds(since, wanted as u64, Some(("distinct", wanted as f64)), None)
                })
            }
            (State::Measure(table), Correlation::Measure { measured, bound, least, span, .. }) => {
                let Some(slot) = table.enter(hit.group, now, *span) else { return Verdict::Quiet };
                slot.state.add(*measured, now, *span, f64::from_bits(hit.value), hit.count);
                let (count, found) = (slot.state.count(), slot.state.measure(*measured));
                if count < u64::from(*least) || !bound.is_met(found) {
                    return Verdict::Broken;
                }
                let since = slot.since.max(now.saturating_sub(*span));
                holds(since, count, Some((name_of(*measured), found)), None)
            }
            (State::Ratio(table), Correlation::Ratio { .. }) => ratio(table, rule, role, hit),
            (State::Temporal(table), Correlation::Temporal { .. }) => temporal(table, rule, role, hit, start),
            (State::Ordered(table), Correlation::Ordered { least, span }) => ordered(table, least, *span, role, hit),
            (State::Baseline(table), Correlation::Baseline(shape)) => {
                let Some(slot) = table.enter(hit.group, now, span) else { return Verdict::Quiet };
                compared(slot.state.add(shape, now, start, hit.value, hit.count))
            }
            (State::Profile(table), Correlation::Profile(shape)) => {
                let Some(slot) = table.enter(hit.group, now, span) else { return Verdict::Quiet };
                compared(slot.state.add(shape, now, start, hit.value, hit.count))
            }
            (State::NewValue(table), Correlation::NewValue(shape)) => {
                let Some(slot) = table.enter(hit.group, now, span) else { return Verdict::Quiet };
                let subject = if hit.subject & VERIFIED == 0 { 0 } else { hit.subject };
                let event = (hit.value, subject, u64::from(hit.subject));
                let news = slot.state.add(shape, now, start, event, hit.count);
                news.map_or(Verdict::Quiet, |since| holds(since, u64::from(shape.least), None, None))
            }
            (State::Absence(table), Correlation::Absence { expected, span }) => {
                absence(table, *expected, *span, role, hit, sample)
            }
            _ => holds(now, u64::from(hit.count), None, None),
        }
    }

    /// Looks at a group again at a time that [`Verdict::Later`] named; with the sample kept for it.
    pub(crate) fn later(&mut self, rule: &Rule, group: u64, now: u64) -> (Verdict, Vec<u8>) {
        match (self, &rule.correlation) {
            (State::Tumbling(table), Correlation::Count { bound, .. }) => {
                let Some(slot) = table.get(group) else { return (Verdict::Quiet, Vec::new()) };
                let state = std::mem::take(&mut slot.state);
                let Some(began) = state.began.filter(|_| bound.holds(state.count)) else {
                    return (Verdict::Broken, Vec::new());
                };
                (holds(began, u64::from(state.count), None, None), state.sample)
            }
            (State::Absence(table), Correlation::Absence { span, .. }) => {
                let Some(slot) = table.get(group) else { return (Verdict::Quiet, Vec::new()) };
                match slot.state.since {
                    Some(since) if since + span > now => (Verdict::Later(since + span), Vec::new()),
                    Some(since) => {
                        slot.state.since = None;
                        (holds(since, 1, None, None), std::mem::take(&mut slot.state.sample))
                    }
                    None => (Verdict::Quiet, Vec::new()),
                }
            }
            _ => (Verdict::Quiet, Vec::new()),
        }
    }

    /// What is remembered of a hit's group: names and numbers, for people.
    pub(crate) fn described(&mut self, rule: &Rule, hit: &Hit, start: u64) -> Vec<(&'static str, f64)> {
        let (now, group) = (hit.time, hit.group);
        let seconds = |micros: u64| micros as f64 / 1e6;
        match (self, &rule.correlation) {
            (State::Count(table), Correlation::Count { bound, span }) => {
                let within = table.get(group).map_or(0, |slot| slot.state.within(now, *span));
                vec![("within", within as f64), ("wanted", f64::from(bound.threshold())), ("seconds", seconds(*span))]
            }
            (State::Distinct(table), Correlation::Distinct { bound, span, .. }) => {
                let within = table.get(group).map_or(0, |slot| slot.state.within(now, *span));
                vec![
                    ("different", within as f64),
                    ("wanted", f64::from(bound.threshold())),
                    ("seconds", seconds(*span)),
                ]
            }
            (State::Measure(table), Correlation::Measure { measured, span, .. }) => {
                let of = table.get(group).map(|slot| (slot.state.count(), slot.state.measure(*measured)));
                let (count, found) = of.unwrap_or_default();
                vec![("count", count as f64), (name_of(*measured), found), ("seconds", seconds(*span))]
            }
            (State::Ratio(table), Correlation::Ratio { wanted, total, span, .. }) => {
                let [of, over] = table.get(group).map_or([0, 0], |slot| slot.state.totals());
                let least = f64::from(*total);
                vec![
                    ("of", of as f64),
                    ("over", over as f64),
                    ("wanted_ratio", *wanted),
                    ("min_total", least),
                    ("seconds", seconds(*span)),
                ]
            }
            (State::Temporal(table), Correlation::Temporal { least, span, .. }) => {
                let lost = table.may_have_lost(group);
                let mut all = roles(table, group, least, *span, now);
                all.push(("watched_seconds", seconds(now.saturating_sub(start))));
                all.push(("state_lost", f64::from(u8::from(lost))));
                all
            }
            (State::Ordered(table), Correlation::Ordered { least, span }) => roles(table, group, least, *span, now),
            (State::Baseline(table), Correlation::Baseline(shape)) => {
                let compared = table.get(group).map(|slot| slot.state.clone().add(shape, now, start, 0, 0));
                let passed = (now / shape.bucket).saturating_sub(start / shape.bucket);
                let mut all = usual(compared, shape.factor, shape.least);
                all.extend([("buckets_watched", passed as f64), ("warmup", shape.warmup as f64)]);
                all
            }
            (State::Profile(table), Correlation::Profile(shape)) => {
                let compared = table.get(group).map(|slot| slot.state.clone().add(shape, now, start, 0, 0));
                let mut all = usual(compared, shape.factor, shape.least);
                all.push(("days_watched", seconds(now.saturating_sub(start)) / 86_400.0));
                all
            }
            (State::NewValue(_), Correlation::NewValue(shape)) => {
                vec![("watched_seconds", seconds(now.saturating_sub(start))), ("learn_seconds", seconds(shape.learn))]
            }
            _ => Vec::new(),
        }
    }

    /// Live groups, evicted ones, refused newcomers.
    pub(crate) fn counters(&self) -> [u64; 3] {
        fn of<S: Default>(table: &Table<S>) -> [u64; 3] {
            [table.len() as u64, table.evicted, table.refused]
        }
        match self {
            State::Each => [0; 3],
            State::Count(table) => of(table),
            State::Tumbling(table) => of(table),
            State::Distinct(table) => of(table),
            State::Measure(table) => of(table),
            State::Ratio(table) => of(table),
            State::Temporal(table) | State::Ordered(table) => of(table),
            State::Baseline(table) => of(table),
            State::NewValue(table) => of(table),
            State::Profile(table) => of(table),
            State::Absence(table) => of(table),
        }
    }
}

const fn name_of(measured: Measured) -> &'static str {
    match measured {
        Measured::Sum => "sum",
        Measured::Average => "average",
        Measured::Percentile(_) => "percentile",
    }
}

/// Role 0 among role 1, within the span.
fn ratio(table: &mut Table<Sums>, rule: &Rule, role: usize, hit: &Hit) -> Verdict {
    let Correlation::Ratio { order, wanted, total, span } = &rule.correlation else { return Verdict::Quiet };
    let now = hit.time;
    let Some(slot) = table.enter(hit.group, now, *span) else { return Verdict::Quiet };
    slot.state.add(now, *span, role, hit.count);
    let [of, over] = slot.state.totals();
    let ratio = of as f64 / over.max(1) as f64;
    if over < u64::from(*total) || !order.holds(ratio, *wanted) {
        return Verdict::Broken;
    }
    let since = slot.since.max(now.saturating_sub(*span));
    holds(since, of, Some(("ratio", ratio)), Some(("total", over as f64)))
}

fn usual(compared: Option<crate::baseline::Compared>, factor: f64, least: u32) -> Vec<(&'static str, f64)> {
    let (count, usual) = compared.map_or((0, 0.0), |compared| (compared.count, compared.usual));
    vec![("count", f64::from(count)), ("usual", usual), ("factor", factor), ("min_count", f64::from(least))]
}

fn roles(table: &mut Table<Vec<Newest>>, group: u64, least: &[u32], span: u64, now: u64) -> Vec<(&'static str, f64)> {
    let mut all = Vec::new();
    for (role, wanted) in least.iter().enumerate() {
        let newest = table.get(group).and_then(|slot| slot.state.get(role).cloned()).unwrap_or_default();
        let within = newest.within(now, span);
        all.push(("within", within as f64));
        all.push(("wanted", f64::from(*wanted)));
    }
    all
}

/// The condition over roles. What it says must not be there is believed missing only if the group's state reaches back
/// far enough and was never lost.
fn temporal(table: &mut Table<Vec<Newest>>, rule: &Rule, role: usize, hit: &Hit, start: u64) -> Verdict {
    let Correlation::Temporal { condition, least, span } = &rule.correlation else { return Verdict::Quiet };
    let (now, lost) = (hit.time, rule.trusts_absence() && table.may_have_lost(hit.group));
    let Some(slot) = table.enter(hit.group, now, *span) else { return Verdict::Quiet };
    slot.state.resize(least.len(), Newest::default());
    let wanted = least.get(role).copied().unwrap_or(1) as usize;
    if let Some(newest) = slot.state.get_mut(role) {
        newest.add(now, hit.count, wanted);
    }
    let full = |role: usize| {
        let wanted = least.get(role).copied().unwrap_or(1) as usize;
        slot.state.get(role).and_then(|newest| newest.full(now, *span, wanted))
    };
    if !condition.holds(&|role| full(role).is_some()) {
        return Verdict::Quiet;
    }
    let blind = lost || now.saturating_sub(start) < *span;
    if rule.trusts_absence() && blind {
        return Verdict::Quiet;
    }
    let since = (0..least.len()).filter_map(full).min().unwrap_or(now);
    let count: usize = slot.state.iter().map(|newest| newest.within(now, *span)).sum();
    holds(since, count as u64, None, None)
}

/// Each step so often, in order. Of every step is kept when the chains that reached it began, the latest of them: a later
/// start is never worse.
fn ordered(table: &mut Table<Vec<Newest>>, least: &[u32], span: u64, role: usize, hit: &Hit) -> Verdict {
    let now = hit.time;
    let Some(slot) = table.enter(hit.group, now, span) else { return Verdict::Quiet };
    slot.state.resize(least.len(), Newest::default());
    let wanted = |role: usize| least.get(role).copied().unwrap_or(1) as usize;
    // Where the chain that this event continues began: at the event itself, or with the step before.
    let began = match role.checked_sub(1) {
        None => Some(now),
        Some(before) => slot.state.get(before).and_then(|newest| newest.full(now, span, wanted(before))),
    };
    let Some(began) = began else { return Verdict::Quiet };
    let Some(newest) = slot.state.get_mut(role) else { return Verdict::Quiet };
    newest.add(began, hit.count, wanted(role));
    if role + 1 < least.len() {
        return Verdict::Quiet;
    }
    let since = newest.full(now, span, wanted(role));
    let count: u64 = least.iter().map(|least| u64::from(*least)).sum();
    since.map_or(Verdict::Quiet, |since| holds(since, count, None, None))
}

fn absence(table: &mut Table<Awaited>, expected: bool, span: u64, role: usize, hit: &Hit, sample: &[u8]) -> Verdict {
    let now = hit.time;
    // What was evicted is not awaited any more, so that it cannot be missed.
    let Some(slot) = table.enter(hit.group, now, span.saturating_mul(2)) else { return Verdict::Quiet };
    if expected && role == 1 {
        slot.state.since = None;
        return Verdict::Broken;
    }
    let fresh = slot.state.since.is_none();
    if fresh || !expected {
        slot.state.since = Some(now);
    }
    keep(&mut slot.state.sample, sample, fresh);
    if fresh { Verdict::Later(now + span) } else { Verdict::Quiet }
}

fn compared(compared: crate::baseline::Compared) -> Verdict {
    if !compared.exceeds {
        return Verdict::Broken;
    }
    let usual = (compared.usual * 100.0).round() / 100.0;
    holds(compared.since, u64::from(compared.count), Some(("usual", usual)), Some(("count", f64::from(compared.count))))
}

fn holds(since: u64, count: u64, first: Option<(&'static str, f64)>, second: Option<(&'static str, f64)>) -> Verdict {
    Verdict::Holds(Finding { since, count, measures: [first, second] })
}

fn keep(kept: &mut Vec<u8>, sample: &[u8], fresh: bool) {
    if fresh {
        kept.clear();
        kept.extend_from_slice(sample);
    }
}

kept!(Tumbling { began, count, sample });
kept!(Awaited { since, sample });
