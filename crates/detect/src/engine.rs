//! All of it on one thread: match, put in order, count.

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use palisade_event::{EventTime, Incident, Seen};

use crate::chain::Chain;
use crate::keep::Keep;
use crate::partition::Told;
use crate::reorder::Reorder;
use crate::rules::{Matcher, Matches, Rules};
use crate::shard::{Shard, partition};

/// How an engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Groups are hashed by it. A random one where strangers choose groups; a fixed one to repeat a run.
    pub seed: u64,
    /// How many seconds late an event may come and still be counted; at most 600.
    pub lateness_seconds: u64,
    /// How many hits may wait for late ones. Beyond it the oldest second is counted early.
    pub waiting: usize,
    /// Among how many shards the groups are shared.
    pub shards: usize,
}

/// What an engine has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events taken.
    pub events: u64,
    /// Events that came too late to be counted.
    pub late: u64,
    /// Events whose time was ahead of when they were received.
    pub ahead: u64,
    /// Times that a condition held while its group cooled down, or had no room.
    pub held_back: u64,
}

/// What one rule holds in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tables {
    /// Groups with state.
    pub live: u64,
    /// Groups whose state was given up for others.
    pub evicted: u64,
    /// Groups that found no room and came only once.
    pub refused: u64,
}

/// A detector: events in, incidents out.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<Rules>,
    matcher: Matcher,
    matches: Matches,
    reorder: Reorder,
    shards: Vec<Shard>,
    chain: Chain,
    counters: Counters,
    began: Option<EventTime>,
    told: Vec<Told>,
    seed: u64,
}

/// Why saved state is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadState {
    /// It is no engine's, or that of another version.
    Version,
    /// The rules were others.
    Rules,
    /// It is cut or changed.
    Damaged,
}

/// How saved state begins. The number changes with what is saved.
const MAGIC: &[u8] = b"palisade engine 1\n";

// === impl Settings ===

impl Default for Settings {
    /// For files: 10 seconds late, a fixed seed, one shard.
    fn default() -> Settings {
        Settings { seed: 0x7061_6c69_7361_6465, lateness_seconds: 10, waiting: 65_536, shards: 1 }
    }
}

