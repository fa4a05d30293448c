//! From events to what is kept of them: the detector, the rows of the store, and what to hand over when.
//!
//! One [`Pipeline`] belongs to one thread, which feeds it and never waits for a store: [`Pipeline::hand_over`] gives what
//! has come together to a [`Keeper`], with a mark of how far the source was read, so that both are committed as one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_detect::{Engine, Rules, Settings};
use palisade_event::{EventTime, Incident, IncidentKey, Priority, Seen, Source, State, decode};

use crate::lines::Country;
use crate::respond::Crowd;
use crate::store::{Commit, Keeper, Rows};

/// The detector of one process and what it has found since the last hand-over.
pub struct Pipeline {
    engine: Engine,
    rows: Rows,
    found: Vec<Incident>,
    /// How urgent each incident was when it was told last, the latest [`MAX_TOLD`].
    told: BTreeMap<IncidentKey, (Priority, State)>,
    fresh: Vec<Incident>,
    newest: EventTime,
    bad_lines: u64,
    handed: Option<Instant>,
    /// Incidents of `found` that were looked at.
    sorted: usize,
    crowd: Crowd,
    country: Option<Arc<dyn Country>>,
}

/// Between two hand-overs, if nothing is urgent.
const HAND_OVER_EVERY: Duration = Duration::from_millis(500);
/// Incidents of which it is remembered that they were told. Beyond it the one with the least key may be told again.
const MAX_TOLD: usize = 10_000;
/// A source whose newest event is older than this is history: its clock is its events alone.
const LIVE_MICROS: u64 = 3_600_000_000;

// === impl Pipeline ===

impl Pipeline {
    /// A pipeline that has seen nothing.
    #[must_use]
    pub fn new(rules: Arc<Rules>, settings: Settings) -> Pipeline {
        Pipeline {
            engine: Engine::new(rules, settings),
            rows: Rows::default(),
            found: Vec::new(),
            told: BTreeMap::new(),
            fresh: Vec::new(),
            newest: EventTime::default(),
            bad_lines: 0,
            handed: None,
            sorted: 0,
            crowd: Crowd::new(settings.seed),
            country: None,
        }
    }

    /// About how many clients a gate saw within the hour.
    #[must_use]
    pub fn clients(&self, now: EventTime) -> u64 {
        self.crowd.count(now)
    }

    /// Goes on with what an engine remembered at its end.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Pipeline {
        self.engine = engine;
        self
    }

    /// Knows countries of clients, for lines that a gate wrote.
    #[must_use]
    pub fn with_country(mut self, country: Option<Arc<dyn Country>>) -> Pipeline {
        self.country = country;
        self
    }

    /// The detector, for its counters.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Lines of [`Pipeline::line`] that could not be read, since the start.
    #[must_use]
    pub fn bad_lines(&self) -> u64 {
        self.bad_lines
    }

    /// Takes a line of a gate. One that cannot be read is counted.
    pub fn line(&mut self, line: &[u8], now: EventTime) {
        match decode(line) {
            Ok(mut seen) => {
                self.place(&mut seen);
                self.observe(&seen, Some(now));
            }
            Err(_) => self.bad_lines += 1,
        }
    }

    /// Takes a line of a gate that was counted before: see [`Pipeline::match_only`].
    pub fn line_again(&mut self, line: &[u8]) {
        if let Ok(mut seen) = decode(line) {
            self.place(&mut seen);
            self.match_only(&seen, None);
        }
    }

    fn place(&self, seen: &mut Seen<'_>) {
        let (Some(known), Some(address), None) = (&self.country, seen.client_address, &seen.country) else { return };
        let code = known.country(address).and_then(|code| String::from_utf8(code.to_vec()).ok());
        seen.country = code.map(std::borrow::Cow::Owned);
    }

    /// Takes an event: counts it for the store, and matches it. `now` is the clock, where the event came just now: a stamp
    /// ahead of it becomes it.
    pub fn observe(&mut self, seen: &Seen<'_>, now: Option<EventTime>) {
        if let (Source::Gate, Some(client), Some(now)) = (seen.source, seen.client, now) {
            self.crowd.saw(client, now);
        }
        match now.filter(|now| seen.time > *now) {
            Some(now) => self.rows.add(&Seen { time: now, ..seen.clone() }),
            None => self.rows.add(seen),
        }
        self.match_only(seen, now);
    }

    /// Matches an event that was counted before the last end: what the windows held then, they hold again.
    pub fn match_only(&mut self, seen: &Seen<'_>, now: Option<EventTime>) {
        self.newest = self.newest.max(now.map_or(seen.time, |now| seen.time.min(now)));
        self.engine.observe(seen, now, &mut self.found);
        self.sort_out();
    }

    /// Says what time it is, while nothing comes: seconds that are over are counted, incidents end. Does nothing for a source
    /// that tells of long ago.
    pub fn tick(&mut self, now: EventTime) {
        if now.micros().saturating_sub(self.newest.micros()) < LIVE_MICROS {
            self.engine.tick(now, &mut self.found);
            self.sort_out();
        }
    }

    /// The end of the source: what waits is counted, open incidents are told as they are.
    pub fn finish(&mut self) {
        self.engine.finish(&mut self.found);
        self.sort_out();
    }

    /// Incidents that are new to a person since the last call: opened, or more urgent than before; none of a rule on trial.
    pub fn fresh(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether it is time to hand over: there is something, and an incident or half a second.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let waited = self.handed.is_none_or(|last| last.elapsed() >= HAND_OVER_EVERY);
        !self.found.is_empty() || (waited && !self.rows.is_empty())
    }

    /// Hands over what came since the last time. `marks` say how far the source was read with exactly these events. Gives the
    /// number that [`Keeper::written`] reaches when it is written.
    pub fn hand_over(&mut self, keeper: &Keeper, marks: Vec<(String, Vec<u8>)>) -> u64 {
        self.handed = Some(Instant::now());
        let (rows, incidents) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.found));
        self.sorted = 0;
        keeper.put(Commit { rows, incidents, marks, quiet: false })
    }

    /// Notes what is new to a person. What a rule on trial found is kept like any other, and nobody is told.
    fn sort_out(&mut self) {
        for incident in self.found.iter().skip(self.sorted).filter(|incident| !incident.simulated) {
            let now = (incident.priority, incident.state);
            let before = self.told.insert(incident.key, now);
            let opened = before.is_none() || before.is_some_and(|(_, state)| state == State::Resolved);
            let raised = before.is_some_and(|(priority, _)| priority < incident.priority);
            if incident.state == State::Open && (opened || raised) {
                self.fresh.push(incident.clone());
            }
        }
        self.sorted = self.found.len();
        while self.told.len() > MAX_TOLD {
            self.told.pop_first();
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("newest", &self.newest)
            .field("found", &self.found.len())
            .finish_non_exhaustive()
    }
}
