//! Who is told what, and when. Knows no clock, no store and no socket: what is new comes in, messages come out.
//!
//! The semantics are Alertmanager's: incidents of one rule are a group for each channel; its first message waits for others
//! (`wait`), later ones keep a distance (`interval`), and what stays open is told again (`repeat`). P1 does not wait. P3 sends
//! nothing: it stands in the weekly report. A channel gets [`PER_MINUTE`] messages a minute, of which the last is kept for
//! P1, so that decoys cannot use up what a theft needs (SECURITY.md 18); what finds no room is summed up in one digest a
//! minute, and no count is lost.
//!
//! Left out is what a `[[silence]]` names, and, while a P1 of the same family (`login-...`) is open, what is less urgent; never
//! a P1, and never an incident in which anything may have succeeded. Both are looked at anew when the reason is gone.

mod group;
mod lane;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use palisade_event::{EventTime, Priority, State};
use palisade_policy::{Alerting, Channel, ChannelKind, Silence};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::notice::{Brief, Line, Notice, NoticeKind, is_open};
use crate::store::{Letter, Untold};
use group::{Group, Step};
use lane::Lane;

/// Messages to one channel in a minute, beside one digest.
pub const PER_MINUTE: usize = lane::PER_MINUTE;

/// Decides what is told.
#[derive(Debug)]
pub struct Desk {
    alerting: Alerting,
    names: Names,
    memory: Memory,
    /// Whether the memory differs from what was kept last.
    changed: bool,
    release: bool,
    heard: Option<EventTime>,
}

/// Whose messages they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The application.
    pub app: String,
    /// Where it runs.
    pub environment: String,
}

/// What outlives the process. Bounded by channels and rules.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// By channel and rule.
    groups: BTreeMap<String, Group>,
    lanes: BTreeMap<String, Lane>,
    /// Open P1 of each family of rules.
    urgent: BTreeMap<String, u64>,
    /// Silences that held when incidents were looked at last.
    silences: BTreeSet<String>,
    sequence: u64,
    quiet: bool,
}

/// An incident that was never told and ended that long ago is history.
const HISTORY: Duration = Duration::from_secs(24 * 3600);
/// Groups that are remembered; rules are few, so this is never reached but by a folder of rules gone wild.
const MAX_GROUPS: usize = 4096;
/// A group of which the detector has said nothing for so long is over: its process ended before it could say so.
const FORGOTTEN: Duration = Duration::from_secs(3600);

// === impl Desk ===

impl Desk {
    /// A desk that goes on from what another kept.
    #[must_use]
    pub fn new(alerting: Alerting, names: Names, memory: Option<&[u8]>) -> Desk {
        let memory = memory.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        Desk { alerting, names, memory, changed: false, release: false, heard: None }
    }

    /// Takes another policy. Channels that are no more are forgotten with what they were to be told.
    pub fn reload(&mut self, alerting: Alerting, names: Names) {
        let known: BTreeSet<&str> = alerting.channels.iter().map(|channel| channel.name.as_str()).collect();
        self.memory.groups.retain(|_, group| known.contains(group.channel.as_str()));
        self.memory.lanes.retain(|channel, _| known.contains(channel.as_str()));
        (self.alerting, self.names, self.changed) = (alerting, names, true);
    }

    /// An event came at that time: there is something to watch.
    pub fn heard(&mut self, at: EventTime) {
        self.heard = self.heard.max(Some(at));
    }

    /// Takes what is new about an incident. Says whether nobody is told for now, so that it is to be looked at again.
    pub fn note(&mut self, untold: &Untold, now: EventTime) -> bool {
        let Untold { kept, before } = untold;
        let quiet = kept.priority == Priority::P3 && before.is_none_or(|(priority, _)| priority == Priority::P3);
        let history = before.is_none() && after(kept.last_seen, HISTORY) < now;
        if quiet || history {
            return false;
        }
        let brief = Brief::of(kept);
        let fresh = before.is_none_or(|(priority, state)| !is_open(state) || priority < kept.priority);
        if fresh && is_open(kept.state) && self.silenced(&brief, now) {
            return true;
        }
        let family = family(&kept.rule).to_owned();
        if fresh && kept.priority != Priority::P1 && is_open(kept.state) && self.inhibits(&family, untold) {
            self.count_inhibited(&family);
            return true;
        }
        self.count_urgent(&family, *before, (kept.priority, kept.state));
        let step = Step { before: *before, priority: kept.priority, state: kept.state, brief: &brief, now };
        for channel in &self.alerting.channels {
            if hears(channel, kept.priority, &kept.rule) && self.memory.groups.len() < MAX_GROUPS {
                let name = format!("{}\u{1}{}", channel.name, kept.rule);
                let new = || Group::new(&channel.name, &brief);
                self.memory.groups.entry(name).or_insert_with(new).take(&step, |it| hears(channel, it, &kept.rule));
            }
        }
        self.changed = true;
        false
    }

