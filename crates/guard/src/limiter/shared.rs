//! A table whose limit many gates share: it remembers what the shared table said, so that a client that is refused
//! there is refused here without asking, and holds what was taken there in advance.
//!
//! A debt that was told falls here as fast as it falls there, so this table never refuses whom the shared one would
//! not. Other gates may have added to it since; that is why whoever is not refused here is still asked about.
//!
//! What was leased falls too: a lease of n requests is worth nothing once the n requests would have been forgiven. So
//! requests admitted by leases, over all gates and at any time, are never more than the limit admits (see
//! `docs/state.md`). What is not used is lost to the client, which is why leases are small until a client is busy.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use palisade_policy::Limit;

use super::{Charge, Gcra, Limiter, Set, TIME_BITS, TIME_MASK, WAYS, units};
use crate::env::MonoMicros;
use crate::shared::{Lease, Told};

/// What this gate has charged in advance, and who is just asking for more.
pub(super) struct Leases {
    /// Slots as the table's: until when what is left would be forgiven.
    sets: Box<[Set]>,
    /// Who asks for a lease since when. Of many requests of one client at once one asks in advance: each would take as
    /// much as all need. Slots are overwritten at will; a lost one costs a question more.
    asking: Set,
}

/// How much smaller the table of leases is: few clients are busy at a time.
const LEASES_SHARE: usize = 16;
/// Whoever asked for a lease longer ago than this will not be answered: a second.
const ASKING: u64 = 16_000;
/// One lease is at most this part of the limit: what a gate that vanishes takes with it.
const LEASE_PART: u32 = 8;

/// What this gate can say of a shared charge by itself.
pub(crate) enum Known {
    /// It was leased, and is charged.
    Charged(Charge),
    /// It would be refused.
    Refused(Charge),
    /// Only the shared table can say.
    Ask(Lease),
}

// === impl Limiter ===

