use std::fmt;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{EventTime, Field, Untrusted, rfc3339};

/// Sample events that an incident keeps, at most.
pub const MAX_SAMPLES: usize = 5;
/// Paths and clients that an incident names, at most.
pub const MAX_TOP: usize = 10;

/// How long an incident may shut its client out: shorter is no answer, and longer outlives whoever holds the address.
pub const BLOCK_LASTS: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(24 * 3600);

/// What a rule made of many events: one thing for a person to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Stable: the same events give the same key, so a second replay adds nothing.
    pub key: IncidentKey,
    /// The rule's id.
    pub rule: Box<str>,
    /// The rule's title.
    pub title: Box<str>,
    /// The rule's OWASP reference, empty if it has none.
    pub owasp: Box<str>,
    /// What the rule groups by, and the group's values: strangers' text.
    pub group: Vec<(Field, Box<str>)>,
    /// How soon somebody should look.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// The first event that counts.
    pub first_seen: EventTime,
    /// The last one so far.
    pub last_seen: EventTime,
    /// Requests that count, so far.
    pub count: u64,
    /// Whether the group's client may be blocked for it: every counted event was attributable.
    pub attributable: bool,
    /// Whether its rule is on trial: it is kept and shown, and nobody is told or blocked for it.
    pub simulated: bool,
    /// What a person needs to judge.
    pub evidence: Evidence,
    /// The runbook's steps.
    pub steps: Vec<Box<str>>,
}

/// The evidence of an incident. Bounded by [`MAX_SAMPLES`] and [`MAX_TOP`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// Sample events as their JSON lines, without the line feed.
    pub samples: Vec<Box<str>>,
    /// The paths, or templates, that occur most: strangers' text.
    pub paths: Vec<(Box<str>, u64)>,
    /// The clients that occur most.
    pub clients: Vec<(Box<str>, u64)>,
    /// Numbers that the rule compared: `ratio`, `usual`, `threshold`.
    pub measures: Vec<(Box<str>, f64)>,
}

/// Names an incident: rule, group and the start of its window, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentKey(u128);

/// How soon somebody should look. P1 is the most urgent and the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// In the weekly review; sends no message.
    P3,
    /// Within 24 hours.
    P2,
    /// Now.
    P1,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody has looked yet.
    #[default]
    Open,
    /// Somebody is at it.
    Acknowledged,
    /// It is over, or was nothing.
    Resolved,
}

// === impl Incident ===

impl Incident {
    /// Appends the incident as one JSON object and a line feed. Printable ASCII apart from letters; strangers' text is
    /// escaped, sample events are objects.
    pub fn encode(&self, line: &mut Vec<u8>) {
        let Incident { key, rule, title, owasp, group, priority, state, .. } = self;
        let quoted = |text| Untrusted::new(text).json();
        let _ = write!(line, "{{\"key\":\"{key}\",\"rule\":{},\"title\":{}", quoted(rule), quoted(title));
        let _ = write!(line, ",\"priority\":\"{}\",\"state\":\"{}\",\"group\":{{", priority.id(), state.id());
        for (at, (field, value)) in group.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(line, "{comma}\"{}\":{}", field.name(), quoted(value));
        }
        line.extend_from_slice(b"},\"first_seen\":\"");
        rfc3339(self.first_seen.micros(), line);
        line.extend_from_slice(b"\",\"last_seen\":\"");
        rfc3339(self.last_seen.micros(), line);
        let _ = write!(line, "\",\"count\":{},\"attributable\":{}", self.count, self.attributable);
        if self.simulated {
            line.extend_from_slice(b",\"simulated\":true");
        }
        if !owasp.is_empty() {
            let _ = write!(line, ",\"owasp\":{}", quoted(owasp));
        }
        line.extend_from_slice(b",\"evidence\":");
        self.evidence.encode(line);
        line.extend_from_slice(b",\"steps\":[");
        for (at, step) in self.steps.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(line, "{comma}{}", quoted(step));
        }
        line.extend_from_slice(b"]}\n");
    }
}

// === impl Evidence ===

impl Evidence {
    /// Appends the evidence as one JSON object, without a line feed.
    pub fn encode(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b"{\"samples\":[");
        // A sample is a line of ours; anything else would break the object it stands in.
        let mut comma = false;
        for sample in self.samples.iter().filter(|sample| crate::json::walk(sample.as_bytes(), |_, _| {}).is_ok()) {
            if std::mem::replace(&mut comma, true) {
                line.push(b',');
            }
            line.extend_from_slice(sample.trim_end().as_bytes());
        }
        for (name, top) in [("paths", &self.paths), ("clients", &self.clients)] {
            let _ = write!(line, "],\"{name}\":[");
            for (at, (text, count)) in top.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let _ = write!(line, "{comma}{{\"value\":{},\"count\":{count}}}", Untrusted::new(text).json());
            }
        }
        line.extend_from_slice(b"],\"measures\":{");
        // JSON has no infinity.
        for (at, (name, number)) in self.measures.iter().filter(|(_, number)| number.is_finite()).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(line, "{comma}{}:{number}", Untrusted::new(name).json());
        }
        line.extend_from_slice(b"}}");
    }
}

// === impl IncidentKey ===