    /// Takes how many incidents of each rule are open, unacknowledged and spoken of lately.
    pub fn alive(&mut self, rules: &[(String, u64)], now: EventTime) {
        let rules: BTreeMap<_, _> = rules.iter().map(|(rule, count)| (rule.as_str(), *count)).collect();
        for group in self.memory.groups.values_mut() {
            let alive = rules.contains_key(group.rule.as_str());
            self.changed |= group.alive(alive, now, FORGOTTEN);
        }
    }

    /// Whether what nobody was told of is to be looked at anew.
    pub fn releases(&mut self, now: EventTime) -> bool {
        let active: BTreeSet<String> =
            self.alerting.silences.iter().filter(|silence| silence.until > now).map(|it| format!("{it:?}")).collect();
        let ended = self.memory.silences.iter().any(|known| !active.contains(known));
        if active != self.memory.silences {
            (self.memory.silences, self.changed) = (active, true);
        }
        std::mem::take(&mut self.release) || ended
    }

    /// The messages whose time has come.
    pub fn tick(&mut self, now: EventTime) -> Vec<Letter> {
        let mut letters = Vec::new();
        self.tell_quiet(now, &mut letters);
        let channels = std::mem::take(&mut self.alerting.channels);
        for channel in &channels {
            self.tell(channel, now, &mut letters);
        }
        self.alerting.channels = channels;
        let groups = self.memory.groups.len();
        let closed = |group: &Group| {
            let channel = self.alerting.channels.iter().find(|channel| channel.name == group.channel);
            channel.is_some_and(|channel| channel.resolved || pairs(channel))
        };
        self.memory.groups.retain(|_, group| !group.is_idle(closed(group)));
        self.changed |= groups != self.memory.groups.len() || !letters.is_empty();
        letters
    }

