//! State by group in a fixed number of slots.
//!
//! A full table first takes the slots of groups whose time is over. When none is near, a newcomer must come twice before
//! it takes the place of whoever was not seen lately: addresses that are used once take no slot. Both are counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::keep::{Keep, kept};

/// Slots looked at to find one to take.
const SWEEP: usize = 16;

/// Bits of a filter: of groups that came once, and of groups that were forgotten.
const FILTER_BITS: usize = 1 << 14;

#[derive(Debug)]
pub(crate) struct Table<S> {
    index: HashMap<u64, u32, AlreadyHashed>,
    slots: Vec<Slot<S>>,
    cap: usize,
    hand: usize,
    /// Groups that came to a full table.
    door: Filter,
    /// Groups whose state was lost.
    lost: Filter,
    pub(crate) evicted: u64,
    pub(crate) refused: u64,
}

#[derive(Debug)]
pub(crate) struct Slot<S> {
    group: u64,
    /// When it was entered first, and last.
    pub(crate) since: u64,
    last: u64,
    used: bool,
    pub(crate) state: S,
}

impl<S: Default> Table<S> {
    pub(crate) fn new(cap: usize) -> Table<S> {
        Table {
            index: HashMap::with_hasher(AlreadyHashed),
            slots: Vec::new(),
            cap: cap.max(1),
            hand: 0,
            door: Filter::default(),
            lost: Filter::default(),
            evicted: 0,
            refused: 0,
        }
    }

    /// The state of a group, made if there is none. `None` where a full table has no room for a newcomer.
    pub(crate) fn enter(&mut self, group: u64, now: u64, lifetime: u64) -> Option<&mut Slot<S>> {
        let at = match self.index.get(&group) {
            Some(at) => *at as usize,
            None => self.place(group, now, lifetime)?,
        };
        let slot = self.slots.get_mut(at)?;
        slot.used = true;
        slot.last = slot.last.max(now);
        Some(slot)
    }

    /// The state of a group that is there.
    pub(crate) fn get(&mut self, group: u64) -> Option<&mut Slot<S>> {
        let at = *self.index.get(&group)?;
        self.slots.get_mut(at as usize)
    }

    /// Whether state of the group may have been lost.
    pub(crate) fn may_have_lost(&self, group: u64) -> bool {
        self.lost.has(group)
    }

    pub(crate) fn cap(&self) -> usize {
        self.cap
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>)
    where
        S: Keep,
    {
        self.slots.save(out);
        self.hand.save(out);
        self.door.save(out);
        self.lost.save(out);
        self.evicted.save(out);
        self.refused.save(out);
    }

    /// A table of at most `cap` slots, as it was saved.
    pub(crate) fn load(cap: usize, rest: &mut &[u8]) -> Option<Table<S>>
    where
        S: Keep,
    {
        let slots: Vec<Slot<S>> = Vec::load(rest)?;
        let mut table = Table::new(cap);
        if slots.len() > table.cap {
            return None;
        }
        for (at, slot) in slots.iter().enumerate() {
            table.index.insert(slot.group, u32::try_from(at).ok()?);
        }
        table.slots = slots;
        table.hand = Keep::load(rest)?;
        table.door = Keep::load(rest)?;
        table.lost = Keep::load(rest)?;
        table.evicted = Keep::load(rest)?;
        table.refused = Keep::load(rest)?;
        Some(table)
    }

    fn place(&mut self, group: u64, now: u64, lifetime: u64) -> Option<usize> {
        let fresh = Slot { group, since: now, last: now, used: true, state: S::default() };
        if self.slots.len() < self.cap {
            self.slots.push(fresh);
            let at = self.slots.len() - 1;
            self.index.insert(group, u32::try_from(at).ok()?);
            return Some(at);
        }
        let (at, over) = self.victim(now, lifetime);
        if !over {
            if !self.door.has(group) {
                self.door.add(group);
                self.lost.add(group);
                self.refused += 1;
                return None;
            }
            self.evicted += 1;
        }
        let slot = self.slots.get_mut(at)?;
        if !over {
            self.lost.add(slot.group);
        }
        self.index.remove(&slot.group);
        *slot = fresh;
        self.index.insert(group, u32::try_from(at).ok()?);
        Some(at)
    }

