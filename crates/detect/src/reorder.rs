//! A window in which hits wait for those that come late, so that they are counted in the order in which they happened.

use std::collections::VecDeque;

use palisade_event::{EventTime, Seen};

use crate::hit::{Exhibit, Hit};
use crate::rules::Matches;

const SECOND: u64 = 1_000_000;

/// Seconds that a window may span. A jump ahead beyond it lets go of all that waits.
const SECONDS_CAP: u64 = 600;

/// Hits that wait, by the second in which they happened.
#[derive(Debug)]
pub(crate) struct Reorder {
    /// Second of the first bucket.
    base: u64,
    buckets: VecDeque<Bucket>,
    spare: Vec<Bucket>,
    lateness: u64,
    newest: u64,
    /// The first second of which anything came.
    pub(crate) earliest: u64,
    /// Whether anything came yet.
    pub(crate) started: bool,
    waiting: usize,
    cap: usize,
}

/// The hits of one second and the events behind them.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) second: u64,
    hits: Vec<Hit>,
    tallies: Vec<(u32, u32)>,
    exhibits: Vec<Stored>,
    /// Time, content and place of every exhibit: what is put in order.
    order: Vec<(u64, u64, u32)>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    start: usize,
    path: usize,
    end: usize,
    /// Its hits, in the order of inputs.
    hits: (usize, usize),
    client: Option<palisade_event::ClientKey>,
    attributable: bool,
}

impl Reorder {
    /// Waits so many seconds for late events, and holds at most `cap` hits.
    pub(crate) fn new(lateness_seconds: u64, cap: usize) -> Reorder {
        Reorder {
            base: 0,
            buckets: VecDeque::new(),
            spare: Vec::new(),
            lateness: lateness_seconds.min(SECONDS_CAP),
            newest: 0,
            earliest: u64::MAX,
            started: false,
            waiting: 0,
            cap,
        }
    }

    /// Whether an event of that time comes too late to be counted.
    pub(crate) fn is_late(&self, time: EventTime) -> bool {
        self.started && time.micros() / SECOND < self.base
    }

    /// The second before which nothing is waited for any more.
    pub(crate) fn watermark(&self) -> EventTime {
        EventTime::from_micros(self.base * SECOND)
    }

    /// Where the clock stands; nothing waits any more.
    pub(crate) fn clock(&self) -> (u64, u64, u64, bool) {
        (self.base, self.newest, self.earliest, self.started)
    }

    /// Goes on from where another's clock stood.
    pub(crate) fn go_on(&mut self, (base, newest, earliest, started): (u64, u64, u64, bool)) {
        (self.base, self.newest, self.earliest, self.started) = (base, newest, earliest, started);
    }

    /// Puts an event's matches where they belong. The event must not be late.
    pub(crate) fn put(&mut self, seen: &Seen<'_>, matches: &Matches) {
        let second = seen.time.micros() / SECOND;
        if !self.started {
            self.started = true;
            self.base = second.saturating_sub(self.lateness);
        }
        self.newest = self.newest.max(second);
        self.earliest = self.earliest.min(second);
        if matches.is_empty() {
            return;
        }
        let at = usize::try_from(second.saturating_sub(self.base)).unwrap_or(usize::MAX);
        if second.saturating_sub(self.base) > 2 * SECONDS_CAP {
            // Whoever lets go first has not: a caller's mistake costs this event only.
            return;
        }
        while self.buckets.len() <= at {
            let next = self.base + self.buckets.len() as u64;
            let bucket = self.spare.pop().unwrap_or_default();
            self.buckets.push_back(Bucket { second: next, ..bucket });
        }
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        self.waiting += matches.hits.len();
        bucket.put(seen, matches);
    }

    /// The next second that is over: `lateness` older than the newest event, or too many wait.
    pub(crate) fn next(&mut self, time: EventTime) -> Option<Bucket> {
        let newest = self.newest.max(time.micros() / SECOND);
        let until = newest.saturating_sub(self.lateness);
        if !self.started || (self.base >= until && self.waiting <= self.cap) {
            return None;
        }
        if self.base >= until && self.buckets.len() <= 1 {
            return None;
        }
        self.take(until)
    }