    /// What is to be kept, if it changed since it was asked for last.
    pub fn memory(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed).then(|| serde_json::to_vec(&self.memory).unwrap_or_default())
    }

    /// A message by which somebody tries a channel.
    #[must_use]
    pub fn test(names: &Names, link: Option<&str>, channel: &str, now: EventTime) -> Letter {
        let notice = Notice { link: link.map(str::to_owned), ..blank(NoticeKind::Test, names, "test", now) };
        letter(channel, &notice, now.micros())
    }

    fn tell(&mut self, channel: &Channel, now: EventTime, letters: &mut Vec<Letter>) {
        let notify = &self.alerting.notify;
        let lane = self.memory.lanes.entry(channel.name.clone()).or_default();
        let groups = self.memory.groups.values_mut().filter(|group| group.channel == channel.name);
        let mut due: Vec<_> = groups.filter_map(|group| Some((group.due(notify, channel, now)?, group))).collect();
        due.sort_by_key(|(due, group)| (!group.is_urgent(), due.at));
        for (due, group) in due {
            let urgent = group.is_urgent();
            if !lane.has_room(urgent, now) {
                // What tells of nothing new waits for its turn; what is new goes into the digest.
                if due.kind == NoticeKind::Opened {
                    lane.hold(group.told(due.kind, pairs(channel), now), now);
                }
                continue;
            }
            lane.sent(urgent, now);
            let told = group.told(due.kind, pairs(channel), now);
            let notice = Notice {
                priority: told.priority,
                lines: vec![told.line],
                briefs: told.briefs,
                inhibited: told.inhibited,
                link: notify.link.clone(),
                ..blank(due.kind, &self.names, &told.thread, now)
            };
            self.memory.sequence += 1;
            letters.push(letter(&channel.name, &notice, self.memory.sequence));
        }
        if let Some(digest) = lane.digest(now) {
            self.memory.sequence += 1;
            let thread = format!("digest:{}", self.memory.sequence);
            let notice = Notice {
                priority: digest.priority,
                lines: digest.lines,
                briefs: digest.briefs,
                inhibited: digest.inhibited,
                link: notify.link.clone(),
                ..blank(NoticeKind::Digest, &self.names, &thread, now)
            };
            letters.push(letter(&channel.name, &notice, self.memory.sequence));
        }
    }

    /// Nothing may come because nothing happens, or because nobody hears it any more: people decide.
    fn tell_quiet(&mut self, now: EventTime, letters: &mut Vec<Letter>) {
        let (Some(patience), Some(heard)) = (self.alerting.notify.quiet, self.heard) else { return };
        let quiet = after(heard, patience) < now;
        if quiet == self.memory.quiet {
            return;
        }
        (self.memory.quiet, self.changed) = (quiet, true);
        let kind = if quiet { NoticeKind::Quiet } else { NoticeKind::Heard };
        let link = self.alerting.notify.link.clone();
        let notice = Notice { priority: Priority::P1, link, ..blank(kind, &self.names, "quiet", now) };
        for channel in &self.alerting.channels {
            self.memory.sequence += 1;
            letters.push(letter(&channel.name, &notice, self.memory.sequence));
        }
    }

    fn silenced(&self, brief: &Brief, now: EventTime) -> bool {
        let names = |Silence { rule, client, until, because: _ }: &Silence| {
            *until > now
                && rule.as_ref().is_none_or(|pattern| pattern.matches(&brief.rule))
                && client.as_ref().is_none_or(|client| brief.client() == Some(client.as_str()))
        };
        self.alerting.silences.iter().any(names)
    }

    fn inhibits(&self, family: &str, untold: &Untold) -> bool {
        self.memory.urgent.get(family).is_some_and(|open| *open > 0) && !Brief::may_have_succeeded(&untold.kept)
    }

    /// What is left out is said with the next message about the family.
    fn count_inhibited(&mut self, name: &str) {
        for group in self.memory.groups.values_mut().filter(|group| family(&group.rule) == name) {
            group.inhibited += 1;
        }
        self.changed = true;
    }

    fn count_urgent(&mut self, family: &str, before: Option<(Priority, State)>, now: (Priority, State)) {
        let urgent = |(priority, state)| priority == Priority::P1 && is_open(state);
        let (was, is) = (before.is_some_and(urgent), urgent(now));
        if was == is {
            return;
        }
        let count = self.memory.urgent.entry(family.to_owned()).or_default();
        *count = if is { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            self.memory.urgent.remove(family);
            self.release = true;
        }
    }
}

/// Rules of one family begin alike.
fn family(rule: &str) -> &str {
    rule.split('-').next().unwrap_or(rule)
}

fn hears(channel: &Channel, priority: Priority, rule: &str) -> bool {
    let named = channel.rules.is_empty() || channel.rules.iter().any(|pattern| pattern.matches(rule));
    priority >= channel.priority && named
}

/// Whether a channel keeps something open that must be closed again.
fn pairs(channel: &Channel) -> bool {
    matches!(channel.kind, ChannelKind::PagerDuty { .. })
}

fn after(time: EventTime, later: Duration) -> EventTime {
    EventTime::from_micros(time.micros().saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)))
}

fn blank(kind: NoticeKind, names: &Names, thread: &str, now: EventTime) -> Notice {
    let Names { app, environment } = names.clone();
    Notice {
        kind,
        app,
        environment,
        thread: thread.to_owned(),
        priority: Priority::P2,
        at: now,
        lines: Vec::new(),
        briefs: Vec::new(),
        inhibited: 0,
        link: None,
    }
}

/// The key names the message among all: nothing else is told to that channel at that place of the sequence.
fn letter(channel: &str, notice: &Notice, sequence: u64) -> Letter {
    let mut hash = Sha256::new();
    for part in [channel.as_bytes(), notice.thread.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(sequence.to_be_bytes());
    hash.update(notice.at.micros().to_be_bytes());
    let id = hash.finalize().iter().take(16).fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"));
    Letter {
        id,
        channel: channel.to_owned(),
        thread: notice.thread.clone(),
        priority: notice.priority,
        body: notice.to_json(),
    }
}

/// A group or a digest on its way out.
#[derive(Debug)]
struct Telling {
    thread: String,
    priority: Priority,
    line: Line,
    briefs: Vec<Brief>,
    inhibited: u64,
}
