//! One sixteenth of all groups. However many shards there are, a partition is in one of them and sees its hits in one
//! order, so that nothing hangs on their number.

use std::collections::{BTreeSet, HashMap, VecDeque};

use palisade_event::{ClientKey, Incident, Seen, State as Standing};

use crate::hit::{Exhibit, Hit};
use crate::keep::{Keep, kept};
use crate::open::{self, Open, Phase};
use crate::rule::{Correlation, Rule};
use crate::rules::Rules;
use crate::state::{Finding, State, Verdict};
use crate::table::AlreadyHashed;

/// Groups of one rule that may have an incident of their own; the rest share one.
const FIRING_CAP: u16 = 64;

/// Groups of one partition that wait, fire or cool.
const OPEN_CAP: usize = 4096;

/// The group that stands for those beyond the cap.
const MANY: u64 = u64::MAX;

/// Events of one rule kept for an incident that may come.
const RECENT: usize = 24;

/// How often an open incident that changed is told, in microseconds.
const TELL: u64 = 60_000_000;

/// Groups of one rule in one partition.
#[derive(Debug)]
pub(crate) struct Partition {
    states: Vec<State>,
    open: HashMap<u64, (u16, Open), AlreadyHashed>,
    firing: Vec<u16>,
    timers: BTreeSet<Timer>,
    recent: Vec<VecDeque<Kept>>,
    start: u64,
    pub(crate) told: Vec<Told>,
    /// Times that a condition held within its group's cooldown.
    pub(crate) held_back: u64,
}

/// An incident as it was at a moment.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) at: u64,
    pub(crate) rule: u16,
    pub(crate) incident: Incident,
    /// It begins.
    pub(crate) opened: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    due: u64,
    rule: u16,
    group: u64,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The rule looks at its group again.
    Look,
    /// The incident is told, or is over.
    Check,
}

/// An event kept for evidence.
#[derive(Debug, Default)]
struct Kept {
    group: u64,
    time: u64,
    count: u32,
    packed: Vec<u8>,
    path: Vec<u8>,
    client: Option<ClientKey>,
    attributable: bool,
}

impl Partition {
    pub(crate) fn new(rules: &Rules, start: u64) -> Partition {
        Partition {
            states: rules.rules().iter().map(State::new).collect(),
            open: HashMap::with_hasher(AlreadyHashed),
            firing: vec![0; rules.rules().len()],
            timers: BTreeSet::new(),
            recent: rules.rules().iter().map(|_| VecDeque::new()).collect(),
            start,
            told: Vec::new(),
            held_back: 0,
        }
    }

