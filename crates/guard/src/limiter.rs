//! The rate limiter: GCRA in a table of fixed size, one `u64` a client.
//!
//! A slot holds a 24-bit tag and a 40-bit theoretical arrival time in sixteenths of a millisecond. Eight slots share a
//! cache line and form a set; a key lives in exactly one set. There is no lock and no growth: a slot is changed by one
//! compare-and-swap, so a reader never sees half of it.
//!
//! When a set is full, a slot is reused only when its client has its full burst again. Otherwise the least indebted
//! client gives way and the newcomer starts with that debt: being forgotten never refills anybody's quota, and flooding
//! the table with new keys buys nothing. A client that is refused right now is never forgotten: a set full of refused
//! clients sends newcomers to one shared cell with ten times the limit.
//!
//! What it does badly: two clients whose hashes agree in set and tag share a quota (one in 16 million within a set),
//! and under such a flood an honest newcomer may find less than its full burst.

mod shared;

pub(crate) use shared::Known;

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use palisade_policy::Limit;
use siphasher::sip::SipHasher13;

use crate::env::MonoMicros;

/// A table of clients under one limit.
pub struct Limiter {
    limit: Limit,
    gcra: Gcra,
    overflow_gcra: Gcra,
    sets: Box<[Set]>,
    mask: u64,
    seed: Seed,
    overflow: AtomicU64,
    evictions: AtomicU64,
    overflows: AtomicU64,
    /// What was taken from a shared table in advance; made when something first is.
    leases: OnceLock<shared::Leases>,
}

/// How often a table had no free slot for a newcomer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// A client that owed something gave way.
    pub evictions: u64,
    /// Nobody could give way, and the shared cell was charged.
    pub overflows: u64,
}

/// The secret that places keys in a table, so that nobody can aim at a set.
#[derive(Clone, Copy)]
pub struct Seed(pub(crate) u64, pub(crate) u64);

/// What a charge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Whether the request is within the limit.
    pub allowed: bool,
    /// How many more requests would be allowed now.
    pub remaining: u32,
    /// Seconds until one more than `remaining` is allowed, rounded up; 0 when the burst is full.
    pub reset_seconds: u32,
    /// The set was full of refused clients, and the shared cell was charged.
    pub overflow: bool,
}

/// One limit in the table's unit of time.
#[derive(Debug, Clone, Copy)]
struct Gcra {
    /// Time one request costs.
    interval: u64,
    /// Debt at which nothing more is allowed.
    burst: u64,
}

#[repr(align(64))]
#[derive(Default)]
struct Set([AtomicU64; WAYS]);

/// Slots of a cache line.
const WAYS: usize = 8;
const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// How late a request may come with the time it has read: ten seconds.
const OVERTAKEN: u64 = 160_000;
/// How many times the limit the shared cell takes.
const OVERFLOW_FACTOR: u64 = 10;

// === impl Limiter ===

impl Limiter {
    /// A table of at least `slots` clients under `limit`. Memory is 8 bytes a slot, all of it taken now.
    #[must_use]
    pub fn new(limit: Limit, slots: u32, seed: Seed) -> Limiter {
        let sets = (slots as usize).div_ceil(WAYS).next_power_of_two();
        let gcra = Gcra::new(limit, 1);
        Limiter {
            limit,
            gcra,
            overflow_gcra: Gcra::new(limit, OVERFLOW_FACTOR),
            sets: std::iter::repeat_with(Set::default).take(sets).collect(),
            mask: sets as u64 - 1,
            seed,
            overflow: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
            leases: OnceLock::new(),
        }
    }

