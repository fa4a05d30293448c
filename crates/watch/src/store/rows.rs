//! Many events, as few rows: equal ones of a minute are counted, and no count is lost.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hasher as _;

use palisade_event::{Code, Decision, Field, Kind, Seen, Tag, Value as Held};
use siphasher::sip::SipHasher13;

use super::engine::Value;

/// What a row is about. Each lane has its own room, so that no flood of one crowds out another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// What matters one by one: sign-ins, server errors, signals of attacks, reports of applications, notices.
    Told,
    /// Refusals and client errors.
    Refused,
    /// Everything else: counted by status, route and country, without client and example.
    Passed,
}

/// Events of which equal ones are counted. Bounded: beyond [`MAX_ROWS`] kinds of events only lane and status are kept.
#[derive(Debug, Default)]
pub struct Rows {
    rows: HashMap<(u32, i64), Row>,
    other: HashMap<(u32, Lane, u16), Tally>,
    /// Sessions by the day they were active on.
    sessions: HashSet<(u32, i64)>,
}

#[derive(Debug, Clone)]
struct Row {
    lane: Lane,
    status: u16,
    code: Option<Code>,
    decision: Option<Decision>,
    kind: Option<Kind>,
    route: Box<str>,
    client: Box<str>,
    account: Box<str>,
    what: Box<str>,
    country: Box<str>,
    tally: Tally,
    line: Box<str>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Kinds of events between two commits.
pub const MAX_ROWS: usize = 8192;
/// Minutes, lanes and statuses of what found no room; beyond, times are given up too.
const MAX_OTHER: usize = 8192;
/// Days and sessions between two commits. What is beyond is not counted as active then.
const MAX_SESSIONS: usize = 16_384;
const MINUTES_OF_A_DAY: u32 = 1440;
/// The longest text in a column, in bytes.
const TEXT_CAP: usize = 200;
const MINUTE_MICROS: u64 = 60_000_000;
/// Fixed, so that several nodes and every start count in the same rows. Who finds a collision merges two counts.
const SEEDS: (u64, u64) = (0x7061_6c69_7361_6465, 0x6576_656e_7400_0001);

// === impl Lane ===

impl Lane {
    pub(crate) const ALL: [Lane; 3] = [Lane::Told, Lane::Refused, Lane::Passed];

    /// The name in commands and JSON.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Lane::Told => "told",
            Lane::Refused => "refused",
            Lane::Passed => "passed",
        }
    }

    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// The lane of an event.
    #[must_use]
    pub fn of(seen: &Seen<'_>) -> Lane {
        let told = seen.notice.is_some()
            || seen.outcome.is_some()
            || seen.action.is_some()
            || seen.kind_of_report.is_some()
            || seen.status.is_some_and(|status| status >= 500);
        let refused = match seen.decision {
            Some(decision) => matches!(decision, Decision::Refuse | Decision::WouldRefuse),
            None => seen.status.is_some_and(|status| (400..500).contains(&status)),
        };
        match (told, refused) {
            (true, _) => Lane::Told,
            (false, true) => Lane::Refused,
            (false, false) if seen.signals != 0 => Lane::Told,
            (false, false) => Lane::Passed,
        }
    }
}

// === impl Rows ===

impl Rows {
    /// Counts an event.
    pub fn add(&mut self, seen: &Seen<'_>) {
        let (lane, time) = (Lane::of(seen), seen.time.micros());
        let minute = u32::try_from(time / MINUTE_MICROS).unwrap_or(u32::MAX);
        if let Some(session) = seen.session.as_deref().or(seen.user.as_deref())
            && self.sessions.len() < MAX_SESSIONS
        {
            self.sessions.insert((minute / MINUTES_OF_A_DAY, session_hash(session)));
        }
        let tally = Tally { count: u64::from(seen.count), first: time, last: time };
        let full = self.rows.len() >= MAX_ROWS;
        match self.rows.entry((minute, hash(lane, seen))) {
            Entry::Occupied(mut row) => row.get_mut().tally.add(tally),
            Entry::Vacant(_) if full => self.add_other((minute, lane, seen.status.unwrap_or(0)), tally),
            Entry::Vacant(place) => {
                place.insert(Row::of(lane, seen, tally));
            }
        }
    }

