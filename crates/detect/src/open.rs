//! One incident from its first event to its end.

use palisade_event::{
    ClientKey, EventTime, Evidence, Field, Incident, IncidentKey, MAX_SAMPLES, MAX_TOP, Priority, Seen, State,
};

use crate::column::Column;
use crate::hit::Exhibit;
use crate::keep::Keep;
use crate::rule::{Mode, Rule};
use crate::state::Finding;

/// Counters behind the few that are shown.
const COUNTERS: usize = 32;

/// An incident that is open, was, or may become one.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) phase: Phase,
    key: IncidentKey,
    group: Vec<(Field, Box<str>)>,
    first: u64,
    pub(crate) last: u64,
    count: u64,
    priority: Priority,
    attributable: bool,
    measures: [Option<(&'static str, f64)>; 2],
    samples: Vec<Box<str>>,
    paths: Tops<Box<str>>,
    clients: Tops<ClientKey>,
    /// Whether it changed since it was last told.
    pub(crate) changed: bool,
}

/// Where an incident stands for the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The condition holds since then, not yet long enough.
    Waiting {
        since: u64,
    },
    Firing,
    /// Over; the group is not reported anew until then.
    Cooling {
        until: u64,
    },
}

/// What occurs most (Space-Saving: Metwally et al., 2005): counts of what is rare may be too high, never too low.
#[derive(Debug)]
struct Tops<T> {
    counts: Vec<(T, u64)>,
}

impl<T: PartialEq + Ord + Clone> Tops<T> {
    fn add(&mut self, matches: impl Fn(&T) -> bool, value: impl FnOnce() -> T, count: u64) {
        if let Some(at) = self.counts.iter().position(|(known, _)| matches(known)) {
            if let Some((_, counted)) = self.counts.get_mut(at) {
                *counted += count;
            }
            self.counts.swap(0, at);
        } else if self.counts.len() < COUNTERS {
            self.counts.push((value(), count));
        } else if let Some(least) = self.counts.iter_mut().min_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0))) {
            *least = (value(), least.1 + count);
        }
    }

    fn top(&self) -> Vec<(T, u64)> {
        let mut sorted = self.counts.clone();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        sorted.truncate(MAX_TOP);
        sorted
    }
}

impl Open {
    /// An incident of which nothing is known but that its condition holds since then.
    pub(crate) fn waiting(rule: &Rule, since: u64) -> Open {
        Open {
            phase: Phase::Waiting { since },
            key: IncidentKey::of(&rule.id, rule.version, &[], EventTime::from_micros(since)),
            group: Vec::new(),
            first: since,
            last: since,
            count: 0,
            priority: rule.priority,
            attributable: true,
            measures: [None; 2],
            samples: Vec::new(),
            paths: Tops { counts: Vec::new() },
            clients: Tops { counts: Vec::new() },
            changed: false,
        }
    }

    /// The incident begins.
    pub(crate) fn fire(&mut self, rule: &Rule, group: Vec<(Field, Box<str>)>, finding: &Finding) {
        self.key = IncidentKey::of(&rule.id, rule.version, &group, EventTime::from_micros(finding.since));
        self.phase = Phase::Firing;
        self.group = group;
        self.first = finding.since;
        self.count = 0;
        self.priority = rule.priority;
    }

    /// The condition held again, with so many more events; says whether the incident has become more urgent.
    pub(crate) fn hold(&mut self, rule: &Rule, now: u64, count: u64, finding: &Finding) -> bool {
        self.last = self.last.max(now);
        self.count += count;
        self.changed = true;
        self.measures = finding.measures;
        let reached = rule.escalate.iter().filter(|(at, _)| *at <= self.count).map(|(_, priority)| *priority).max();
        let more = reached.filter(|priority| *priority > self.priority);
        self.priority = more.unwrap_or(self.priority);
        more.is_some()
    }

    /// Takes an event as evidence.
    pub(crate) fn show(&mut self, exhibit: &Exhibit<'_>, count: u64) {
        self.attributable &= exhibit.attributable;
        if self.samples.len() < MAX_SAMPLES
            && let Some(seen) = Seen::unpack(exhibit.packed)
        {
            let mut line = Vec::new();
            seen.encode(&mut line);
            self.samples.push(String::from_utf8_lossy(&line).trim_end().into());
        }
        if let Ok(path) = str::from_utf8(exhibit.path)
            && !path.is_empty()
        {
            self.paths.add(|known| **known == *path, || path.into(), count);
        }
        if let Some(client) = exhibit.client {
            self.clients.add(|known| *known == client, || client, count);
        }
    }

