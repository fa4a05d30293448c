//! All rules, prepared for matching: stateless, so that any number of threads may share them.

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::IpAddr;

use foldhash::quality::FixedState;
use palisade_diag::{Diagnostics, FileId};
use palisade_event::{Field, Seen, Value};

use crate::atom::spelled;
use crate::column::Column;
use crate::expr::{Atoms, Expr};
use crate::file;
use crate::hit::{Hit, NO_EXHIBIT};
use crate::index::{Desk, Index};
use crate::rule::{Correlation, Rule};

/// Rules, read and compiled.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    pub(crate) atoms: Atoms,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) index: Index,
    fingerprint: u64,
}

/// One input of one rule, as the matcher sees it.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) rule: u16,
    pub(crate) role: u8,
    pub(crate) expr: Expr,
    pub(crate) group: Vec<Column>,
    pub(crate) value: Vec<Column>,
    pub(crate) subject: Option<Column>,
    /// The value is a number, and is taken as one.
    pub(crate) measured: bool,
    /// Only sums matter: no event of it is ever shown.
    pub(crate) tallied: bool,
    /// Of a rule that hears others: its hits wait until those have spoken.
    pub(crate) chained: bool,
    /// The rule whose incidents are its events.
    pub(crate) from: Option<u16>,
}

/// What an event matched.
#[derive(Debug, Default)]
pub struct Matches {
    /// Events to be put in order and counted one by one.
    pub(crate) hits: Vec<Hit>,
    /// Inputs of which only sums matter.
    pub(crate) tallies: Vec<(u32, u32)>,
}

/// What one thread needs to match events.
#[derive(Debug)]
pub struct Matcher {
    desk: Desk,
    hasher: FixedState,
}

// === impl Rules ===

impl Rules {
    /// Reads rule files.
    ///
    /// # Errors
    ///
    /// Every problem of every file, if any of them is an error. Warnings come back beside the rules.
    pub fn parse(files: &[(FileId, &str)]) -> Result<(Rules, Diagnostics), Diagnostics> {
        let (rules, mut found) = Rules::parse_leniently(files);
        found.sort();
        if found.has_errors() { Err(found) } else { Ok((rules, found)) }
    }

    /// Reads rule files; rules with errors are left out and named.
    #[must_use]
    pub fn parse_leniently(files: &[(FileId, &str)]) -> (Rules, Diagnostics) {
        let mut found = Diagnostics::new();
        let mut atoms = Atoms::default();
        let rules = file::rules(files, &mut atoms, &mut found);
        let mut feeds = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let rule_at = u16::try_from(at).unwrap_or(u16::MAX);
            // Steps of an order are looked at from the last to the first, so that one event is not two steps.
            for (role, input) in rule.inputs.iter().enumerate().rev() {
                let from = input.from.as_ref().and_then(|id| rules.iter().position(|rule| rule.id == *id));
                let from = from.and_then(|at| u16::try_from(at).ok());
                feeds.push(Feed { from, ..feed(rule, rule_at, role, input) });
            }
        }
        let index = Index::new(&atoms, &feeds.iter().map(|feed| &feed.expr).collect::<Vec<_>>());
        let fingerprint = FixedState::with_seed(0).hash_one(files.iter().map(|(_, text)| *text).collect::<Vec<_>>());
        (Rules { rules, atoms, feeds, index, fingerprint }, found)
    }

    /// Every rule that runs.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Tells apart rules that were read from different texts.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Which of the rules has that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id() == id)
    }

    pub(crate) fn correlation_mut(&mut self, id: &str) -> Option<&mut Correlation> {
        self.rules.iter_mut().find(|rule| *rule.id == *id).map(|rule| &mut rule.correlation)
    }

    pub(crate) fn rule(&self, at: u16) -> Option<&Rule> {
        self.rules.get(usize::from(at))
    }

    /// A matcher for one thread. Groups are hashed by the seed: whoever knows it could make groups collide.
    #[must_use]
    pub fn matcher(&self, seed: u64) -> Matcher {
        Matcher { desk: self.index.desk(seed), hasher: FixedState::with_seed(seed) }
    }

    /// What an event matches. `out` is emptied first.
    pub fn matches(&self, seen: &Seen<'_>, matcher: &mut Matcher, out: &mut Matches) {
        out.hits.clear();
        out.tallies.clear();
        if seen.count == 0 {
            return;
        }
        self.index.look(&self.atoms, seen, &mut matcher.desk);
        let candidates = std::mem::take(&mut matcher.desk.candidates);
        for at in &candidates {
            let Some(feed) = self.feeds.get(usize::from(*at)) else { continue };
            let holds = feed.expr.holds(&mut |id| self.index.truth(id, &self.atoms, seen, &mut matcher.desk));
            if !holds {
                continue;
            }
            if feed.tallied {
                out.tallies.push((u32::from(*at), seen.count));
            } else if let Some(hit) = hit(u32::from(*at), feed, seen, &matcher.hasher) {
                out.hits.push(hit);
            }
        }
        matcher.desk.candidates = candidates;
    }

    /// The same, by asking every rule everything: what [`Rules::matches`] must agree with.
    #[cfg(test)]
    pub(crate) fn matches_slowly(&self, seen: &Seen<'_>) -> Vec<u32> {
        let atom = |id| self.atoms.get(id).is_some_and(|atom| atom.holds(seen));
        let feeds = self.feeds.iter().enumerate().filter(|(_, feed)| feed.expr.holds(&mut { atom }));
        feeds.map(|(at, _)| u32::try_from(at).unwrap_or(0)).collect()
    }
}