    /// Adds what others counted.
    pub fn merge(&mut self, rows: Rows) {
        for (key, row) in rows.rows {
            let full = self.rows.len() >= MAX_ROWS;
            match self.rows.entry(key) {
                Entry::Occupied(mut known) => known.get_mut().tally.add(row.tally),
                Entry::Vacant(_) if full => self.add_other((key.0, row.lane, row.status), row.tally),
                Entry::Vacant(place) => {
                    place.insert(row);
                }
            }
        }
        for (key, tally) in rows.other {
            self.add_other(key, tally);
        }
        let room = MAX_SESSIONS.saturating_sub(self.sessions.len());
        self.sessions.extend(rows.sessions.into_iter().take(room));
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.other.is_empty()
    }

    /// How many events were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        let rows = self.rows.values().map(|row| row.tally.count);
        rows.chain(self.other.values().map(|tally| tally.count)).sum()
    }

    /// The values of each row, in an order that is the same everywhere: two nodes that write do not lock each other out.
    pub(crate) fn values(&self) -> Vec<Vec<Value>> {
        let mut keyed: Vec<_> =
            self.rows.iter().map(|(&(minute, hash), row)| (minute, hash, row.values(minute, hash))).collect();
        keyed.extend(self.other.iter().map(|(&(minute, lane, status), tally)| {
            let hash = other_hash(lane, status);
            (minute, hash, Row::other(lane, status, *tally).values(minute, hash))
        }));
        keyed.sort_unstable_by_key(|(minute, hash, _)| (*minute, *hash));
        keyed.into_iter().map(|(_, _, values)| values).collect()
    }

    /// Days and sessions, in an order that is the same everywhere.
    pub(crate) fn sessions(&self) -> Vec<Vec<Value>> {
        let mut sorted: Vec<_> = self.sessions.iter().copied().collect();
        sorted.sort_unstable();
        sorted.into_iter().map(|(day, id)| vec![i64::from(day).into(), id.into()]).collect()
    }

    /// The minutes that have rows, oldest first.
    pub(crate) fn minutes(&self) -> Vec<u32> {
        let mut minutes: Vec<u32> =
            self.rows.keys().map(|key| key.0).chain(self.other.keys().map(|key| key.0)).collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    }

    fn add_other(&mut self, key: (u32, Lane, u16), tally: Tally) {
        let key = if self.other.len() < MAX_OTHER || self.other.contains_key(&key) { key } else { (0, key.1, 0) };
        match self.other.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().add(tally),
            Entry::Vacant(place) => {
                place.insert(tally);
            }
        }
    }
}

/// The values of such a row.
pub(super) fn other(minute: i64, lane: Lane, status: i64, tally: Tally) -> Vec<Value> {
    let (minute, status) = (u32::try_from(minute).unwrap_or_default(), u16::try_from(status).unwrap_or_default());
    Row::other(lane, status, tally).values(minute, other_hash(lane, status))
}

/// The row of what found no room: no hash of a row is negative.
pub(crate) fn other_hash(lane: Lane, status: u16) -> i64 {
    -(1 + (lane.number() << 16) + i64::from(status))
}

// === impl Row ===

impl Row {
    fn of(lane: Lane, seen: &Seen<'_>, tally: Tally) -> Row {
        let named = lane != Lane::Passed;
        let mut line = Vec::new();
        if named {
            seen.encode(&mut line);
        }
        Row {
            lane,
            status: seen.status.unwrap_or(0),
            code: seen.code,
            decision: seen.decision,
            kind: seen.kind,
            route: cut(seen.route.as_deref().unwrap_or_default()),
            client: seen.client.filter(|_| named).map_or_else(Box::default, |client| client.to_string().into()),
            account: if lane == Lane::Told { cut(seen.user.as_deref().unwrap_or_default()) } else { Box::default() },
            what: cut(&what(seen)),
            country: cut(seen.country.as_deref().unwrap_or_default()),
            tally,
            line: String::from_utf8(line).unwrap_or_default().trim_end().into(),
        }
    }

