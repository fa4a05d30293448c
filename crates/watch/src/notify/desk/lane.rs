//! How much one channel is sent, and what finds no room.

use std::collections::BTreeMap;
use std::time::Duration;

use palisade_event::{EventTime, Priority};
use serde::{Deserialize, Serialize};

use super::group::MAX_BRIEFS;
use super::{Telling, after};
use crate::notify::notice::{Brief, Line, as_priority, as_time};

pub(super) const PER_MINUTE: usize = 2;
const MINUTE: Duration = Duration::from_secs(60);
/// A digest gathers so long at least.
const GATHER: Duration = Duration::from_secs(5);
/// Rules that a digest names; the others are one line.
const MAX_LINES: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Lane {
    /// Messages of the last minute: when, and whether each was about a P1.
    sent: Vec<(u64, bool)>,
    /// The last digest.
    digest: Option<u64>,
    held: Option<Held>,
}

/// What found no room.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    #[serde(with = "as_time")]
    since: EventTime,
    #[serde(with = "as_priority")]
    priority: Priority,
    lines: BTreeMap<String, Line>,
    briefs: Vec<Brief>,
    inhibited: u64,
}

/// A digest.
pub(super) struct Digest {
    pub(super) priority: Priority,
    pub(super) lines: Vec<Line>,
    pub(super) briefs: Vec<Brief>,
    pub(super) inhibited: u64,
}

impl Lane {
    /// Whether a message may be sent now. The last place of a minute is for what is urgent.
    pub(super) fn has_room(&mut self, urgent: bool, now: EventTime) -> bool {
        self.sent.retain(|(at, _)| after(EventTime::from_micros(*at), MINUTE) > now);
        let others = self.sent.iter().filter(|(_, urgent)| !urgent).count();
        self.sent.len() < PER_MINUTE && (urgent || others + 1 < PER_MINUTE)
    }

    pub(super) fn sent(&mut self, urgent: bool, now: EventTime) {
        self.sent.push((now.micros(), urgent));
    }

    /// Keeps for the digest what cannot be sent by itself.
    pub(super) fn hold(&mut self, telling: Telling, now: EventTime) {
        let Telling { thread: _, priority, line, briefs, inhibited } = telling;
        let new =
            || Held { since: now, priority: Priority::P3, lines: BTreeMap::new(), briefs: Vec::new(), inhibited: 0 };
        let held = self.held.get_or_insert_with(new);
        held.priority = held.priority.max(priority);
        held.inhibited += inhibited;
        let sum = held.lines.entry(line.rule.clone()).or_default();
        let open = line.open;
        add(sum, line);
        sum.open = open;
        held.briefs.extend(briefs);
        held.briefs.sort_by_key(|brief| std::cmp::Reverse((brief.priority, brief.count)));
        held.briefs.truncate(MAX_BRIEFS);
    }

    /// The digest, if it is time for one.
    pub(super) fn digest(&mut self, now: EventTime) -> Option<Digest> {
        let gathered = after(self.held.as_ref()?.since, GATHER) <= now;
        let distant = self.digest.is_none_or(|last| after(EventTime::from_micros(last), MINUTE) <= now);
        if !gathered || !distant {
            return None;
        }
        self.digest = Some(now.micros());
        let Held { since: _, priority, lines, briefs, inhibited } = self.held.take()?;
        let mut lines: Vec<Line> = lines.into_values().collect();
        lines.sort_by_key(|line| std::cmp::Reverse((line.urgent, line.opened + line.raised)));
        let rest = lines.split_off(lines.len().min(MAX_LINES));
        if !rest.is_empty() {
            let title = format!("{} other rules", rest.len());
            let mut others = Line { rule: "others".to_owned(), title, ..Line::default() };
            rest.into_iter().for_each(|line| add(&mut others, Line { title: String::new(), ..line }));
            lines.push(others);
        }
        Some(Digest { priority, lines, briefs, inhibited })
    }
}

/// Adds what one line counts to another.
fn add(sum: &mut Line, line: Line) {
    let Line { rule, title, opened, raised, ended, open, urgent } = line;
    if sum.rule.is_empty() {
        (sum.rule, sum.title) = (rule, title);
    }
    sum.opened += opened;
    sum.raised += raised;
    sum.ended += ended;
    sum.open += open;
    sum.urgent += urgent;
}
