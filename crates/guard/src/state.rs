//! What outlives a request: limiter tables, used tokens, the memory budget. Bounded, shared by all threads, and kept
//! when the plan changes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use palisade_policy::{Limit, Limits};

use crate::blocks::Blocks;
use crate::env::{Env, Now};
use crate::identity::{Keyring, Verified};
use crate::inbox::{Inbox, Settle};
use crate::ledger::Ledger;
use crate::limiter::{Limiter, Pressure, Seed};
use crate::login::Room;
use crate::ordered::Ordered;
use crate::shared::Alone;
use crate::step::{Claim, Claimed};

/// The gate's memory. Create one for a process and hand it to every plan, so that a new plan forgets nothing.
pub struct State {
    /// Which tokens have been used.
    pub ledger: Ledger,
    /// The issuer's keys.
    pub keyring: Keyring,
    /// Tokens that were verified.
    pub(crate) verified: Verified,
    /// Who is shut out.
    pub blocks: Blocks,
    /// Which signed messages are handled, and which were.
    pub inbox: Inbox,
    /// Who waits to sign in.
    pub(crate) room: Room,
    /// What this gate decided while it could not ask the others.
    pub alone: Alone,
    seed: Seed,
    slots: u32,
    /// One table for each distinct limit. Grows with the policy, never with clients.
    limiters: Mutex<Ordered<Limit, Arc<Limiter>>>,
    buffered: AtomicU64,
    buffered_cap: u64,
}

/// Bytes of the memory budget, given back when dropped.
pub(crate) struct Reserved {
    state: Arc<State>,
    bytes: u64,
}

/// Sessions in each partition of the ledger.
const LEDGER_SESSIONS: usize = 1 << 16;
/// Messages in each room of the inbox.
const INBOX_MESSAGES: usize = 1 << 16;

// === impl State ===

impl State {
    /// Empty state of the size the limits say.
    #[must_use]
    pub fn new(limits: &Limits, env: &Env<'_>) -> Arc<State> {
        Arc::new(State {
            ledger: Ledger::new(LEDGER_SESSIONS, env.now.wall.millis()),
            blocks: Blocks::default(),
            inbox: Inbox::new(INBOX_MESSAGES),
            alone: Alone::default(),
            keyring: Keyring::default(),
            verified: Verified::default(),
            room: Room::default(),
            seed: Seed::new(env.random()),
            slots: limits.limiter_slots,
            limiters: Mutex::default(),
            buffered: AtomicU64::new(0),
            buffered_cap: limits.buffered,
        })
    }

    /// Answers a claim from this process's memory: atomically, once.
    pub fn claim(&self, claim: &Claim, now: Now) -> Claimed {
        match claim {
            Claim::Spend(spend) => Claimed::Told(self.ledger.spend(spend, now.wall.millis())),
            Claim::Reserve(reserve) => Claimed::Held(self.inbox.reserve(reserve, now)),
            // Asked only of those who share; what is counted here, the guard counts without asking.
            Claim::Attempt(_) => Claimed::Unavailable { nodes: 1 },
        }
    }

    /// Ends a reservation.
    pub fn settle(&self, settle: &Settle, now: Now) {
        self.inbox.settle(settle, now);
    }

    /// The table of that limit, made when a plan first names it.
    pub(crate) fn limiter(&self, limit: Limit) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = limiters.get(&limit) {
            return Arc::clone(limiter);
        }
        let fresh = Arc::new(Limiter::new(limit, self.slots, self.seed));
        limiters.insert(limit, Arc::clone(&fresh));
        fresh
    }

    /// Takes bytes from the budget, or nothing when they are not there.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        self.take(bytes).then(|| Reserved { state: Arc::clone(self), bytes })
    }

    fn take(&self, bytes: u64) -> bool {
        let take = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.buffered_cap);
        self.buffered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// How often limiter tables had no free slot, over all tables there are.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        let limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.values().map(|limiter| limiter.pressure()).fold(Pressure::default(), |sum, one| Pressure {
            evictions: sum.evictions + one.evictions,
            overflows: sum.overflows + one.overflows,
        })
    }

    /// Forgets the tables of limits that no plan has any more, so that reloads do not add up. Called before a plan is
    /// compiled, with the plan in force alive.
    pub fn forget_unused_limits(&self) {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.retain(|limiter| Arc::strong_count(limiter) > 1);
    }

    /// How many verified tokens are remembered.
    #[must_use]
    pub fn verified_tokens(&self) -> usize {
        self.verified.len()
    }

    /// Bytes held for requests right now.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.buffered.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("buffered", &self.buffered()).finish_non_exhaustive()
    }
}

impl Reserved {
    /// Takes more, up to `bytes` in all; where they are not there it keeps what it has.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let taken = self.state.take(more);
        self.bytes += if taken { more } else { 0 };
        taken
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.state.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({})", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixed, at};

    #[test]
    fn the_budget_is_never_exceeded_and_comes_back() {
        let limits = Limits { buffered: 100, ..Limits::default() };
        let state = State::new(&limits, &at(0).env(&Fixed(1)));
        let first = state.reserve(60).expect("room");
        assert!(state.reserve(41).is_none());
        let second = state.reserve(40).expect("room");
        assert!(state.reserve(1).is_none());
        drop(first);
        assert_eq!(state.buffered(), 40);
        assert!(state.reserve(u64::MAX).is_none());
        let mut growing = state.reserve(10).expect("room");
        assert!(growing.grow(60) && state.buffered() == 100 && growing.grow(20));
        assert!(!growing.grow(61) && state.buffered() == 100);
        drop((second, growing));
        assert_eq!(state.buffered(), 0);
    }

    #[test]
    fn tables_of_limits_that_nobody_has_any_more_are_forgotten() {
        let state = State::new(&Limits::default(), &at(0).env(&Fixed(1)));
        let limit = |text| Limit::parse(text).expect("limit");
        let kept = state.limiter(limit("5/min"));
        drop(state.limiter(limit("6/min")));
        state.forget_unused_limits();
        assert_eq!(state.limiters.lock().expect("lock").len(), 1);
        assert!(Arc::ptr_eq(&kept, &state.limiter(limit("5/min"))));
    }

    #[test]
    fn equal_limits_share_a_table() {
        let state = State::new(&Limits::default(), &at(0).env(&Fixed(1)));
        let limit = |text| Limit::parse(text).expect("limit");
        assert!(Arc::ptr_eq(&state.limiter(limit("5/min")), &state.limiter(limit("5/min"))));
        assert!(!Arc::ptr_eq(&state.limiter(limit("5/min")), &state.limiter(limit("5/h"))));
    }
}
