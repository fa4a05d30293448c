//! What is to be said, before anybody knows to whom.

use palisade_event::{EventTime, Priority, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::Kept;

/// A message, the same for every kind of channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// The application.
    pub app: String,
    /// Where it runs.
    pub environment: String,
    /// What ties messages about the same thing together: the key of the first incident of a group.
    pub thread: String,
    /// The most urgent priority it speaks of.
    #[serde(with = "as_priority")]
    pub priority: Priority,
    /// When it was written.
    #[serde(with = "as_time")]
    pub at: EventTime,
    /// What it is about: one line for each rule. All counts of a digest stand here.
    pub lines: Vec<Line>,
    /// Some of the incidents, the most urgent first.
    pub briefs: Vec<Brief>,
    /// Incidents of the same family that were left out as they are less urgent.
    pub inhibited: u64,
    /// Where the dashboard is.
    pub link: Option<String>,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Incidents have opened, or become more urgent.
    Opened,
    /// They are open still, and nobody acknowledged them.
    Repeated,
    /// Somebody is at all of them.
    Acknowledged,
    /// All are over.
    Resolved,
    /// There was too much for messages of its own.
    Digest,
    /// No event comes any more.
    Quiet,
    /// Events come again.
    Heard,
    /// Somebody tries the channel.
    Test,
}

/// What is told of one rule's incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// Incidents that have opened since the last message.
    pub opened: u64,
    /// Incidents that have become more urgent since then.
    pub raised: u64,
    /// Incidents that are over since then.
    pub ended: u64,
    /// Incidents that are open now.
    pub open: u64,
    /// P1 among what has opened or become more urgent.
    pub urgent: u64,
}

/// An incident in short. Bounded: a message holds a few of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Its key.
    pub key: String,
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How urgent it is.
    #[serde(with = "as_priority")]
    pub priority: Priority,
    /// How it stands.
    pub state: String,
    /// The group's fields and values: strangers' text.
    pub group: Vec<(String, String)>,
    /// Requests that count.
    pub count: u64,
    /// The first of them.
    #[serde(with = "as_time")]
    pub first_seen: EventTime,
    /// The last of them.
    #[serde(with = "as_time")]
    pub last_seen: EventTime,
    /// Until when somebody should have looked.
    #[serde(with = "as_time")]
    pub due: EventTime,
    /// Paths that occur most: strangers' text.
    pub paths: Vec<(String, u64)>,
    /// Clients that occur most.
    pub clients: Vec<(String, u64)>,
    /// The runbook's steps.
    pub steps: Vec<String>,
    /// The OWASP reference; empty if there is none.
    pub owasp: String,
    /// Who acknowledged or resolved it; empty if nobody did.
    pub by: String,
}

/// Paths, clients and steps of an incident that a message names.
const TOP: usize = 3;
const STEPS: usize = 4;
/// The longest text of a stranger, in characters.
const LONGEST: usize = 120;

// === impl Notice ===

impl Notice {
    /// As it is kept in the outbox.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Notice::to_json`] wrote.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Notice> {
        serde_json::from_str(text).ok()
    }

    /// Incidents that have opened, over all lines.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.lines.iter().map(|line| line.opened).sum()
    }

    /// Whether a trigger of an on-call service would be meant: something is open.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.kind, NoticeKind::Resolved | NoticeKind::Heard)
    }
}

// === impl NoticeKind ===

impl NoticeKind {
    /// The name in payloads.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            NoticeKind::Opened => "opened",
            NoticeKind::Repeated => "repeated",
            NoticeKind::Acknowledged => "acknowledged",
            NoticeKind::Resolved => "resolved",
            NoticeKind::Digest => "digest",
            NoticeKind::Quiet => "quiet",
            NoticeKind::Heard => "heard",
            NoticeKind::Test => "test",
        }
    }
}

// === impl Brief ===

impl Brief {
    /// An incident in short.
    #[must_use]
    pub fn of(kept: &Kept) -> Brief {
        let body: Value = serde_json::from_str(&kept.body).unwrap_or_default();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group = body.get("group").and_then(Value::as_object).into_iter().flatten();
        let by = kept.resolved.as_ref().or(kept.acknowledged.as_ref()).map(|(_, by)| cut(by));
        Brief {
            key: kept.key.to_string(),
            rule: kept.rule.clone(),
            title: text("/title"),
            priority: kept.priority,
            state: kept.state.id().to_owned(),
            group: group.map(|(name, value)| (name.clone(), cut(value.as_str().unwrap_or_default()))).collect(),
            count: kept.count,
            first_seen: kept.first_seen,
            last_seen: kept.last_seen,
            due: kept.due(),
            paths: top(&body, "/evidence/paths"),
            clients: top(&body, "/evidence/clients"),
            steps: items(&body, "/steps").filter_map(Value::as_str).take(STEPS).map(cut).collect(),
            owasp: text("/owasp"),
            by: by.unwrap_or_default(),
        }
    }

    /// The client it is about, if it is about one.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.group.iter().find(|(name, _)| name == "client.key").map(|(_, value)| value.as_str())
    }

    /// Whether anything in it may have succeeded: only where every sample was refused or failed, nothing did.
    #[must_use]
    pub fn may_have_succeeded(kept: &Kept) -> bool {
        let body: Value = serde_json::from_str(&kept.body).unwrap_or_default();
        let mut samples = items(&body, "/evidence/samples").peekable();
        let failed = |sample: &Value| {
            let status = sample.get("http.response.status_code").and_then(Value::as_u64).unwrap_or(200);
            let outcome = sample.get("event.outcome").and_then(Value::as_str);
            status >= 400 && outcome != Some("success")
        };
        samples.peek().is_none() || !samples.all(failed)
    }
}

fn items<'v>(body: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    body.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn top(body: &Value, pointer: &str) -> Vec<(String, u64)> {
    let read = |item: &Value| {
        Some((cut(item.get("value")?.as_str()?), item.get("count").and_then(Value::as_u64).unwrap_or_default()))
    };
    items(body, pointer).filter_map(read).take(TOP).collect()
}

fn cut(text: &str) -> String {
    palisade_event::Untrusted::new(text).cut(LONGEST).as_written().to_owned()
}

/// The state as incidents spell it.
pub(crate) fn is_open(state: State) -> bool {
    matches!(state, State::Open | State::Acknowledged)
}

/// Moments as microseconds.
pub(crate) mod as_time {
    use palisade_event::EventTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &EventTime, to: S) -> Result<S::Ok, S::Error> {
        time.micros().serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<EventTime, D::Error> {
        u64::deserialize(from).map(EventTime::from_micros)
    }
}

/// Priorities by their names.
pub(crate) mod as_priority {
    use palisade_event::Priority;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references over")]
    pub(crate) fn serialize<S: Serializer>(priority: &Priority, to: S) -> Result<S::Ok, S::Error> {
        priority.id().serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Priority, D::Error> {
        let name = String::deserialize(from)?;
        Priority::from_id(&name).ok_or_else(|| D::Error::custom("no priority"))
    }
}