    /// The incident as people see it.
    pub(crate) fn told(&self, rule: &Rule, state: State) -> Incident {
        let title =
            if rule.mode == Mode::Simulate { format!("[simulated] {}", rule.title).into() } else { rule.title.clone() };
        Incident {
            key: self.key,
            rule: rule.id.clone(),
            title,
            owasp: rule.owasp.clone(),
            group: self.group.clone(),
            priority: self.priority,
            state,
            first_seen: EventTime::from_micros(self.first),
            last_seen: EventTime::from_micros(self.last),
            count: self.count,
            attributable: self.attributable && !self.samples.is_empty(),
            simulated: rule.mode == Mode::Simulate,
            evidence: Evidence {
                samples: self.samples.clone(),
                paths: self.paths.top(),
                clients: self
                    .clients
                    .top()
                    .into_iter()
                    .map(|(client, count)| (client.to_string().into(), count))
                    .collect(),
                measures: self.measures.iter().flatten().map(|(name, value)| (Box::from(*name), *value)).collect(),
            },
            steps: rule.steps.clone(),
        }
    }
}

/// The values of the columns that a group has, read from an event of it.
pub(crate) fn group(columns: &[Column], packed: &[u8]) -> Vec<(Field, Box<str>)> {
    let Some(seen) = Seen::unpack(packed) else { return Vec::new() };
    columns.iter().filter_map(|column| Some((field(column), text(column, &seen)?))).collect()
}

fn text(column: &Column, seen: &Seen<'_>) -> Option<Box<str>> {
    match column {
        // As the key prints, so that a network is a network.
        Column::Field(Field::ClientKey) => seen.client.map(|client| client.to_string().into()),
        column => column.text(seen).map(|text| text.as_ref().into()),
    }
}

/// The field by whose name a column is shown.
fn field(column: &Column) -> Field {
    match column {
        Column::Field(field) => *field,
        Column::Shape => Field::Route,
        Column::Target | Column::Decoded | Column::Unknown(_) => Field::Path,
    }
}

// What is kept over a restart.

impl Keep for Open {
    fn save(&self, out: &mut Vec<u8>) {
        match self.phase {
            Phase::Waiting { since } => (0_u8, since).save(out),
            Phase::Firing => (1_u8, 0_u64).save(out),
            Phase::Cooling { until } => (2_u8, until).save(out),
        }
        self.key.bits().save(out);
        self.group.iter().map(|(field, text)| (Box::from(field.name()), text.clone())).collect::<Vec<_>>().save(out);
        (self.first, self.last).save(out);
        (self.count, self.priority as u8).save(out);
        (self.attributable, self.changed).save(out);
        self.measures.map(|measure| measure.map(|(name, value)| (Box::from(name), value))).save(out);
        self.samples.save(out);
        self.paths.counts.save(out);
        self.clients.counts.iter().map(|(client, count)| (client.bits(), *count)).collect::<Vec<_>>().save(out);
    }

    fn load(rest: &mut &[u8]) -> Option<Open> {
        let phase = match Keep::load(rest)? {
            (0_u8, since) => Phase::Waiting { since },
            (1, _) => Phase::Firing,
            (2, until) => Phase::Cooling { until },
            _ => return None,
        };
        let key = IncidentKey::from_bits(Keep::load(rest)?);
        let group: Vec<(Box<str>, Box<str>)> = Keep::load(rest)?;
        let group = group.into_iter().map(|(name, text)| Some((Field::from_name(&name)?, text)));
        let group = group.collect::<Option<Vec<_>>>()?;
        let (first, last) = Keep::load(rest)?;
        let (count, priority): (u64, u8) = Keep::load(rest)?;
        let priority = *[Priority::P3, Priority::P2, Priority::P1].get(usize::from(priority))?;
        let (attributable, changed) = Keep::load(rest)?;
        let measures: [Option<(Box<str>, f64)>; 2] = Keep::load(rest)?;
        let measures = measures.map(|measure| measure.and_then(|(name, value)| Some((measure_name(&name)?, value))));
        let samples: Vec<Box<str>> = Keep::load(rest)?;
        let paths = Tops { counts: Keep::load(rest)? };
        let clients: Vec<(u128, u64)> = Keep::load(rest)?;
        let client = |bits: u128| ClientKey::of(std::net::IpAddr::V6(bits.into()));
        let clients = Tops { counts: clients.into_iter().map(|(bits, count)| (client(bits), count)).collect() };
        let many = samples.len() > MAX_SAMPLES || paths.counts.len() > COUNTERS || clients.counts.len() > COUNTERS;
        let open = Open {
            phase,
            key,
            group,
            first,
            last,
            count,
            priority,
            attributable,
            measures,
            samples,
            paths,
            clients,
            changed,
        };
        (!many).then_some(open)
    }
}

/// Every measure that rules tell.
fn measure_name(name: &str) -> Option<&'static str> {
    ["distinct", "ratio", "total", "usual", "count", "sum", "average", "percentile"]
        .into_iter()
        .find(|known| *known == name)
}