    /// Everything but what was told already.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.states.iter().for_each(|state| state.save(out));
        let mut open: Vec<_> = self.open.iter().collect();
        open.sort_unstable_by_key(|(key, _)| **key);
        open.len().save(out);
        for (key, (rule, open)) in open {
            (*key, *rule).save(out);
            open.save(out);
        }
        self.firing.save(out);
        self.timers.iter().copied().collect::<Vec<_>>().save(out);
        self.recent.save(out);
        (self.start, self.held_back).save(out);
    }

    /// A partition as it was saved, by the same rules.
    pub(crate) fn load(rules: &Rules, rest: &mut &[u8]) -> Option<Partition> {
        let states = rules.rules().iter().map(|rule| State::load(rule, rest)).collect::<Option<Vec<_>>>()?;
        let mut open = HashMap::with_hasher(AlreadyHashed);
        for _ in 0..usize::load(rest)? {
            let (key, rule): (u64, u16) = Keep::load(rest)?;
            open.insert(key, (rule, Open::load(rest)?));
        }
        let firing: Vec<u16> = Keep::load(rest)?;
        let timers: Vec<Timer> = Keep::load(rest)?;
        let recent: Vec<VecDeque<Kept>> = Keep::load(rest)?;
        let (start, held_back) = Keep::load(rest)?;
        let whole = firing.len() == states.len() && recent.len() == states.len() && open.len() <= OPEN_CAP;
        let timers = timers.into_iter().collect();
        whole.then(|| Partition { states, open, firing, timers, recent, start, told: Vec::new(), held_back })
    }

    /// Nothing was seen for a while, up to `until`: rules that ask for what did not happen believe nothing of the time before.
    pub(crate) fn missed(&mut self, until: u64) {
        self.start = until;
    }

    /// Takes the next hit.
    pub(crate) fn observe(&mut self, rules: &Rules, hit: &Hit, exhibit: Option<&Exhibit<'_>>) {
        self.advance(rules, hit.time);
        let Some(feed) = rules.feeds.get(hit.feed as usize) else { return };
        let (Some(rule), Some(state)) = (rules.rule(feed.rule), self.states.get_mut(usize::from(feed.rule))) else {
            return;
        };
        let packed = exhibit.map_or(&[][..], |exhibit| exhibit.packed);
        let verdict = state.step(rule, usize::from(feed.role), hit, self.start, packed);
        // A new value is an incident of its own.
        let group = match rule.correlation {
            Correlation::NewValue(_) => hit.group.rotate_left(7) ^ hit.value,
            _ => hit.group,
        };
        match verdict {
            Verdict::Holds(finding) => self.hold(rule, feed.rule, group, hit, exhibit, &finding),
            Verdict::Broken => self.broken(feed.rule, group),
            Verdict::Later(due) => {
                self.timers.insert(Timer { due, rule: feed.rule, group, what: What::Look });
            }
            Verdict::Quiet => {}
        }
        if !matches!(verdict, Verdict::Holds(_))
            && let Some(exhibit) = exhibit
        {
            self.keep(feed.rule, group, hit, exhibit);
        }
    }

    /// Everything that is due up to a time.
    pub(crate) fn advance(&mut self, rules: &Rules, time: u64) {
        while let Some(timer) = self.timers.first().copied().filter(|timer| timer.due <= time) {
            self.timers.remove(&timer);
            let Some(rule) = rules.rule(timer.rule) else { continue };
            match timer.what {
                What::Look => self.look(rules, rule, &timer),
                What::Check => self.check(rule, &timer),
            }
        }
    }

    /// Every open incident that changed since it was told, as it is.
    pub(crate) fn tell_all(&mut self, rules: &Rules, now: u64) {
        for (at, open) in self.open.values_mut().filter(|(_, open)| open.phase == Phase::Firing && open.changed) {
            open.changed = false;
            if let Some(rule) = rules.rule(*at) {
                self.told.push(Told { at: now, rule: *at, incident: open.told(rule, Standing::Open), opened: false });
            }
        }
    }

    /// What a rule remembers of a hit's group.
    pub(crate) fn window(&mut self, rules: &Rules, at: u16, hit: &Hit) -> Vec<(&'static str, f64)> {
        let (Some(rule), Some(state)) = (rules.rule(at), self.states.get_mut(usize::from(at))) else {
            return Vec::new();
        };
        let mut window = state.described(rule, hit, self.start);
        if let Some((_, open)) = self.open.get(&slot(at, hit.group)) {
            window.push(("incident_open", f64::from(u8::from(open.phase == Phase::Firing))));
        }
        window
    }

    /// Live groups, evicted ones and refused newcomers of a rule.
    pub(crate) fn counters(&self, rule: usize) -> [u64; 3] {
        self.states.get(rule).map_or([0; 3], State::counters)
    }

    /// The condition holds.
    fn hold(&mut self, rule: &Rule, at: u16, group: u64, hit: &Hit, exhibit: Option<&Exhibit<'_>>, finding: &Finding) {
        let now = hit.time;
        let mut key = slot(at, group);
        if !self.open.contains_key(&key) && self.firing.get(usize::from(at)).is_some_and(|firing| *firing >= FIRING_CAP)
        {
            key = slot(at, MANY);
        }
        if !self.open.contains_key(&key) {
            if self.open.len() >= OPEN_CAP {
                self.held_back += 1;
                return;
            }
            self.open.insert(key, (at, Open::waiting(rule, now)));
        }
        let Some((_, open)) = self.open.get_mut(&key) else { return };
        match open.phase {
            Phase::Waiting { since } if now.saturating_sub(since) < rule.lasting => {
                open.last = now;
                if rule.lasting > 0 && since == now {
                    self.timers.insert(Timer {
                        due: now + rule.lasting + idle(rule),
                        rule: at,
                        group: key,
                        what: What::Check,
                    });
                }
            }
            Phase::Cooling { until } if now < until => self.held_back += 1,
            Phase::Firing => {
                if let Some(exhibit) = exhibit {
                    open.show(exhibit, u64::from(hit.count));
                }
                if open.hold(rule, now, u64::from(hit.count), finding) {
                    open.changed = false;
                    self.told.push(Told {
                        at: now,
                        rule: at,
                        incident: open.told(rule, Standing::Open),
                        opened: false,
                    });
                }
            }
            Phase::Waiting { .. } | Phase::Cooling { .. } => self.fire(rule, at, key, group, hit, exhibit, finding),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one incident's beginning, in one place")]
    fn fire(
        &mut self,
        rule: &Rule,
        at: u16,
        key: u64,
        group: u64,
        hit: &Hit,
        exhibit: Option<&Exhibit<'_>>,
        finding: &Finding,
    ) {
        let Some((_, open)) = self.open.get_mut(&key) else { return };
        *open = Open::waiting(rule, finding.since);
        let columns = columns(rule);
        let values = match exhibit {
            Some(exhibit) if key == slot(at, group) => open::group(&columns, exhibit.packed),
            _ => Vec::new(),
        };
        open.fire(rule, values, finding);
        for kept in self
            .recent
            .get(usize::from(at))
            .into_iter()
            .flatten()
            .filter(|kept| kept.group == group && kept.time >= finding.since)
        {
            open.show(&kept.exhibit(), u64::from(kept.count));
        }
        if let Some(exhibit) = exhibit {
            open.show(exhibit, u64::from(hit.count));
        }
        open.hold(rule, hit.time, finding.count, finding);
        open.changed = false;
        self.told.push(Told { at: hit.time, rule: at, incident: open.told(rule, Standing::Open), opened: true });
        if let Some(firing) = self.firing.get_mut(usize::from(at)) {
            *firing += 1;
        }
        self.timers.insert(Timer { due: hit.time + TELL.min(idle(rule)), rule: at, group: key, what: What::Check });
    }

    /// The condition does not hold: what waited for it to last waits no more.
    fn broken(&mut self, at: u16, group: u64) {
        let key = slot(at, group);
        if self.open.get(&key).is_some_and(|(_, open)| matches!(open.phase, Phase::Waiting { .. })) {
            self.open.remove(&key);
        }
    }

    fn keep(&mut self, at: u16, group: u64, hit: &Hit, exhibit: &Exhibit<'_>) {
        let Some(recent) = self.recent.get_mut(usize::from(at)) else { return };
        let mut kept = if recent.len() < RECENT { Kept::default() } else { recent.pop_front().unwrap_or_default() };
        kept.packed.clear();
        kept.packed.extend_from_slice(exhibit.packed);
        kept.path.clear();
        kept.path.extend_from_slice(exhibit.path);
        let Exhibit { client, attributable, .. } = *exhibit;
        recent.push_back(Kept { group, time: hit.time, count: hit.count, client, attributable, ..kept });
    }

    fn look(&mut self, rules: &Rules, rule: &Rule, timer: &Timer) {
        let Some(state) = self.states.get_mut(usize::from(timer.rule)) else { return };
        let (verdict, sample) = state.later(rule, timer.group, timer.due);
        match verdict {
            Verdict::Later(due) => {
                self.timers.insert(Timer { due, ..*timer });
            }
            Verdict::Holds(finding) => {
                let feed =
                    rules.feeds.iter().position(|feed| feed.rule == timer.rule).and_then(|at| u32::try_from(at).ok());
                let hit = Hit {
                    time: timer.due,
                    group: timer.group,
                    value: 0,
                    feed: feed.unwrap_or(0),
                    count: 1,
                    exhibit: crate::hit::NO_EXHIBIT,
                    subject: 0,
                };
                let seen = Seen::unpack(&sample);
                let path = seen.as_ref().and_then(|seen| seen.path.as_deref()).unwrap_or_default();
                let (client, attributable) =
                    seen.as_ref().map_or((None, false), |seen| (seen.client, seen.attributable));
                let exhibit = Exhibit { packed: &sample, path: path.as_bytes(), client, attributable };
                let exhibit = (!sample.is_empty()).then_some(&exhibit);
                self.hold(rule, timer.rule, timer.group, &hit, exhibit, &finding);
            }
            Verdict::Broken => self.broken(timer.rule, timer.group),
            Verdict::Quiet => {}
        }
    }

    fn check(&mut self, rule: &Rule, timer: &Timer) {
        let Some((_, open)) = self.open.get_mut(&timer.group) else { return };
        match open.phase {
            Phase::Firing if open.last + idle(rule) <= timer.due => {
                let until = open.last + rule.cooldown;
                open.phase = Phase::Cooling { until };
                self.told.push(Told {
                    at: timer.due,
                    rule: timer.rule,
                    incident: open.told(rule, Standing::Resolved),
                    opened: false,
                });
                if let Some(firing) = self.firing.get_mut(usize::from(timer.rule)) {
                    *firing = firing.saturating_sub(1);
                }
                if until <= timer.due {
                    self.open.remove(&timer.group);
                } else {
                    self.timers.insert(Timer { due: until, ..*timer });
                }
            }
            Phase::Firing => {
                if std::mem::take(&mut open.changed) {
                    self.told.push(Told {
                        at: timer.due,
                        rule: timer.rule,
                        incident: open.told(rule, Standing::Open),
                        opened: false,
                    });
                }
                let due = (open.last + idle(rule)).min(timer.due + TELL);
                self.timers.insert(Timer { due, ..*timer });
            }
            Phase::Cooling { until } if until <= timer.due => {
                self.open.remove(&timer.group);
            }
            Phase::Waiting { .. } => {
                let due = open.last + rule.lasting + idle(rule);
                if due <= timer.due {
                    self.open.remove(&timer.group);
                } else {
                    self.timers.insert(Timer { due, ..*timer });
                }
            }
            Phase::Cooling { .. } => {}
        }
    }
}

/// How long after the last time a condition held its incident is over, in microseconds.
fn idle(rule: &Rule) -> u64 {
    rule.keep.max(1_000_000)
}

/// What names an incident's group: what the rule groups by, and the value that is new.
fn columns(rule: &Rule) -> Vec<crate::column::Column> {
    let mut columns = rule.inputs.first().map(|input| input.group.clone()).unwrap_or_default();
    if let Correlation::NewValue(new) = &rule.correlation {
        columns.extend(new.of.iter().cloned());
    }
    columns
}

/// A group of a rule as one number. Groups are hashes of 64 bits under a seed, so two meet by chance only.
fn slot(rule: u16, group: u64) -> u64 {
    group ^ (u64::from(rule) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Kept {
    fn exhibit(&self) -> Exhibit<'_> {
        Exhibit { packed: &self.packed, path: &self.path, client: self.client, attributable: self.attributable }
    }
}

kept!(Timer { due, rule, group, what });

impl Keep for What {
    fn save(&self, out: &mut Vec<u8>) {
        (*self == What::Check).save(out);
    }

    fn load(rest: &mut &[u8]) -> Option<What> {
        Some(if bool::load(rest)? { What::Check } else { What::Look })
    }
}

impl Keep for Kept {
    fn save(&self, out: &mut Vec<u8>) {
        (self.group, self.time).save(out);
        (self.count, self.attributable).save(out);
        self.packed.save(out);
        self.path.save(out);
        self.client.map(ClientKey::bits).save(out);
    }

    fn load(rest: &mut &[u8]) -> Option<Kept> {
        let (group, time) = Keep::load(rest)?;
        let (count, attributable) = Keep::load(rest)?;
        let (packed, path) = (Keep::load(rest)?, Keep::load(rest)?);
        let client: Option<u128> = Keep::load(rest)?;
        let client = client.map(|bits| ClientKey::of(std::net::IpAddr::V6(bits.into())));
        Some(Kept { group, time, count, packed, path, client, attributable })
    }
}
