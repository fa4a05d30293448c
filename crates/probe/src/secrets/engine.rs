//! One pass over a text for all rules: an automaton finds the anchors, and only there a rule looks closer.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use palisade_check::facts::secrets::Certainty;

use super::named::{self, Writing};
use super::own::OwnValue;
use super::proof::Candidate;
use super::rules::{Extent, RULES, Rule};
use super::{find, noise, shape};

/// The most hits that one text may have; a text beyond it is a list of keys, or an attack on whoever reads the report.
const MOST: usize = 200;

/// The rule for a value beside a telling name.
const NAMED: &str = "named-secret";

/// Finds secrets in texts. Built once, used by any number of threads.
#[derive(Debug)]
pub(super) struct Engine {
    automaton: AhoCorasick,
    targets: Vec<Target>,
    own: Vec<OwnValue>,
}

/// What an anchor leads to.
#[derive(Debug, Clone, Copy)]
enum Target {
    Rule(&'static Rule),
    Name,
    Own(usize),
}

/// A secret in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit<'e> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) rule: &'static str,
    pub(super) title: &'static str,
    pub(super) prefix: &'static str,
    pub(super) certainty: Certainty,
    pub(super) test: bool,
    pub(super) variable: Option<&'e str>,
}

// === impl Engine ===

impl Engine {
    /// An engine for all rules and the project's own values.
    ///
    /// # Errors
    /// When the anchors are too many for one automaton: the project's env files hold hundreds of long values.
    pub(super) fn new(own: Vec<OwnValue>) -> Result<Engine, aho_corasick::BuildError> {
        let mut anchors: Vec<&[u8]> = Vec::new();
        let mut targets = Vec::new();
        for rule in RULES {
            for anchor in rule.anchors {
                anchors.push(anchor.as_bytes());
                targets.push(Target::Rule(rule));
            }
        }
        for name in named::NAMES {
            anchors.push(name.as_bytes());
            targets.push(Target::Name);
        }
        for (at, value) in own.iter().enumerate() {
            anchors.push(&value.bytes);
            targets.push(Target::Own(at));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&anchors)?;
        Ok(Engine { automaton, targets, own })
    }

    /// The secrets of a text, by place; where two overlap, the surer one, then the earlier rule.
    pub(super) fn hits(&self, text: &[u8], writing: Writing) -> Vec<Hit<'_>> {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        let mut refuted: Vec<(usize, usize)> = Vec::new();
        for anchor in self.automaton.find_overlapping_iter(text) {
            let Some(target) = self.targets.get(anchor.pattern().as_usize()) else { continue };
            let hit = match target {
                Target::Rule(rule) => by_rule(rule, text, anchor.start(), anchor.end(), &mut refuted),
                Target::Name if writing == Writing::Nowhere => None,
                Target::Name => by_name(text, anchor.start(), anchor.end(), writing),
                Target::Own(at) => {
                    self.own.get(*at).and_then(|value| by_value(value, text, anchor.start(), anchor.end()))
                }
            };
            if let Some(hit) = hit {
                add(&mut hits, hit);
                if hits.len() >= MOST {
                    break;
                }
            }
        }
        let is_refuted = |hit: &Hit<'_>| refuted.iter().any(|(start, end)| *start < hit.end && hit.start < *end);
        hits.retain(|hit| hit.rule != NAMED || !is_refuted(hit));
        hits.sort_by_key(|hit| (hit.start, hit.end));
        hits
    }
}

/// Keeps one of two that overlap.
fn add<'e>(hits: &mut Vec<Hit<'e>>, hit: Hit<'e>) {
    // Hits come in the order of their anchors' ends, so whatever overlaps stands near the end.
    let Some(other) = hits.iter_mut().rev().take(16).find(|other| other.start < hit.end && hit.start < other.end)
    else {
        hits.push(hit);
        return;
    };
    let variable = other.variable.or(hit.variable);
    let own = |hit: &Hit<'_>| hit.variable.is_some();
    // A provider's format tells more than "a value of yours"; that it is one proves it.
    let better = match (own(other), own(&hit)) {
        (true, false) => hit.certainty <= Certainty::Format,
        (false, true) => other.certainty > Certainty::Format,
        _ => hit.certainty < other.certainty,
    };
    if better {
        *other = hit;
    }
    if variable.is_some() {
        other.variable = variable;
        other.certainty = Certainty::Proven;
    }
}

fn by_rule<'e>(
    rule: &'static Rule,
    text: &[u8],
    start: usize,
    end: usize,
    refuted: &mut Vec<(usize, usize)>,
) -> Option<Hit<'e>> {
    let (start, end, prefix) = match rule.extent {
        Extent::Shape(shape) => {
            if !find::not_inside_word(text, start) {
                return None;
            }
            (start, shape::end(shape, text, start)?, end - start)
        }
        Extent::Found(found) => {
            let (start, end) = found(text, start, end)?;
            (start, end, 0)
        }
    };
    let body = text.get(start + prefix..end)?;
    if (rule.entropy > 0 && noise::entropy(body) < rule.entropy) || (prefix > 0 && noise::is_placeholder(body)) {
        return None;
    }
    let Some(certainty) = (rule.proof)(&Candidate { text, start, end }) else {
        if rule.refutes && refuted.len() < MOST {
            refuted.push((start, end));
        }
        return None;
    };
    let anchor = text.get(start..start + prefix)?;
    let prefix =
        rule.anchors.iter().find(|known| rule.shown && known.as_bytes() == anchor).copied().unwrap_or_default();
    let test = noise::contains(anchor, b"_test_");
    let title = if is_clerk(rule, text, start, end) { "Clerk secret key" } else { rule.title };
    let id = if title == rule.title { rule.id } else { "clerk-secret-key" };
    Some(Hit { start, end, rule: id, title, prefix, certainty, test, variable: None })
}

/// Clerk's keys begin as Stripe's do. They are told by the name before them, else by their length.
fn is_clerk(rule: &Rule, text: &[u8], start: usize, end: usize) -> bool {
    if rule.id != "stripe-secret-key" || text.get(start) != Some(&b's') {
        return false;
    }
    let line = start - find::back(text, start, 80, |byte| byte != b'\n');
    let before = text.get(line..start).unwrap_or_default();
    let length = end - start - "sk_live_".len();
    noise::contains(before, b"clerk") || (!noise::contains(before, b"stripe") && (42..=43).contains(&length))
}

fn by_name<'e>(text: &[u8], start: usize, end: usize, writing: Writing) -> Option<Hit<'e>> {
    let (start, end) = named::value(text, start, end, writing)?;
    Some(Hit {
        start,
        end,
        rule: NAMED,
        title: "secret beside a telling name",
        prefix: "",
        certainty: Certainty::Likely,
        test: false,
        variable: None,
    })
}

fn by_value<'e>(value: &'e OwnValue, text: &[u8], start: usize, end: usize) -> Option<Hit<'e>> {
    // The automaton is blind to case, values are not.
    (text.get(start..end)? == value.bytes).then_some(Hit {
        start,
        end,
        rule: "own-secret",
        title: value.title(),
        prefix: "",
        certainty: Certainty::Proven,
        test: false,
        variable: Some(&value.variable),
    })
}