impl Matcher {
    /// The hit that an event is for an input, whether it matches or not.
    pub(crate) fn hit(&self, at: u32, feed: &Feed, seen: &Seen<'_>) -> Option<Hit> {
        hit(at, feed, seen, &self.hasher)
    }
}

impl Matches {
    /// Whether nothing matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty() && self.tallies.is_empty()
    }
}

fn feed(rule: &Rule, at: u16, role: usize, input: &crate::rule::Input) -> Feed {
    let (value, subject) = match &rule.correlation {
        Correlation::Distinct { of, .. } | Correlation::Measure { of, .. } => (of.clone(), None),
        Correlation::Baseline(baseline) => (baseline.of.clone(), None),
        Correlation::NewValue(new) => (new.of.clone(), Some(new.subject.clone())),
        Correlation::Profile(_) => (vec![Column::Field(Field::ClientKey)], None),
        _ => (Vec::new(), None),
    };
    let tallied = matches!(rule.correlation, Correlation::Ratio { .. }) && role == 1 && input.group.is_empty();
    Feed {
        rule: at,
        role: u8::try_from(role).unwrap_or(u8::MAX),
        expr: input.expr.clone(),
        group: input.group.clone(),
        value,
        subject,
        measured: matches!(rule.correlation, Correlation::Measure { .. }),
        tallied: tallied && !rule.is_chained(),
        chained: rule.is_chained(),
        from: None,
    }
}

/// `None` where a field is missing that the rule groups by or compares: such an event is in no group.
fn hit(at: u32, feed: &Feed, seen: &Seen<'_>, hasher: &FixedState) -> Option<Hit> {
    let group = hash(&feed.group, seen, hasher)?;
    let value = match if feed.measured { number(&feed.value, seen) } else { hash(&feed.value, seen, hasher) } {
        Some(value) => value,
        // A baseline counts events of nobody too.
        None if feed.subject.is_none() && feed.value == [Column::Field(Field::ClientKey)] => 0,
        None => return None,
    };
    let subject = feed.subject.as_ref().map_or(0, |column| subject(column, seen, hasher));
    Some(Hit { time: seen.time.micros(), group, value, feed: at, count: seen.count, exhibit: NO_EXHIBIT, subject })
}

