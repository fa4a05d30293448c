//! What outlives a request: limiter tables, used tokens, the memory budget. Bounded, shared by all threads, and kept
//! when the plan changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use palisade_policy::{Limit, Limits};

use crate::blocks::Blocks;
use crate::env::Env;
use crate::identity::{Keyring, Verified};
use crate::ledger::Ledger;
use crate::limiter::{Limiter, Seed};

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
    seed: Seed,
    slots: u32,
    /// One table for each distinct limit. Grows with the policy, never with clients.
    limiters: Mutex<BTreeMap<Limit, Arc<Limiter>>>,
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

// === impl State ===

impl State {
    /// Empty state of the size the limits say.
    #[must_use]
    pub fn new(limits: &Limits, env: &Env<'_>) -> Arc<State> {
        Arc::new(State {
            ledger: Ledger::new(LEDGER_SESSIONS, env.now.wall.millis()),
            blocks: Blocks::default(),
            keyring: Keyring::default(),
            verified: Verified::default(),
            seed: Seed::new(env.random()),
            slots: limits.limiter_slots,
            limiters: Mutex::default(),
            buffered: AtomicU64::new(0),
            buffered_cap: limits.buffered,
        })
    }

    /// The table of that limit, made when a plan first names it.
    pub(crate) fn limiter(&self, limit: Limit) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Limiter::new(limit, self.slots, self.seed));
        Arc::clone(limiters.entry(limit).or_insert_with(fresh))
    }

    /// Takes bytes from the budget, or nothing when they are not there.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let take = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.buffered_cap);
        self.buffered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Reserved { state: Arc::clone(self), bytes })
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
        drop(second);
        assert_eq!(state.buffered(), 0);
    }

    #[test]
    fn equal_limits_share_a_table() {
        let state = State::new(&Limits::default(), &at(0).env(&Fixed(1)));
        let limit = |text| Limit::parse(text).expect("limit");
        assert!(Arc::ptr_eq(&state.limiter(limit("5/min")), &state.limiter(limit("5/min"))));
        assert!(!Arc::ptr_eq(&state.limiter(limit("5/min")), &state.limiter(limit("5/h"))));
    }
}