// === impl Engine ===

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(rules: Arc<Rules>, settings: Settings) -> Engine {
        let count = settings.shards.clamp(1, crate::shard::PARTITIONS);
        Engine {
            matcher: rules.matcher(settings.seed),
            matches: Matches::default(),
            reorder: Reorder::new(settings.lateness_seconds, settings.waiting),
            shards: (0..count).map(|_| Shard::new(Arc::clone(&rules), count)).collect(),
            chain: Chain::new(Arc::clone(&rules)),
            counters: Counters::default(),
            began: None,
            told: Vec::new(),
            seed: settings.seed,
            rules,
        }
    }

    /// The rules it runs.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Says since when everything was seen, where that is before the first event: rules that ask for what did not happen
    /// believe nothing about the time before.
    pub fn began(&mut self, at: EventTime) {
        self.began = self.began.or(Some(at));
    }

    /// Takes an event. What it completes is appended to `out` once nothing earlier is waited for.
    ///
    /// `received` is the clock where there is one: a stamp ahead of it becomes it.
    pub fn observe(&mut self, seen: &Seen<'_>, received: Option<EventTime>, out: &mut Vec<Incident>) {
        self.counters.events += 1;
        if let Some(now) = received.filter(|now| seen.time > *now) {
            self.counters.ahead += 1;
            let seen = Seen { time: now, ..seen.clone() };
            return self.take(&seen, out);
        }
        self.take(seen, out);
    }

    /// Says how late it is, where no event does: timers run, seconds that are over are counted.
    pub fn tick(&mut self, now: EventTime, out: &mut Vec<Incident>) {
        self.release(now, out);
    }

    /// The end: everything that waits is counted, open incidents are told as they are.
    pub fn finish(&mut self, out: &mut Vec<Incident>) {
        while let Some(mut bucket) = self.reorder.drain() {
            self.count(&mut bucket);
            self.reorder.give_back(bucket);
        }
        let now = before(self.reorder.watermark());
        for shard in &mut self.shards {
            shard.advance(now, &mut self.told);
            shard.tell_all(now, &mut self.told);
        }
        self.tell(now, out);
        self.chain.tell_all(now, &mut self.told);
        self.speak(out);
    }

    /// What it remembers, for [`Engine::restore`]: call it after [`Engine::finish`]. Bounded by the tables.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        (self.rules.fingerprint(), self.seed).save(&mut out);
        self.shards.len().save(&mut out);
        let (base, newest, earliest, started) = self.reorder.clock();
        ((base, newest), (earliest, started)).save(&mut out);
        let Counters { events, late, ahead, held_back: _ } = self.counters;
        ((events, late), ahead).save(&mut out);
        self.began.map(EventTime::micros).save(&mut out);
        self.shards.iter().for_each(|shard| shard.save(&mut out));
        self.chain.save(&mut out);
        checksum(&out).save(&mut out);
        out
    }

    /// An engine as it was saved. It hashes groups by the seed it had; how late events
    /// may be is as `settings` say.
    ///
    /// # Errors
    ///
    /// Why the bytes are no such engine: another version wrote them, it ran other rules, or they are damaged.
    pub fn restore(rules: Arc<Rules>, settings: Settings, saved: &[u8]) -> Result<Engine, BadState> {
        let mut rest = saved.strip_prefix(MAGIC).ok_or(BadState::Version)?;
        let (body, sum) = saved.split_at_checked(saved.len() - 8).ok_or(BadState::Damaged)?;
        if u64::load(&mut { sum }) != Some(checksum(body)) {
            return Err(BadState::Damaged);
        }
        let (fingerprint, seed): (u64, u64) = Keep::load(&mut rest).ok_or(BadState::Damaged)?;
        if fingerprint != rules.fingerprint() {
            return Err(BadState::Rules);
        }
        Engine::load(rules, Settings { seed, ..settings }, &mut rest).ok_or(BadState::Damaged)
    }

    fn load(rules: Arc<Rules>, settings: Settings, rest: &mut &[u8]) -> Option<Engine> {
        let count = usize::load(rest).filter(|count| (1..=crate::shard::PARTITIONS).contains(count))?;
        let mut engine = Engine::new(Arc::clone(&rules), Settings { shards: count, ..settings });
        let ((base, newest), (earliest, started)) = Keep::load(rest)?;
        engine.reorder.go_on((base, newest, earliest, started));
        let ((events, late), ahead) = Keep::load(rest)?;
        engine.counters = Counters { events, late, ahead, held_back: 0 };
        engine.began = Option::<u64>::load(rest)?.map(EventTime::from_micros);
        engine.shards = (0..count).map(|_| Shard::load(Arc::clone(&rules), count, rest)).collect::<Option<_>>()?;
        engine.chain = Chain::load(rules, rest)?;
        Some(engine)
    }

    /// The newest event that it has seen, to the second.
    #[must_use]
    pub fn newest(&self) -> EventTime {
        EventTime::from_micros(self.reorder.clock().1 * 1_000_000)
    }

    /// Nothing was seen for a while, up to `until`: rules that ask for what did not happen believe nothing of the time before.
    pub fn missed(&mut self, until: EventTime) {
        self.shards.iter_mut().for_each(|shard| shard.missed(until));
        self.chain.missed(until);
    }

    /// What it has seen.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            held_back: self.shards.iter().chain([self.chain.shard()]).map(Shard::held_back).sum(),
            ..self.counters
        }
    }

    /// What a rule holds in memory, by its place among [`Rules::rules`].
    #[must_use]
    pub fn tables(&self, rule: usize) -> Tables {
        let shards = self.shards.iter().chain([self.chain.shard()]);
        shards.map(|shard| shard.counters(rule)).fold(Tables::default(), |sum, [live, evicted, refused]| Tables {
            live: sum.live + live,
            evicted: sum.evicted + evicted,
            refused: sum.refused + refused,
        })
    }

    /// What a rule remembers of an event's group.
    pub(crate) fn window(&mut self, rule: u16, seen: &Seen<'_>) -> Vec<(&'static str, f64)> {
        let feed = self.rules.feeds.iter().position(|feed| feed.rule == rule);
        let feed = feed.and_then(|at| Some((u32::try_from(at).ok()?, self.rules.feeds.get(at)?)));
        let Some(hit) = feed.and_then(|(at, feed)| self.matcher.hit(at, feed, seen)) else { return Vec::new() };
        if self.rules.rule(rule).is_some_and(crate::Rule::is_chained) {
            return self.chain.window(rule, &hit);
        }
        let count = self.shards.len();
        let shard = self.shards.get_mut(partition(rule, hit.group) % count);
        shard.map(|shard| shard.window(rule, &hit)).unwrap_or_default()
    }

    fn take(&mut self, seen: &Seen<'_>, out: &mut Vec<Incident>) {
        if self.reorder.is_late(seen.time) {
            self.counters.late += 1;
            return;
        }
        // The owner's own probes make no incident, and no history of what is normal. Time passes.
        if seen.run.is_some() {
            return self.release(seen.time, out);
        }
        self.rules.matches(seen, &mut self.matcher, &mut self.matches);
        // Lets go of what is over before the new event, so that a jump ahead finds room.
        self.release(seen.time, out);
        self.reorder.put(seen, &self.matches);
    }

    fn release(&mut self, now: EventTime, out: &mut Vec<Incident>) {
        let mut any = false;
        while let Some(mut bucket) = self.reorder.next(now) {
            any = true;
            self.count(&mut bucket);
            self.reorder.give_back(bucket);
        }
        if any {
            let watermark = before(self.reorder.watermark());
            for shard in &mut self.shards {
                shard.advance(watermark, &mut self.told);
            }
            self.tell(watermark, out);
        }
    }

    fn count(&mut self, bucket: &mut crate::reorder::Bucket) {
        // No earlier event can come once its second is over.
        if bucket.second >= self.reorder.earliest {
            let began = self.began.unwrap_or_else(|| EventTime::from_micros(self.reorder.earliest * 1_000_000));
            self.shards.iter_mut().for_each(|shard| shard.start(began));
            self.chain.start(began);
        }
        let (shards, rules, chain) = (&mut self.shards, &self.rules, &mut self.chain);
        let count = shards.len();
        bucket.ordered(|hit, exhibit| {
            let (rule, chained) =
                rules.feeds.get(hit.feed as usize).map_or((0, false), |feed| (feed.rule, feed.chained));
            if chained {
                chain.wait(hit, exhibit);
            } else if let Some(shard) = shards.get_mut(partition(rule, hit.group) % count) {
                shard.observe(hit, exhibit);
            }
        });
    }

    /// What was found up to a time, and what rules that hear others make of it.
    fn tell(&mut self, until: EventTime, out: &mut Vec<Incident>) {
        self.told.sort_by_key(|told| (told.at, told.rule, told.incident.key));
        self.chain.hear(until, &self.matcher, &mut self.told);
        self.speak(out);
    }

    /// In the order of time, then of rules, then of keys: the same for any number of shards.
    fn speak(&mut self, out: &mut Vec<Incident>) {
        self.told.sort_by_key(|told| (told.at, told.rule, told.incident.key));
        let rules = &self.rules;
        let spoken = self.told.drain(..).filter(|told| rules.rule(told.rule).is_none_or(|rule| !rule.silent));
        out.extend(spoken.map(|told| told.incident));
    }
}

/// The last moment before a time: what is due at a time comes with that time's events.
fn before(time: EventTime) -> EventTime {
    EventTime::from_micros(time.micros().saturating_sub(1))
}

fn checksum(bytes: &[u8]) -> u64 {
    foldhash::quality::FixedState::with_seed(0).hash_one(bytes)
}

impl fmt::Display for BadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadState::Version => "another version wrote it",
            BadState::Rules => "the rules have changed since",
            BadState::Damaged => "it is damaged",
        })
    }
}

impl std::error::Error for BadState {}
