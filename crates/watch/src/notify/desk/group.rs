//! The incidents of one rule, as one channel is told of them. Counts are exact; of the incidents themselves a few are kept.

use std::time::Duration;

use palisade_event::{EventTime, Priority, State};
use palisade_policy::{Channel, Notify};
use serde::{Deserialize, Serialize};

use super::{Telling, after, pairs};
use crate::notify::notice::{Brief, Line, NoticeKind, as_priority, as_time, is_open};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) channel: String,
    pub(super) rule: String,
    title: String,
    /// The key of the incident it began with.
    thread: String,
    #[serde(with = "as_priority")]
    priority: Priority,
    /// Incidents that are open, and those of them that somebody acknowledged.
    open: u64,
    acknowledged: u64,
    /// Since the last message.
    opened: u64,
    raised: u64,
    ended: u64,
    urgent: u64,
    pub(super) inhibited: u64,
    briefs: Vec<Brief>,
    /// The first change that was not told.
    #[serde(with = "as_time")]
    since: EventTime,
    /// The last message; none in this life of the group.
    last: Option<u64>,
    acknowledged_told: bool,
    /// When the detector spoke of it last.
    #[serde(with = "as_time")]
    alive: EventTime,
}

/// What happened to one incident.
pub(super) struct Step<'s> {
    pub(super) before: Option<(Priority, State)>,
    pub(super) priority: Priority,
    pub(super) state: State,
    pub(super) brief: &'s Brief,
    pub(super) now: EventTime,
}

/// A message that is due.
pub(super) struct Due {
    pub(super) kind: NoticeKind,
    pub(super) at: EventTime,
}

/// Incidents that a message shows.
pub(super) const MAX_BRIEFS: usize = 5;

impl Group {
    pub(super) fn new(channel: &str, first: &Brief) -> Group {
        Group {
            channel: channel.to_owned(),
            rule: first.rule.clone(),
            title: first.title.clone(),
            thread: first.key.clone(),
            priority: Priority::P3,
            open: 0,
            acknowledged: 0,
            opened: 0,
            raised: 0,
            ended: 0,
            urgent: 0,
            inhibited: 0,
            briefs: Vec::new(),
            since: EventTime::default(),
            last: None,
            acknowledged_told: false,
            alive: EventTime::default(),
        }
    }

    /// Counts what happened to an incident. `hears` says whether the channel was told of that priority at all.
    pub(super) fn take(&mut self, step: &Step<'_>, hears: impl Fn(Priority) -> bool) {
        let Step { before, priority, state, brief, now } = step;
        if self.open == 0 && self.opened == 0 && self.ended == 0 {
            self.thread.clone_from(&brief.key);
        }
        let heard = before.filter(|(priority, _)| hears(*priority));
        let (was_open, was_acknowledged) =
            heard.map_or((false, false), |(_, state)| (is_open(state), state == State::Acknowledged));
        match (was_open, *state) {
            (false, State::Open) => {
                self.open += 1;
                self.fresh(step, true);
            }
            (false, State::Acknowledged) => {
                // Somebody was at it before anybody was told.
                self.open += 1;
                self.acknowledged += 1;
            }
            // Over before anybody was told.
            (false, State::Resolved) if before.is_none() => {
                self.ended += 1;
                self.fresh(step, true);
            }
            (false, State::Resolved) => return,
            (true, State::Open) => {
                self.acknowledged -= u64::from(was_acknowledged && self.acknowledged > 0);
                if heard.is_some_and(|(before, _)| before < *priority) {
                    self.fresh(step, false);
                }
            }
            (true, State::Acknowledged) => self.acknowledged += u64::from(!was_acknowledged),
            (true, State::Resolved) => {
                self.open = self.open.saturating_sub(1);
                self.acknowledged -= u64::from(was_acknowledged && self.acknowledged > 0);
                self.ended += 1;
                self.keep(brief);
            }
        }
        self.acknowledged = self.acknowledged.min(self.open);
        self.acknowledged_told &= self.acknowledged == self.open;
        if self.since == EventTime::default() {
            self.since = *now;
        }
        self.alive = *now;
    }