    /// The next second, whether it is over or not.
    pub(crate) fn drain(&mut self) -> Option<Bucket> {
        if self.buckets.is_empty() {
            return None;
        }
        self.take(self.base + self.buckets.len() as u64)
    }

    fn take(&mut self, until: u64) -> Option<Bucket> {
        let Some(bucket) = self.buckets.pop_front() else {
            // Nothing waits: the seconds in between are empty.
            self.base = until.max(self.base + 1);
            let spare = self.spare.pop().unwrap_or_default();
            return Some(Bucket { second: self.base - 1, ..spare });
        };
        self.base += 1;
        self.waiting -= bucket.hits.len();
        Some(bucket)
    }

    /// Gives a bucket back, so that its memory is used again.
    pub(crate) fn give_back(&mut self, mut bucket: Bucket) {
        bucket.hits.clear();
        bucket.tallies.clear();
        bucket.exhibits.clear();
        bucket.order.clear();
        bucket.bytes.clear();
        if self.spare.len() < 4 {
            self.spare.push(bucket);
        }
    }
}

impl Bucket {
    fn put(&mut self, seen: &Seen<'_>, matches: &Matches) {
        for (feed, count) in &matches.tallies {
            match self.tallies.iter_mut().find(|(known, _)| known == feed) {
                Some((_, sum)) => *sum = sum.saturating_add(*count),
                None => self.tallies.push((*feed, *count)),
            }
        }
        if matches.hits.is_empty() {
            return;
        }
        let start = self.bytes.len();
        seen.pack(&mut self.bytes);
        let path = self.bytes.len();
        let content = content(self.bytes.get(start..).unwrap_or_default());
        let shown = seen.route.as_deref().or(seen.path.as_deref()).unwrap_or_default();
        self.bytes.extend_from_slice(shown.get(..shown.floor_char_boundary(256)).unwrap_or_default().as_bytes());
        let exhibit = u32::try_from(self.exhibits.len()).unwrap_or(u32::MAX);
        let (end, first) = (self.bytes.len(), self.hits.len());
        self.hits.extend(matches.hits.iter().map(|hit| Hit { exhibit, ..*hit }));
        if let Some(own) = self.hits.get_mut(first..) {
            own.sort_unstable_by_key(|hit| hit.feed);
        }
        let hits = (first, self.hits.len());
        self.exhibits.push(Stored { start, path, end, hits, client: seen.client, attributable: seen.attributable });
        self.order.push((seen.time.micros(), content, exhibit));
    }

    /// Every hit in the order of time, then of what the event says, then of the input; sums come first.
    pub(crate) fn ordered(&mut self, mut each: impl FnMut(&Hit, Option<&Exhibit<'_>>)) {
        self.tallies.sort_unstable();
        for (feed, count) in &self.tallies {
            let (time, exhibit) = (self.second * SECOND, crate::hit::NO_EXHIBIT);
            let empty = crate::rules::empty_group();
            each(&Hit { time, group: empty, value: 0, feed: *feed, count: *count, exhibit, subject: 0 }, None);
        }
        self.order.sort_unstable();
        for (.., at) in &self.order {
            let Some(stored) = self.exhibits.get(*at as usize) else { continue };
            let exhibit = Exhibit {
                packed: self.bytes.get(stored.start..stored.path).unwrap_or_default(),
                path: self.bytes.get(stored.path..stored.end).unwrap_or_default(),
                client: stored.client,
                attributable: stored.attributable,
            };
            let (first, end) = stored.hits;
            self.hits.get(first..end).unwrap_or_default().iter().for_each(|hit| each(hit, Some(&exhibit)));
        }
    }
}

/// Orders events of one moment by what they say, the same everywhere: no seed.
fn content(bytes: &[u8]) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::quality::FixedState::with_seed(0).hash_one(bytes)
}
