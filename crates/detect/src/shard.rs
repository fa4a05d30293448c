//! Some of the partitions, for one thread.

use std::sync::Arc;

use palisade_event::EventTime;

use crate::hit::{Exhibit, Hit};
use crate::keep::Keep;
use crate::partition::{Partition, Told};
use crate::rules::Rules;

/// Partitions, whatever the number of shards.
pub(crate) const PARTITIONS: usize = 16;

/// The groups of one thread: every partition of which the number, divided by the number of shards, leaves this shard's.
#[derive(Debug)]
pub struct Shard {
    rules: Arc<Rules>,
    partitions: Vec<Partition>,
    shards: usize,
    started: Option<EventTime>,
}

impl Shard {
    /// One of `shards` shards; they share the groups. 1, 2, 4, 8 and 16 share them evenly.
    #[must_use]
    pub fn new(rules: Arc<Rules>, shards: usize) -> Shard {
        Shard { rules, partitions: Vec::new(), shards: shards.clamp(1, PARTITIONS), started: None }
    }

    /// Says when the stream began: of what was before nothing is known. Must come before the first hit.
    pub fn start(&mut self, at: EventTime) {
        if self.started.is_none() {
            self.started = Some(at);
            let own = PARTITIONS.div_ceil(self.shards);
            self.partitions = (0..own).map(|_| Partition::new(&self.rules, at.micros())).collect();
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.started.map(EventTime::micros).save(out);
        self.partitions.iter().for_each(|partition| partition.save(out));
    }

    /// A shard as it was saved, by the same rules and among as many.
    pub(crate) fn load(rules: Arc<Rules>, shards: usize, rest: &mut &[u8]) -> Option<Shard> {
        let mut shard = Shard::new(rules, shards);
        shard.started = Option::<u64>::load(rest)?.map(EventTime::from_micros);
        if shard.started.is_some() {
            let own = PARTITIONS.div_ceil(shard.shards);
            shard.partitions = (0..own).map(|_| Partition::load(&shard.rules, rest)).collect::<Option<_>>()?;
        }
        Some(shard)
    }

    /// See [`Partition::missed`].
    pub(crate) fn missed(&mut self, until: EventTime) {
        self.partitions.iter_mut().for_each(|partition| partition.missed(until.micros()));
    }

    /// Takes a hit; they come in order.
    pub(crate) fn observe(&mut self, hit: &Hit, exhibit: Option<&Exhibit<'_>>) {
        let Some(feed) = self.rules.feeds.get(hit.feed as usize) else { return };
        let at = partition(feed.rule, hit.group) / self.shards;
        if let Some(partition) = self.partitions.get_mut(at) {
            partition.observe(&self.rules, hit, exhibit);
        }
    }

    /// All hits up to the watermark have come. What they made is appended to `out`, in no order.
    pub(crate) fn advance(&mut self, watermark: EventTime, out: &mut Vec<Told>) {
        for partition in &mut self.partitions {
            partition.advance(&self.rules, watermark.micros());
            out.append(&mut partition.told);
        }
    }

    /// Tells every open incident that changed since it was told.
    pub(crate) fn tell_all(&mut self, now: EventTime, out: &mut Vec<Told>) {
        for partition in &mut self.partitions {
            partition.tell_all(&self.rules, now.micros());
            out.append(&mut partition.told);
        }
    }

    /// What a rule remembers of a hit's group.
    pub(crate) fn window(&mut self, rule: u16, hit: &Hit) -> Vec<(&'static str, f64)> {
        let at = partition(rule, hit.group) / self.shards;
        let rules = Arc::clone(&self.rules);
        self.partitions.get_mut(at).map(|partition| partition.window(&rules, rule, hit)).unwrap_or_default()
    }

    pub(crate) fn counters(&self, rule: usize) -> [u64; 3] {
        self.partitions.iter().map(|partition| partition.counters(rule)).fold([0; 3], |sum, each| {
            let [a, b, c] = sum;
            let [x, y, z] = each;
            [a + x, b + y, c + z]
        })
    }

    pub(crate) fn held_back(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.held_back).sum()
    }
}

/// The partition of a group of a rule.
pub(crate) fn partition(rule: u16, group: u64) -> usize {
    let mixed = group ^ (u64::from(rule) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 60) as usize % PARTITIONS
}