impl Limiter {
    /// The limit it counts.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// The question to the shared table. Below sixty a minute nothing is taken in advance.
    fn lease(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Lease {
        let Limit { count, window } = self.limit;
        let most = cost.max(count / LEASE_PART);
        let advance = u64::from(count) >= window.as_secs() && most > cost && self.asks_first(scope, client, units(now));
        Lease { limit: self.limit, scope, client, cost, most: if advance { most } else { cost } }
    }

    /// Whether nobody else asks for a lease of that client; from now on somebody does.
    fn asks_first(&self, scope: u32, client: u128, now: u64) -> bool {
        let Some((slot, tag)) = self.asking(scope, client) else { return false };
        let word = slot.load(Relaxed);
        let asked = word >> TIME_BITS == tag && now.wrapping_sub(word) & TIME_MASK < ASKING;
        !asked && slot.compare_exchange(word, tag << TIME_BITS | now, Relaxed, Relaxed).is_ok()
    }

    /// The slot that says who asks, and the client's tag.
    fn asking(&self, scope: u32, client: u128) -> Option<(&AtomicU64, u64)> {
        let leases = self.leases.get_or_init(|| Leases::new(self.sets.len() / LEASES_SHARE));
        let hash = self.seed.hash(scope, client);
        let index = usize::try_from(hash >> 8).unwrap_or_default() % WAYS;
        Some((leases.asking.0.get(index)?, (hash >> TIME_BITS).max(1)))
    }

    /// Charges what is leased; says of everything else what is known. Lock-free, no allocation.
    pub(crate) fn known(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Known {
        if let Some(charge) = self.spend_lease(scope, client, cost, now) {
            return Known::Charged(charge);
        }
        match self.refusal(scope, client, cost, now) {
            Some(refusal) => Known::Refused(refusal),
            None => Known::Ask(self.lease(scope, client, cost, now)),
        }
    }

    /// What a client would be told that can neither be charged to a lease nor to the shared table.
    pub(crate) fn shared_refusal(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Option<Charge> {
        let refusal = self.refusal(scope, client, cost, now)?;
        let (slots, tag) = self.lease_slots(scope, client)?;
        let leased = find(slots, tag).map_or(0, |(_, word)| self.gcra.debt(word & TIME_MASK, units(now)));
        (leased < self.gcra.interval * u64::from(cost)).then_some(refusal)
    }

    /// Takes in the shared table's answer to a question that was asked at `asked`.
    pub(crate) fn learn(&self, lease: &Lease, told: Told, asked: MonoMicros, now: MonoMicros) -> Charge {
        let Lease { limit: _, scope, client, cost, most } = *lease;
        if most > cost
            && let Some((slot, _)) = self.asking(scope, client)
        {
            slot.store(0, Relaxed);
        }
        if told.granted < cost
            && let Some(charge) = self.spend_lease(scope, client, cost, now)
        {
            // What another request took in advance meanwhile is why there was no room.
            return charge;
        }
        // Told of a moment after it was asked: counted from then, neither debts nor leases are taken for longer than
        // they are.
        let (asked, now) = (units(asked), units(now));
        let time = asked.wrapping_add(told.debt.min(self.gcra.burst)) & TIME_MASK;
        self.remember(lease, time, now);
        if told.granted < cost {
            return self.gcra.refused(now, now.wrapping_add(self.gcra.debt(time, now)));
        }
        let rest = self.gcra.interval * u64::from(told.granted - cost);
        if rest > 0 {
            self.store_lease(lease, rest, asked, now);
        }
        let owed = self.gcra.debt(time, now).saturating_sub(rest);
        Charge { allowed: true, ..self.gcra.report(owed) }
    }

    /// Charges without the shared table, as one of `nodes` that do so: each takes its part of the limit, rounded up.
    pub(crate) fn charge_share(&self, scope: u32, client: u128, cost: u32, nodes: u32, now: MonoMicros) -> Charge {
        self.charge_by(&self.part(cost, nodes), scope, client, cost, now)
    }

    /// Gives back what [`Limiter::charge_share`] took.
    pub(crate) fn refund_share(&self, scope: u32, client: u128, cost: u32, nodes: u32, now: MonoMicros) {
        self.refund_by(&self.part(cost, nodes), scope, client, cost, now);
    }

    fn part(&self, cost: u32, nodes: u32) -> Gcra {
        if nodes <= 1 {
            return self.gcra;
        }
        // One request at least: a cost above the part could never be paid.
        let part = self.limit.count.div_ceil(nodes).max(cost).max(1);
        let interval = self.gcra.burst.div_ceil(u64::from(part));
        Gcra { interval, burst: interval * u64::from(part) }
    }

    fn spend_lease(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Option<Charge> {
        let now = units(now);
        let (slots, tag) = self.lease_slots(scope, client)?;
        let price = self.gcra.interval * u64::from(cost);
        // A lost race means that another request took from the same lease; after some, the shared table is asked.
        for _ in 0..8 {
            let (slot, word) = find(slots, tag)?;
            let left = self.gcra.debt(word & TIME_MASK, now).checked_sub(price)?;
            let next = tag << TIME_BITS | (now.wrapping_add(left) & TIME_MASK);
            if slot.compare_exchange(word, next, Relaxed, Relaxed).is_ok() {
                return Some(self.charged(scope, client, left, now));
            }
        }
        None
    }

    /// What a client is told that has `left` of its lease.
    fn charged(&self, scope: u32, client: u128, left: u64, now: u64) -> Charge {
        let hash = self.seed.hash(scope, client);
        let slots = self.set(hash).map(|set| set.0.as_slice()).unwrap_or_default();
        let word = find(slots, (hash >> TIME_BITS).max(1)).map_or(0, |(_, word)| word);
        let owed = self.gcra.debt(word & TIME_MASK, now).saturating_sub(left).max(1);
        Charge { allowed: true, ..self.gcra.report(owed) }
    }

    /// Keeps the larger of two debts. In a full set the least indebted client gives way, if it owes less: this is a
    /// memory of refusals, and who is forgotten is asked about again.
    fn remember(&self, lease: &Lease, time: u64, now: u64) {
        let hash = self.seed.hash(lease.scope, lease.client);
        let tag = (hash >> TIME_BITS).max(1);
        let Some(set) = self.set(hash) else { return };
        let debt = |word: u64| self.gcra.debt(word & TIME_MASK, now);
        for _ in 0..8 {
            let own = find(&set.0, tag);
            let words = || set.0.iter().map(|slot| (slot, slot.load(Relaxed)));
            let Some((slot, word)) = own.or_else(|| words().min_by_key(|(_, word)| debt(*word))) else { return };
            let next = tag << TIME_BITS | time;
            if debt(word) >= debt(next) || slot.compare_exchange(word, next, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }

    /// Adds to what is leased. In a full set the smaller lease is lost: that costs its client, never the limit.
    fn store_lease(&self, lease: &Lease, rest: u64, asked: u64, now: u64) {
        let Some((slots, tag)) = self.lease_slots(lease.scope, lease.client) else { return };
        let left = |word: u64| self.gcra.debt(word & TIME_MASK, now);
        for _ in 0..8 {
            let own = find(slots, tag);
            let words = || slots.iter().map(|slot| (slot, slot.load(Relaxed)));
            let Some((slot, word)) = own.or_else(|| words().min_by_key(|(_, word)| left(*word))) else { return };
            let held = if own.is_some() { left(word) } else { 0 };
            // It began to fall when it was asked for.
            let rest = rest.saturating_sub(now.wrapping_sub(asked) & TIME_MASK);
            let sum = (held + rest).min(self.gcra.burst);
            let next = tag << TIME_BITS | (now.wrapping_add(sum) & TIME_MASK);
            if (own.is_none() && left(word) >= sum) || slot.compare_exchange(word, next, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }

    /// The slots of a client's lease, and its tag. The set is chosen by the low bits of the same hash.
    fn lease_slots(&self, scope: u32, client: u128) -> Option<(&[AtomicU64; WAYS], u64)> {
        let sets = &self.leases.get()?.sets;
        let hash = self.seed.hash(scope, client);
        let index = hash & (sets.len() as u64 - 1);
        Some((&sets.get(usize::try_from(index).ok()?)?.0, (hash >> TIME_BITS).max(1)))
    }
}

// === impl Leases ===

impl Leases {
    fn new(sets: usize) -> Leases {
        Leases { sets: std::iter::repeat_with(Set::default).take(sets.max(1)).collect(), asking: Set::default() }
    }
}

fn find(slots: &[AtomicU64], tag: u64) -> Option<(&AtomicU64, u64)> {
    slots.iter().map(|slot| (slot, slot.load(Relaxed))).find(|(_, word)| word >> TIME_BITS == tag)
}

#[cfg(test)]
mod tests;
