//! Carries one channel's messages from the outbox: one at a time, in order within a thread, with patience.

use std::sync::Arc;
use std::time::Duration;

use palisade_event::EventTime;

use super::notifier::{Shared, now};
use super::{Client, Notice, Target};
use crate::store::{Outcome, Place, Posted, Store, StoreFault};

/// Carries until the end. A courier has a connection of its own: the note that an attempt begins must not wait for others.
pub(super) struct Courier {
    pub(super) place: Place,
    pub(super) target: Target,
    pub(super) shared: Arc<Shared>,
    /// Which channels these are: after a reload others carry.
    pub(super) generation: u64,
}

/// Between two looks into the outbox, where nobody rings.
const NAP: Duration = Duration::from_millis(500);
/// Before a second attempt, and the longest before a later one.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15 * 60));
/// After so long a message is given up: what it says is told again, or stands in the store.
const MOST_AGE: Duration = Duration::from_secs(24 * 3600);

impl Courier {
    pub(super) fn run(self) {
        let Ok(client) = Client::new() else { return };
        let mut store = None;
        while !self.shared.is_over() && self.shared.generation() == self.generation {
            match self.carry(&mut store, &client) {
                Ok(true) => {}
                Ok(false) => self.shared.nap(NAP),
                Err(_) => {
                    // Told by whoever else uses the store. Another connection may be better.
                    store = None;
                    self.shared.nap(BACKOFF.0);
                }
            }
        }
    }

    /// Carries a message, if one is due; whether there was one.
    fn carry(&self, store: &mut Option<Store>, client: &Client) -> Result<bool, StoreFault> {
        if !self.shared.is_sender() {
            return Ok(false);
        }
        let store = match store {
            Some(store) => store,
            none => none.insert(Store::open(&self.place)?),
        };
        let Some(posted) = store.next_letter(self.target.name(), now())? else { return Ok(false) };
        let id = &posted.letter.id;
        let outcome = match Notice::from_json(&posted.letter.body) {
            Some(notice) => {
                let begin = || store.begin_letter(id, now());
                self.target.send(client, id, &notice, now(), begin)
            }
            None => Outcome::Dead { why: "it was written by another version".to_owned() },
        };
        let outcome = patience(outcome, &posted, now());
        // Until this is written the message counts as begun: it may be sent once more, and no third time.
        store.settle_letter(id, &outcome, now())?;
        self.shared.settled(self.target.name(), &outcome);
        Ok(true)
    }
}

/// How long to wait before another attempt, and when there is none.
fn patience(outcome: Outcome, posted: &Posted, now: EventTime) -> Outcome {
    let Outcome::Again { why, after } = outcome else { return outcome };
    let age = Duration::from_micros(now.micros().saturating_sub(posted.created.micros()));
    if age > MOST_AGE {
        return Outcome::Dead { why: format!("{why}, for a whole day") };
    }
    let doubled = BACKOFF.0.saturating_mul(1 << posted.attempts.min(16));
    Outcome::Again { why, after: after.max(doubled.min(BACKOFF.1)) }
}