/// The group of rules that do not group: the same under every seed, as sums have no event to hash.
pub(crate) const fn empty_group() -> u64 {
    0
}

/// Who vouches for a value: a verified subject, with the highest bit set; else the client's neighbourhood.
#[expect(clippy::cast_possible_truncation, reason = "part of a hash")]
fn subject(column: &Column, seen: &Seen<'_>, hasher: &FixedState) -> u32 {
    if let Some(subject) = hash(std::slice::from_ref(column), seen, hasher) {
        return subject as u32 | VERIFIED;
    }
    seen.client.map_or(0, |client| hasher.hash_one(client.neighbourhood()) as u32 & !VERIFIED)
}

/// The bit of [`Hit::subject`] that says that it is a verified subject.
pub(crate) const VERIFIED: u32 = 1 << 31;

/// The number that a column holds, as bits.
fn number(columns: &[Column], seen: &Seen<'_>) -> Option<u64> {
    let mut found = None;
    columns.first()?.with(seen, |value| {
        found = crate::atom::number(value).filter(|number| number.is_finite() && *number >= 0.0);
        true
    });
    found.map(f64::to_bits)
}

fn hash(columns: &[Column], seen: &Seen<'_>, hasher: &FixedState) -> Option<u64> {
    if columns.is_empty() {
        return Some(empty_group());
    }
    let mut state = hasher.build_hasher();
    for column in columns {
        match column {
            Column::Field(Field::ClientKey) => state.write_u128(seen.client?.bits()),
            Column::Field(field) => match seen.field(*field)? {
                Value::Text(text) => {
                    state.write(text.as_bytes());
                    state.write_u8(0xff);
                }
                Value::Number(number) => state.write_i64(number),
                Value::Address(IpAddr::V4(address)) => state.write(&address.octets()),
                Value::Address(IpAddr::V6(address)) => state.write(&address.octets()),
                other => state.write(spelled(other).as_bytes()),
            },
            column => {
                state.write(column.text(seen)?.as_bytes());
                state.write_u8(0xff);
            }
        }
    }
    Some(state.finish())
}

#[cfg(test)]
mod tests {
    use palisade_event::decode;
    use proptest::prelude::*;

    use super::*;

    const RULES: &str = r"
id: a
detection: {x: {url.path|contains: [adm, min]}, y: {sc-status: [200, 404]}, condition: x and not y}
---
id: b
detection: {x: {url.path: '/a*n'}, y: {cs-user-agent|startswith: cu}, condition: x or y}
---
id: c
detection: {x: {url.path|re: 'a.m'}, y: {sc-status|gte: 500}, z: {cs-method: GET}, condition: 2 of them}
---
id: d
detection: {x: {url.path|endswith|cased: N}, y: {cs-username: null}, condition: all of them}
---
id: e
detection: {x: [adm, curl], condition: not x}
";

    proptest! {
        #[test]
        fn the_index_agrees_with_asking_every_rule(
            lines in prop::collection::vec(("/[admin]{0,6}N?", prop::sample::select(vec![200, 403, 404, 500]), "GET|POST", "cu?rl|x"), 1..8),
        ) {
            let rules = Rules::parse(&[(FileId(0), RULES)]).expect("rules").0;
            let (mut matcher, mut out) = (rules.matcher(1), Matches::default());
            for (path, status, method, agent) in lines {
                let line = format!(
                    r#"{{"timestamp":"2026-06-01T12:00:00Z","c-ip":"203.0.113.7","url.path":"{path}","sc-status":{status},"cs-method":"{method}","cs-user-agent":"{agent}"}}"#
                );
                let seen = decode(line.as_bytes()).expect("an event");
                rules.matches(&seen, &mut matcher, &mut out);
                let mut found: Vec<_> = out.hits.iter().map(|hit| hit.feed).collect();
                found.sort_unstable();
                prop_assert_eq!(found, rules.matches_slowly(&seen), "{}", line);
            }
        }
    }
}