    fn fresh(&mut self, step: &Step<'_>, opened: bool) {
        *(if opened { &mut self.opened } else { &mut self.raised }) += 1;
        self.urgent += u64::from(step.priority == Priority::P1);
        self.priority = self.priority.max(step.priority);
        self.keep(step.brief);
    }

    /// The most urgent stay, each as it is now.
    fn keep(&mut self, brief: &Brief) {
        self.briefs.retain(|known| known.key != brief.key);
        self.briefs.push(brief.clone());
        self.briefs.sort_by_key(|brief| std::cmp::Reverse((brief.priority, brief.count)));
        self.briefs.truncate(MAX_BRIEFS);
    }

    /// Whether something is new that does not wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent > 0
    }

    /// Takes whether the detector still speaks of it. A group of which it does not for `patience` is over. Whether that changed
    /// anything.
    pub(super) fn alive(&mut self, alive: bool, now: EventTime, patience: Duration) -> bool {
        if alive {
            self.alive = now;
            return false;
        }
        let gone = self.open > 0 && after(self.alive, patience) < now;
        if gone {
            self.ended += self.open;
            (self.open, self.acknowledged) = (0, 0);
            self.since = now;
        }
        gone
    }

    /// What is to be told now, if anything is.
    pub(super) fn due(&self, notify: &Notify, channel: &Channel, now: EventTime) -> Option<Due> {
        let Notify { wait, interval, repeat, quiet: _, link: _ } = notify;
        let last = self.last.map(EventTime::from_micros);
        let paced =
            |wait: Duration| last.map_or(after(self.since, wait), |last| after(last, *interval).max(self.since));
        let over = self.open == 0;
        let (kind, at) = if self.opened + self.raised > 0 {
            (NoticeKind::Opened, if self.urgent > 0 { self.since } else { paced(*wait) })
        } else if over && self.ended > 0 && last.is_some() && (channel.resolved || pairs(channel)) {
            // Whoever is called at night is told soon that it is over.
            (NoticeKind::Resolved, if pairs(channel) { self.since } else { paced(*wait) })
        } else if pairs(channel) && !over && self.acknowledged == self.open && !self.acknowledged_told && last.is_some()
        {
            (NoticeKind::Acknowledged, now)
        } else if self.open > self.acknowledged && self.is_alive(now) {
            (NoticeKind::Repeated, after(last?, *repeat))
        } else {
            return None;
        };
        (at <= now).then_some(Due { kind, at })
    }

    fn is_alive(&self, now: EventTime) -> bool {
        after(self.alive, Duration::from_secs(15 * 60)) >= now
    }

    /// It is told now: what was counted goes with the message.
    pub(super) fn told(&mut self, kind: NoticeKind, pairs: bool, now: EventTime) -> Telling {
        let line = Line {
            rule: self.rule.clone(),
            title: self.title.clone(),
            opened: std::mem::take(&mut self.opened),
            raised: std::mem::take(&mut self.raised),
            ended: std::mem::take(&mut self.ended),
            open: self.open,
            urgent: std::mem::take(&mut self.urgent),
        };
        let telling = Telling {
            thread: self.thread.clone(),
            priority: self.priority,
            line,
            briefs: if kind == NoticeKind::Repeated { self.briefs.clone() } else { std::mem::take(&mut self.briefs) },
            inhibited: std::mem::take(&mut self.inhibited),
        };
        if kind == NoticeKind::Opened {
            // The next repetition shows them again; and what opened and ended at once is closed where that is kept track of.
            self.briefs.clone_from(&telling.briefs);
            self.ended = u64::from(self.open == 0 && pairs);
        }
        self.acknowledged_told |= kind == NoticeKind::Acknowledged;
        self.last = Some(now.micros());
        self.since = if self.ended > 0 { now } else { EventTime::default() };
        telling
    }

    /// Whether nothing is left to be told of it. `closed` says whether its end is told.
    pub(super) fn is_idle(&self, closed: bool) -> bool {
        self.open == 0 && self.opened + self.raised == 0 && !(closed && self.ended > 0)
    }
}