    /// Charges `cost` requests of `scope` to `client`. Lock-free; constant time; no allocation.
    ///
    /// A refusal charges nothing. `scope` separates routes that share a table.
    pub fn charge(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Charge {
        self.charge_by(&self.gcra, scope, client, cost, now)
    }

    fn charge_by(&self, gcra: &Gcra, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Charge {
        let now = units(now);
        let hash = self.seed.hash(scope, client);
        let tag = (hash >> TIME_BITS).max(1);
        let Some(set) = self.set(hash) else { return gcra.refused(now, now) };
        // A lost race means another request changed the set: look again. Bounded, then refused: never free.
        for _ in 0..64 {
            match self.attempt(gcra, set, tag, cost, now) {
                Ok(charge) => return charge,
                Err(Raced) => std::hint::spin_loop(),
            }
        }
        gcra.refused(now, now.wrapping_add(gcra.burst))
    }

    /// Gives back what an earlier charge took: never more than the client owes now. Nothing is given to a client that the
    /// table has forgotten. Lock-free; constant time.
    pub fn refund(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) {
        self.refund_by(&self.gcra, scope, client, cost, now);
    }

    fn refund_by(&self, gcra: &Gcra, scope: u32, client: u128, cost: u32, now: MonoMicros) {
        let now = units(now);
        let hash = self.seed.hash(scope, client);
        let tag = (hash >> TIME_BITS).max(1);
        let Some(Set(slots)) = self.set(hash) else { return };
        // A lost race means that the slot has changed. Bounded: what is not given back runs off by itself.
        for _ in 0..64 {
            let held = slots.iter().map(|slot| (slot, slot.load(Relaxed))).find(|(_, word)| word >> TIME_BITS == tag);
            let Some((slot, word)) = held else { return };
            let debt = self.gcra.debt(word & TIME_MASK, now);
            let left = debt.saturating_sub(gcra.interval * u64::from(cost));
            let next = tag << TIME_BITS | (now.wrapping_add(left) & TIME_MASK);
            if debt == 0 || slot.compare_exchange(word, next, Relaxed, Relaxed).is_ok() {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// What a client that is known to be over its limit would be told; `None` for everybody else. Charges nothing.
    pub fn refusal(&self, scope: u32, client: u128, cost: u32, now: MonoMicros) -> Option<Charge> {
        let now = units(now);
        let hash = self.seed.hash(scope, client);
        let tag = (hash >> TIME_BITS).max(1);
        let slots = &self.set(hash)?.0;
        let word = slots.iter().map(|slot| slot.load(Relaxed)).find(|word| word >> TIME_BITS == tag)?;
        let debt = self.gcra.debt(word & TIME_MASK, now);
        let over = debt + self.gcra.interval * u64::from(cost) > self.gcra.burst;
        over.then(|| self.gcra.refused(now, now.wrapping_add(debt)))
    }

    fn set(&self, hash: u64) -> Option<&Set> {
        self.sets.get(usize::try_from(hash & self.mask).unwrap_or_default())
    }

    fn attempt(&self, gcra: &Gcra, set: &Set, tag: u64, cost: u32, now: u64) -> Result<Charge, Raced> {
        // Most clients are known: debts are looked at only where a newcomer seeks room.
        let words = set.0.each_ref().map(|slot| slot.load(Relaxed));
        if let Some((slot, word)) = set.0.iter().zip(words).find(|(_, word)| word >> TIME_BITS == tag) {
            return gcra.take(slot, word, tag, gcra.debt(word & TIME_MASK, now), cost, now);
        }
        let debts = set.0.iter().zip(words).map(|(slot, word)| (slot, word, gcra.debt(word & TIME_MASK, now)));
        match debts.min_by_key(|(_, _, debt)| *debt) {
            Some((slot, word, debt)) if debt + self.gcra.interval <= gcra.burst => {
                let charge = gcra.take(slot, word, tag, debt, cost, now)?;
                if debt > 0 && charge.allowed {
                    self.evictions.fetch_add(1, Relaxed);
                }
                Ok(charge)
            }
            _ => self.charge_overflow(cost, now),
        }
    }

    fn charge_overflow(&self, cost: u32, now: u64) -> Result<Charge, Raced> {
        let word = self.overflow.load(Relaxed);
        let debt = self.overflow_gcra.debt(word & TIME_MASK, now);
        let charge = self.overflow_gcra.take(&self.overflow, word, 1, debt, cost, now)?;
        self.overflows.fetch_add(1, Relaxed);
        // The client is told of its own limit, not of the shared cell's room.
        Ok(Charge { remaining: 0, overflow: true, ..charge })
    }

    /// How often it had no free slot, since it was made.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        Pressure { evictions: self.evictions.load(Relaxed), overflows: self.overflows.load(Relaxed) }
    }

    /// Bytes of the table, without what is leased: a sixteenth more at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.sets)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("gcra", &self.gcra).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// Another thread changed the slot first.
struct Raced;

// === impl Gcra ===

impl Gcra {
    fn new(limit: Limit, factor: u64) -> Gcra {
        // Rounded up, so that rounding never allows more than the limit says.
        let interval = (limit.window.as_secs() * 16_000).div_ceil(u64::from(limit.count) * factor).max(1);
        Gcra { interval, burst: interval * u64::from(limit.count) * factor }
    }

    /// How far `time` lies ahead of `now`. Times wrap after two years; what lies farther ahead than any debt can be is
    /// long past. A request that was overtaken between reading its clock and coming here sees more than the burst, and
    /// owes it.
    fn debt(&self, time: u64, now: u64) -> u64 {
        let ahead = time.wrapping_sub(now) & TIME_MASK;
        if ahead > self.burst + OVERTAKEN { 0 } else { ahead }
    }

    fn take(&self, slot: &AtomicU64, word: u64, tag: u64, debt: u64, cost: u32, now: u64) -> Result<Charge, Raced> {
        let owed = debt + self.interval * u64::from(cost);
        if owed > self.burst {
            // Cost above one may find room for less than itself.
            return Ok(self.refused(now, now.wrapping_add(debt)));
        }
        let next = tag << TIME_BITS | (now.wrapping_add(owed) & TIME_MASK);
        slot.compare_exchange(word, next, Relaxed, Relaxed).map_err(|_| Raced)?;
        Ok(Charge { allowed: true, ..self.report(owed) })
    }

    fn refused(&self, now: u64, time: u64) -> Charge {
        Charge { allowed: false, ..self.report(time.wrapping_sub(now) & TIME_MASK) }
    }

    fn report(&self, owed: u64) -> Charge {
        let room = self.burst.saturating_sub(owed);
        let until_next = self.interval - room % self.interval;
        Charge {
            allowed: false,
            remaining: u32::try_from(room / self.interval).unwrap_or(u32::MAX),
            reset_seconds: if owed == 0 { 0 } else { u32::try_from(until_next.div_ceil(16_000)).unwrap_or(u32::MAX) },
            overflow: false,
        }
    }
}

// === impl Seed ===

impl Seed {
    /// A seed of 16 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Seed {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        Seed(u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest))
    }

    pub(crate) fn hash(self, scope: u32, client: u128) -> u64 {
        let mut key = [0; 20];
        let (first, rest) = key.split_at_mut(16);
        first.copy_from_slice(&client.to_ne_bytes());
        rest.copy_from_slice(&scope.to_ne_bytes());
        // At once it costs half of what it does piece by piece.
        SipHasher13::new_with_keys(self.0, self.1).hash(&key)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Sixteenths of a millisecond.
fn units(now: MonoMicros) -> u64 {
    (now.0 / 125 * 2 + now.0 % 125 * 2 / 125) & TIME_MASK
}

#[cfg(test)]
mod tests;
