//! The tests that stand in a rule: events in a few words, and how many incidents they make.

use std::collections::BTreeSet;
use std::sync::Arc;

use palisade_diag::{Diagnostics, Span};
use palisade_event::{BadLine, decode};

use crate::engine::{Engine, Settings};
use crate::read::{Map, expected, micros};
use crate::rules::Rules;
use crate::yaml::{Node, Value};

/// Events of one test, at most.
const EVENTS_CAP: u64 = 200_000;

/// One test of a rule.
#[derive(Debug)]
pub struct Trial {
    pub(crate) name: Box<str>,
    pub(crate) expect: u32,
    pub(crate) groups: Vec<Described>,
    pub(crate) span: Span,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// How many incidents of the rule there were.
    pub found: u32,
    /// Events that could not be read, by their number, with the reason.
    pub unreadable: Option<(usize, BadLine)>,
}

/// Some equal events.
#[derive(Debug)]
pub(crate) struct Described {
    /// Since the start of the test, in microseconds; else after what stands before.
    pub(crate) at: Option<u64>,
    pub(crate) repeat: u64,
    pub(crate) every: u64,
    /// Name, value, whether the value is text. `{n}` in a value is the number of the event, up to 249 and again from 0.
    pub(crate) fields: Vec<(Box<str>, Box<str>, bool)>,
}

// === impl Trial ===

impl Trial {
    /// What it shows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many incidents there should be.
    #[must_use]
    pub const fn expected(&self) -> u32 {
        self.expect
    }

    /// Where it stands.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Runs the events through all rules, and counts the incidents of one.
    #[must_use]
    pub fn run(&self, rules: &Arc<Rules>, rule: &str) -> Tried {
        let mut engine = Engine::new(Arc::clone(rules), Settings::default());
        let (mut out, mut unreadable) = (Vec::new(), None);
        for (at, line) in self.lines().iter().enumerate() {
            match decode(line) {
                Ok(seen) => engine.observe(&seen, None, &mut out),
                Err(error) => unreadable = unreadable.or(Some((at, error))),
            }
        }
        engine.finish(&mut out);
        let keys: BTreeSet<_> =
            out.iter().filter(|incident| *incident.rule == *rule).map(|incident| incident.key).collect();
        Tried { found: u32::try_from(keys.len()).unwrap_or(u32::MAX), unreadable }
    }

    /// The events as JSON lines, in order.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut next = 0;
        for described in &self.groups {
            let start = described.at.unwrap_or(next);
            for n in 0..described.repeat {
                let time = start + n * described.every;
                lines.push(described.line(START + time, n));
                next = time + described.every;
            }
        }
        lines
    }
}

/// Monday, 2026-06-01, noon.
const START: u64 = 1_780_315_200_000_000;

impl Described {
    fn line(&self, time: u64, n: u64) -> Vec<u8> {
        let mut line = b"{\"timestamp\":\"".to_vec();
        palisade_event::rfc3339(time, &mut line);
        line.push(b'"');
        for (name, value, text) in &self.fields {
            let value = value.replace("{n}", &(n % 250).to_string());
            let name = palisade_event::Untrusted::new(name).json().to_string();
            let value = if *text { palisade_event::Untrusted::new(&value).json().to_string() } else { value };
            line.extend_from_slice(format!(",{name}:{value}").as_bytes());
        }
        line.push(b'}');
        line
    }
}

/// Reads `tests`.
pub(crate) fn read(node: &Node, found: &mut Diagnostics) -> Vec<Trial> {
    let Value::List(items) = &node.value else {
        expected(node, "tests", "a list", found);
        return Vec::new();
    };
    items.iter().filter_map(|item| trial(item, found)).collect()
}

fn trial(node: &Node, found: &mut Diagnostics) -> Option<Trial> {
    let mut map = Map::of(node, "tests", found)?;
    let name = map.text("name", found);
    let expect = map.take("expect").and_then(|node| node.text()?.parse().ok());
    let events = map.take("events");
    map.finish(found);
    let (Some(name), Some(expect), Some(events)) = (name, expect, events) else {
        expected(node, "tests", "a `name`, how many incidents to `expect`, and `events`", found);
        return None;
    };
    let Value::List(items) = &events.value else {
        expected(events, "events", "a list", found);
        return None;
    };
    let groups: Vec<_> = items.iter().filter_map(|item| described(item, found)).collect();
    if groups.iter().map(|group| group.repeat).sum::<u64>() > EVENTS_CAP {
        expected(events, "events", "fewer than 200,000 events", found);
        return None;
    }
    Some(Trial { name: name.into(), expect, groups, span: node.span })
}

fn described(node: &Node, found: &mut Diagnostics) -> Option<Described> {
    let Value::Map(entries) = &node.value else {
        expected(node, "events", "a map of fields", found);
        return None;
    };
    let mut described = Described { at: None, repeat: 1, every: 1_000_000, fields: Vec::new() };
    for entry in entries {
        let text = entry.node.text();
        let time = text.and_then(micros);
        match (entry.key.as_str(), text) {
            ("at", _) if time.is_some() => described.at = time,
            ("every", _) if time.is_some() => described.every = time.unwrap_or_default(),
            ("repeat", Some(text)) if text.parse::<u32>().is_ok_and(|n| n > 0) => {
                described.repeat = text.parse().unwrap_or(1);
            }
            ("at" | "every" | "repeat", _) => {
                expected(&entry.node, &entry.key, "a time, or a count of at least 1", found);
            }
            (name, Some(text)) => {
                let plain = entry.node.number().is_some() || matches!(text, "true" | "false");
                described.fields.push((
                    name.into(),
                    text.into(),
                    !plain || matches!(entry.node.value, Value::Scalar { plain: false, .. }),
                ));
            }
            _ => expected(&entry.node, &entry.key, "a text or a number", found),
        }
    }
    Some(described)
}
