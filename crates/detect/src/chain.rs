//! Rules that hear other rules: an incident is, as it begins, an event for them.
//!
//! Their hits wait until the rules they hear have counted the same seconds; then both come in the order of time. One step deep:
//! whom they hear hears events alone.

use std::sync::Arc;

use palisade_event::{ClientKey, EventTime, decode};

use crate::hit::{Exhibit, Hit};
use crate::partition::Told;
use crate::rules::{Matcher, Rules};
use crate::shard::Shard;

/// The rules that hear others, and what waits for them.
#[derive(Debug)]
pub(crate) struct Chain {
    rules: Arc<Rules>,
    /// All groups of these rules; other rules have nothing in it.
    shard: Shard,
    waiting: Vec<Waiting>,
    /// Whether there is any such rule.
    any: bool,
}

/// A hit, and its event.
#[derive(Debug)]
struct Waiting {
    hit: Hit,
    packed: Vec<u8>,
    path: Vec<u8>,
    client: Option<ClientKey>,
    attributable: bool,
}

// === impl Chain ===

impl Chain {
    pub(crate) fn new(rules: Arc<Rules>) -> Chain {
        let any = rules.feeds.iter().any(|feed| feed.chained);
        Chain { shard: Shard::new(Arc::clone(&rules), 1), rules, waiting: Vec::new(), any }
    }

    pub(crate) const fn shard(&self) -> &Shard {
        &self.shard
    }

    pub(crate) fn start(&mut self, at: EventTime) {
        if self.any {
            self.shard.start(at);
        }
    }

    /// Takes an event that such a rule asks for itself.
    pub(crate) fn wait(&mut self, hit: &Hit, exhibit: Option<&Exhibit<'_>>) {
        let Some(exhibit) = exhibit else { return };
        let Exhibit { packed, path, client, attributable } = *exhibit;
        let (packed, path) = (packed.to_vec(), path.to_vec());
        self.waiting.push(Waiting { hit: *hit, packed, path, client, attributable });
    }

    /// Takes what rules have told up to a time, and adds what those that hear them say.
    pub(crate) fn hear(&mut self, until: EventTime, matcher: &Matcher, told: &mut Vec<Told>) {
        if !self.any {
            return;
        }
        let mut heard: Vec<Waiting> =
            told.iter().filter(|told| told.opened).flat_map(|told| self.of(told, matcher)).collect();
        // At one moment who was heard comes before what else happened.
        heard.append(&mut self.waiting);
        heard.sort_by_key(|waiting| waiting.hit.time);
        for Waiting { hit, packed, path, client, attributable } in &heard {
            let (client, attributable) = (*client, *attributable);
            self.shard.observe(hit, Some(&Exhibit { packed, path, client, attributable }));
        }
        self.shard.advance(until, told);
    }

    /// The hits that an incident is for those who hear its rule: by an event of its group.
    fn of(&self, told: &Told, matcher: &Matcher) -> Vec<Waiting> {
        let feeds = self.rules.feeds.iter().enumerate().filter(|(_, feed)| feed.from == Some(told.rule));
        let Some(sample) = told.incident.evidence.samples.first() else { return Vec::new() };
        let Ok(seen) = decode(sample.as_bytes()) else { return Vec::new() };
        let mut packed = Vec::new();
        seen.pack(&mut packed);
        let path = seen.route.as_deref().or(seen.path.as_deref()).unwrap_or_default().as_bytes();
        let hit = |(at, feed)| matcher.hit(u32::try_from(at).ok()?, feed, &seen);
        let hits = feeds.filter_map(hit).map(|hit| Waiting {
            hit: Hit { time: told.at, count: 1, ..hit },
            packed: packed.clone(),
            path: path.to_vec(),
            client: seen.client,
            attributable: told.incident.attributable,
        });
        hits.collect()
    }

    pub(crate) fn tell_all(&mut self, now: EventTime, told: &mut Vec<Told>) {
        self.shard.tell_all(now, told);
    }

    pub(crate) fn window(&mut self, rule: u16, hit: &Hit) -> Vec<(&'static str, f64)> {
        self.shard.window(rule, hit)
    }

    pub(crate) fn missed(&mut self, until: EventTime) {
        self.shard.missed(until);
    }

    /// Nothing waits once everything was told.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.shard.save(out);
    }

    pub(crate) fn load(rules: Arc<Rules>, rest: &mut &[u8]) -> Option<Chain> {
        let shard = Shard::load(Arc::clone(&rules), 1, rest)?;
        Some(Chain { shard, ..Chain::new(rules) })
    }
}