impl IncidentKey {
    /// The key of that number.
    #[must_use]
    pub const fn from_bits(bits: u128) -> IncidentKey {
        IncidentKey(bits)
    }

    /// The key of what a rule, in the version it has, found in a group from a moment on. SHA-256 cut to 128 bits, with
    /// every part's length before it: no group's text makes the key of another.
    #[must_use]
    pub fn of(rule: &str, version: u32, group: &[(Field, Box<str>)], window_start: EventTime) -> IncidentKey {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(rule.as_bytes());
        part(&version.to_be_bytes());
        part(&window_start.micros().to_be_bytes());
        for (field, value) in group {
            part(field.name().as_bytes());
            part(value.as_bytes());
        }
        let digest = hash.finalize();
        IncidentKey(digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }

    /// Reads what the key prints: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_text(text: &str) -> Option<IncidentKey> {
        let hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| hex).map(IncidentKey)
    }

    /// The key as a number.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

// === impl Priority ===

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Priority; 3] = [Priority::P1, Priority::P2, Priority::P3];

    /// `P1`, `P2`, `P3`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Priority::P1 => "P1",
            Priority::P2 => "P2",
            Priority::P3 => "P3",
        }
    }

    /// The priority of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Priority> {
        Priority::ALL.into_iter().find(|known| known.id() == id)
    }

    /// Seconds from the first event until somebody should have looked: at once, a day, a week.
    #[must_use]
    pub const fn due_seconds(self) -> u64 {
        match self {
            Priority::P1 => 0,
            Priority::P2 => 24 * 3600,
            Priority::P3 => 7 * 24 * 3600,
        }
    }
}

// === impl State ===

impl State {
    /// Every state, in the order they are passed.
    pub const ALL: [State; 3] = [State::Open, State::Acknowledged, State::Resolved];

    /// The name in output and stores.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Resolved => "resolved",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<State> {
        State::ALL.into_iter().find(|known| known.id() == id)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Incident {
        let group = vec![(Field::ClientKey, "198.51.100.7".into()), (Field::Path, "/<b>\n".into())];
        let start = EventTime::from_micros(1_793_577_600_000_000);
        Incident {
            key: IncidentKey::of("csrf-repeated", 1, &group, start),
            rule: "csrf-repeated".into(),
            title: "Repeated CSRF failures".into(),
            owasp: "A01:2021".into(),
            group,
            priority: Priority::P2,
            state: State::Open,
            first_seen: start,
            last_seen: EventTime::from_micros(start.micros() + 60_000_001),
            count: 12,
            attributable: true,
            simulated: false,
            evidence: Evidence {
                samples: vec![r#"{"timestamp":"2026-11-02T00:00:00.000000Z"}"#.into(), "}broken".into()],
                paths: vec![("/api/contact".into(), 11), ("/\u{1b}".into(), 1)],
                clients: vec![("198.51.100.7".into(), 12)],
                measures: vec![("ratio".into(), 0.25), ("usual".into(), f64::INFINITY)],
            },
            steps: vec!["Look at the client.".into()],
        }
    }

    #[test]
    fn golden_line_is_json_and_strangers_text_is_escaped() {
        let mut line = Vec::new();
        sample().encode(&mut line);
        let text = String::from_utf8(line).expect("utf-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("json");
        assert_eq!(
            text,
            concat!(
                r#"{"key":"56ed9a97f55a28ee5584b2689a18f7d8","rule":"csrf-repeated","title":"Repeated CSRF failures","priority":"P2","state":"open","#,
                r#""group":{"client.key":"198.51.100.7","url.path":"/\u003cb\u003e\u000a"},"#,
                r#""first_seen":"2026-11-02T00:00:00.000000Z","last_seen":"2026-11-02T00:01:00.000001Z","count":12,"#,
                r#""attributable":true,"owasp":"A01:2021","#,
                r#""evidence":{"samples":[{"timestamp":"2026-11-02T00:00:00.000000Z"}],"#,
                r#""paths":[{"value":"/api/contact","count":11},{"value":"/\u001b","count":1}],"#,
                r#""clients":[{"value":"198.51.100.7","count":12}],"measures":{"ratio":0.25}},"#,
                r#""steps":["Look at the client."]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn keys_tell_groups_apart_and_read_back() {
        let start = EventTime::from_micros(1);
        let of = |rule, a: &str, b: &str| {
            IncidentKey::of(rule, 1, &[(Field::Path, a.into()), (Field::User, b.into())], start)
        };
        let key = of("r", "ab", "c");
        assert_eq!(key, of("r", "ab", "c"));
        for other in [of("r", "a", "bc"), of("r2", "ab", "c"), IncidentKey::of("r", 1, &[], start)] {
            assert_ne!(key, other);
        }
        assert_eq!(IncidentKey::from_text(&key.to_string()), Some(key));
        assert_eq!(IncidentKey::from_text("+0000000000000000000000000000000"), None);
    }

    #[test]
    fn names_read_back_and_p1_is_the_greatest() {
        assert!(Priority::P1 > Priority::P2 && Priority::P2 > Priority::P3);
        assert!(Priority::ALL.iter().all(|known| Priority::from_id(known.id()) == Some(*known)));
        assert!(State::ALL.iter().all(|known| State::from_id(known.id()) == Some(*known)));
    }
}