    /// The slot to take, and whether its time was over: the first such that the hand meets, else the first not used
    /// since the hand passed, else the next.
    fn victim(&mut self, now: u64, lifetime: u64) -> (usize, bool) {
        let mut idle = None;
        for _ in 0..SWEEP {
            let at = self.hand % self.slots.len().max(1);
            self.hand = at.wrapping_add(1);
            let Some(slot) = self.slots.get_mut(at) else { break };
            if slot.last.saturating_add(lifetime) < now {
                return (at, true);
            }
            if !std::mem::take(&mut slot.used) && idle.is_none() {
                idle = Some(at);
            }
        }
        (idle.unwrap_or(self.hand % self.slots.len().max(1)), false)
    }
}

/// Groups, approximately: says yes of some that were never added, and forgets the older half when it is full.
#[derive(Debug, Default)]
struct Filter {
    young: Vec<u64>,
    old: Vec<u64>,
    added: usize,
}

impl Filter {
    fn add(&mut self, group: u64) {
        if self.young.is_empty() || self.added >= FILTER_BITS / 8 {
            self.old = std::mem::replace(&mut self.young, vec![0; FILTER_BITS / 64]);
            self.added = 0;
        }
        self.added += 1;
        for bit in bits(group) {
            if let Some(word) = self.young.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    fn has(&self, group: u64) -> bool {
        let all = |words: &[u64]| {
            bits(group).iter().all(|bit| words.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1))
        };
        all(&self.young) || all(&self.old)
    }
}

fn bits(group: u64) -> [usize; 2] {
    [(group >> 8) as usize % FILTER_BITS, (group >> 36) as usize % FILTER_BITS]
}

/// Groups are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AlreadyHashed;

#[derive(Debug, Default)]
pub(crate) struct Taken(u64);

impl BuildHasher for AlreadyHashed {
    type Hasher = Taken;

    fn build_hasher(&self) -> Taken {
        Taken(0)
    }
}

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

kept!(Filter { young, old, added });

impl<S: Keep> Keep for Slot<S> {
    fn save(&self, out: &mut Vec<u8>) {
        self.group.save(out);
        self.since.save(out);
        self.last.save(out);
        self.used.save(out);
        self.state.save(out);
    }

    fn load(rest: &mut &[u8]) -> Option<Slot<S>> {
        let (group, since, last) = (Keep::load(rest)?, Keep::load(rest)?, Keep::load(rest)?);
        Some(Slot { group, since, last, used: Keep::load(rest)?, state: Keep::load(rest)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_lets_in_who_comes_twice_and_says_whom_it_lost() {
        let mut table: Table<u32> = Table::new(4);
        for group in 1..=4u64 {
            table.enter(group << 10, 10, 100).expect("room").state = 7;
        }
        assert!(table.enter(9 << 40, 20, 100).is_none(), "a newcomer that came once");
        assert_eq!((table.refused, table.evicted), (1, 0));
        assert_eq!(table.enter(9 << 40, 21, 100).map(|slot| slot.state), Some(0));
        assert_eq!((table.refused, table.evicted, table.len()), (1, 1, 4));
        let lost = (1..=4u64).filter(|group| table.get(group << 10).is_none()).collect::<Vec<_>>();
        assert_eq!(lost.len(), 1);
        assert!(table.may_have_lost(lost[0] << 10));
        assert!(table.may_have_lost(9 << 40));
    }

    #[test]
    fn slots_whose_time_is_over_are_taken_first_and_silently() {
        let mut table: Table<u32> = Table::new(4);
        for group in 1..=4u64 {
            table.enter(group, group, 10).expect("room");
        }
        assert!(table.enter(77, 100, 10).is_some());
        assert_eq!((table.refused, table.evicted), (0, 0));
    }
}
