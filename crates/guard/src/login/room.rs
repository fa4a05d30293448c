//! Where slowed attempts wait: a few places an account, and a fixed number of places in all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::state::State;

/// Who waits, by account. Accounts are told apart by a part of their keyed hash; those that agree in it share places.
pub(crate) struct Room {
    all: AtomicU32,
    accounts: Box<[AtomicU32]>,
}

/// A place, given back when dropped.
pub(crate) struct Place {
    state: Arc<State>,
    account: u128,
}

/// Attempts that wait at once. Each holds its request's body.
const PLACES: u32 = 512;
/// Attempts that wait at once for one account: so many are judged in the time of one pause.
const PLACES_OF_ONE: u32 = 8;
const ACCOUNTS: usize = 1024;

impl Default for Room {
    fn default() -> Room {
        Room { all: AtomicU32::new(0), accounts: std::iter::repeat_with(|| AtomicU32::new(0)).take(ACCOUNTS).collect() }
    }
}

impl Room {
    /// A place for that account, unless all are taken.
    pub(crate) fn enter(state: &Arc<State>, account: u128) -> Option<Place> {
        let room = &state.room;
        take(&room.all, PLACES).then_some(())?;
        if room.of(account).is_some_and(|count| take(count, PLACES_OF_ONE)) {
            return Some(Place { state: Arc::clone(state), account });
        }
        room.all.fetch_sub(1, Relaxed);
        None
    }

    fn of(&self, account: u128) -> Option<&AtomicU32> {
        self.accounts.get((account % ACCOUNTS as u128) as usize)
    }
}

fn take(count: &AtomicU32, most: u32) -> bool {
    count.fetch_update(Relaxed, Relaxed, |taken| (taken < most).then_some(taken + 1)).is_ok()
}

impl Drop for Place {
    fn drop(&mut self) {
        let room = &self.state.room;
        room.all.fetch_sub(1, Relaxed);
        if let Some(count) = room.of(self.account) {
            count.fetch_sub(1, Relaxed);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

#[cfg(test)]
mod tests {
    use palisade_policy::Limits;

    use super::*;
    use crate::testing::{Fixed, at};

    #[test]
    fn places_are_few_and_come_back() {
        let state = State::new(&Limits::default(), &at(0).env(&Fixed(1)));
        let one: Vec<Place> = std::iter::from_fn(|| Room::enter(&state, 7)).collect();
        assert_eq!(one.len(), PLACES_OF_ONE as usize);
        let others: Vec<Place> = (8..1000).filter_map(|account| Room::enter(&state, account)).collect();
        assert_eq!(others.len() + one.len(), PLACES as usize, "nobody waits beyond");
        drop((one, others));
        assert!(Room::enter(&state, 7).is_some());
        assert_eq!(state.room.all.load(Relaxed), 0);
    }
}