    fn other(lane: Lane, status: u16, tally: Tally) -> Row {
        let none = Box::<str>::default;
        Row {
            lane,
            status,
            code: None,
            decision: None,
            kind: None,
            route: none(),
            client: none(),
            account: none(),
            what: OTHER.into(),
            country: none(),
            tally,
            line: none(),
        }
    }

    fn values(&self, minute: u32, hash: i64) -> Vec<Value> {
        let Row { lane, status, code, decision, kind, route, client, account, what, country, tally, line } = self;
        let Tally { count, first, last } = tally;
        vec![
            i64::from(minute).into(),
            hash.into(),
            lane.number().into(),
            i64::from(*status).into(),
            code.map_or("", Code::id).into(),
            decision.map_or("", Decision::id).into(),
            kind.map_or("", Kind::id).into(),
            (&**route).into(),
            (&**client).into(),
            (&**account).into(),
            (&**what).into(),
            (&**country).into(),
            (*count).into(),
            (*first).into(),
            (*last).into(),
            (&**line).into(),
        ]
    }
}

/// What a row says that stands for many kinds of events.
pub(crate) const OTHER: &str = "other";

// === impl Tally ===

impl Tally {
    pub(super) fn add(&mut self, tally: Tally) {
        self.count = self.count.saturating_add(tally.count);
        self.first = self.first.min(tally.first);
        self.last = self.last.max(tally.last);
    }
}

/// What makes two events of a minute equal. Allocates nothing, as it is asked of every event.
fn hash(lane: Lane, seen: &Seen<'_>) -> i64 {
    let mut hasher = SipHasher13::new_with_keys(SEEDS.0, SEEDS.1);
    let mut text = |text: Option<&str>| {
        hasher.write(cut_str(text.unwrap_or_default()).as_bytes());
        hasher.write_u8(0xff);
    };
    text(seen.code.map(Code::id));
    text(seen.decision.map(Decision::id));
    text(seen.kind.map(Kind::id));
    text(seen.route.as_deref());
    text(seen.country.as_deref());
    text(seen.outcome.map(palisade_event::Outcome::id));
    text(seen.action.as_deref());
    text(seen.kind_of_report.as_deref());
    text(seen.notice.as_deref());
    text(seen.fields.as_deref());
    text(seen.run.as_deref());
    if lane == Lane::Told {
        text(seen.user.as_deref());
    }
    if lane != Lane::Passed {
        hasher.write_u128(seen.client.map_or(0, palisade_event::ClientKey::bits));
    }
    hasher.write_u8(seen.tags & Tag::CsrfTokenIssued.bit());
    hasher.write_u8(seen.signals);
    hasher.write_u16(seen.status.unwrap_or(0));
    hasher.write_i64(lane.number());
    i64::try_from(hasher.finish() >> 1).unwrap_or_default()
}

/// What happened, in a few words: what was done, how it ended, what it looks like.
fn what(seen: &Seen<'_>) -> String {
    let outcome = seen.outcome.map(palisade_event::Outcome::id);
    let words: [Option<&str>; 4] =
        [seen.notice.as_deref(), seen.action.as_deref(), seen.kind_of_report.as_deref(), outcome];
    let mut words: Vec<&str> = words.into_iter().flatten().collect();
    if let Some(Held::Names(signals)) = seen.field(Field::Signals) {
        for signal in signals.iter() {
            words.push(signal);
        }
    }
    if seen.tags & Tag::CsrfTokenIssued.bit() != 0 {
        words.push(Tag::CsrfTokenIssued.id());
    }
    let mut text = words.join(" ");
    for field in seen.fields.as_deref().unwrap_or_default().split(' ').filter(|field| !field.is_empty()) {
        text.push_str(if text.is_empty() { "field:" } else { " field:" });
        text.push_str(field);
    }
    text
}

/// A session is a hash already, and only equality counts.
fn session_hash(session: &str) -> i64 {
    let mut hasher = SipHasher13::new_with_keys(SEEDS.0, SEEDS.1);
    hasher.write(session.as_bytes());
    i64::try_from(hasher.finish() >> 1).unwrap_or_default()
}

fn cut(text: &str) -> Box<str> {
    cut_str(text).into()
}

fn cut_str(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_CAP)).unwrap_or_default()
}
