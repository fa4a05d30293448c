//! The tests that stand in a rule: events in a few words, and how many incidents they make.

use palisade_diag::{Diagnostics, Span};

use crate::read::{Map, expected, micros};
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

/// Some equal events.
#[derive(Debug)]
pub(crate) struct Described {
    /// Since the start of the test, in microseconds; else after what stands before.
    pub(crate) at: Option<u64>,
    pub(crate) repeat: u64,
    pub(crate) every: u64,
    /// Name, value, whether the value is text. `{n}` in a value is the number of the event.
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

    /// The events as JSON lines, in order.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut next = 0;
        for described in &self.groups {
            let start = described.at.unwrap_or(next);
            for n in 0..described.repeat {
                let time = start + n * described.every;
                lines.push(described.line(START + time, n));
                next = time + described.every.max(1_000_000);
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
            let value = value.replace("{n}", &n.to_string()).replace("{n256}", &(n % 256).to_string());
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
            ("at" | "every" | "repeat", _) => expected(&entry.node, &entry.key, "a time, or a count of at least 1", found),
            (name, Some(text)) => {
                let plain = entry.node.number().is_some() || matches!(text, "true" | "false");
                described.fields.push((name.into(), text.into(), !plain || matches!(entry.node.value, Value::Scalar { plain: false, .. })));
            }
            _ => expected(&entry.node, &entry.key, "a text or a number", found),
        }
    }
    Some(described)
}
