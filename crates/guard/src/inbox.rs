//! Which signed messages are being handled, and which were: a set of fixed size.
//!
//! A message is reserved while the application handles it, so that of any number of copies exactly one passes; what
//! the application accepted is remembered for as long as its provider may send it again. A reservation whose request
//! vanished frees itself after its time.
//!
//! Only messages with a genuine signature enter, so strangers cannot push anything out. Where the room is full the
//! message that would be forgotten soonest goes, and the request that took its place is tagged. A dated message cannot
//! be replayed once its date is stale; if one younger than that has to go, every message signed until then that is
//! not remembered is put off, for its provider to sign and send again. Messages without a date have a room of their
//! own, in which a forgotten one can be replayed: there is nothing else to tell it by.
//!
//! What it does not do: it lives in one process, and a restart forgets.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::env::{MonoMicros, Now};
use crate::ordered::Ordered;
use crate::shared::GiveBack;

/// A signed message to be reserved: one question, asked right before the first byte goes to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// The message: a hash of its route, its scheme, and its id as the signature covers it.
    pub message: u128,
    /// A hash of everything that was signed; another one is another signature for the same message.
    pub signed: u128,
    /// What tells this reservation from an earlier one of the same message. Unpredictable.
    pub ticket: u64,
    /// When it was signed, in seconds since the epoch, where the scheme says so.
    pub signed_seconds: Option<u64>,
    /// How long it is reserved while nobody settles it.
    pub hold: Duration,
    /// How long it is remembered once it is done: as long as its provider sends it again.
    pub keep: Duration,
}

/// What became of a [`Reserve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is reserved for the asker, who settles it.
    First {
        /// Another message had to be forgotten for it.
        forgot: bool,
    },
    /// A copy is being handled.
    InFlight {
        /// Seconds until that one's reservation ends at the latest.
        seconds: u16,
    },
    /// It was accepted before, with this very signature.
    DoneSame,
    /// It was accepted before, and its provider has signed it anew: it did not hear of that.
    DoneFresh,
    /// It may have been accepted before: it was signed before something was forgotten.
    Forgotten,
    /// Everything in the room is being handled.
    Crowded,
}

/// How a reservation ends, or an attempt to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// The application accepted the message.
    Confirm(Reserve),
    /// It did not: the message may come again.
    Release(Reserve),
    /// An attempt that gates count together is given back.
    GiveBack(GiveBack),
}

/// The messages of this process.
#[derive(Debug)]
pub struct Inbox {
    dated: Mutex<Room>,
    undated: Mutex<Room>,
}

#[derive(Debug)]
struct Room {
    capacity: usize,
    /// Messages signed in this second or before it may have been forgotten.
    watermark: u64,
    known: Ordered<u128, Known>,
    /// Messages by the time they end, in microseconds: those that are handled, and those that are done.
    flying: Ordered<(u64, u128), ()>,
    done: Ordered<(u64, u128), ()>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    signed: u128,
    signed_seconds: u64,
    ends: u64,
    /// The reservation, or none once it is done.
    ticket: Option<u64>,
}

/// How far the clocks of the gate and a provider may lie apart, either way (Standard Webhooks, Stripe, Slack).
pub(crate) const TOLERANCE_SECONDS: u64 = 300;

// === impl Inbox ===

impl Inbox {
    /// An inbox of at most `messages` dated and as many undated messages. One takes about 150 bytes.
    #[must_use]
    pub fn new(messages: usize) -> Inbox {
        Inbox { dated: Mutex::new(Room::new(messages)), undated: Mutex::new(Room::new(messages)) }
    }

    /// Reserves a message: of any number of copies at once exactly one is [`Held::First`].
    pub fn reserve(&self, reserve: &Reserve, now: Now) -> Held {
        self.with(reserve, |room| room.reserve(reserve, now))
    }

    /// Ends a reservation. One that has ended by its time, or was made anew since, is left alone by a release.
    pub fn settle(&self, settle: &Settle, now: Now) {
        match settle {
            Settle::Confirm(reserve) => self.with(reserve, |room| room.confirm(reserve, now)),
            Settle::Release(reserve) => self.with(reserve, |room| room.release(reserve)),
            // No message, and in this process already given back.
            Settle::GiveBack(_) => {}
        }
    }

    fn with<T>(&self, reserve: &Reserve, act: impl FnOnce(&mut Room) -> T) -> T {
        let room = if reserve.signed_seconds.is_some() { &self.dated } else { &self.undated };
        // A panic elsewhere cannot leave a room half changed in a way that lets a second copy pass.
        act(&mut room.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Room ===

impl Room {
    fn new(capacity: usize) -> Room {
        Room { capacity, watermark: 0, known: Ordered::default(), flying: Ordered::default(), done: Ordered::default() }
    }

    fn reserve(&mut self, reserve: &Reserve, now: Now) -> Held {
        self.drop_ended(now.mono);
        if let Some(known) = self.known.get_mut(&reserve.message) {
            return known.meet(reserve, now.mono);
        }
        if reserve.signed_seconds.is_some_and(|signed| signed <= self.watermark) {
            return Held::Forgotten;
        }
        let Some(forgot) = self.make_room(now) else { return Held::Crowded };
        self.insert(reserve, Some(reserve.ticket), after(now.mono, reserve.hold));
        Held::First { forgot }
    }

    /// The application's word counts, also where the reservation has ended meanwhile or is another's by now.
    fn confirm(&mut self, reserve: &Reserve, now: Now) {
        self.drop_ended(now.mono);
        self.remove(reserve.message);
        if self.make_room(now).is_some() {
            self.insert(reserve, None, after(now.mono, reserve.keep));
        }
    }

    fn release(&mut self, reserve: &Reserve) {
        let held = self.known.get(&reserve.message).and_then(|known| known.ticket);
        if held == Some(reserve.ticket) {
            self.remove(reserve.message);
        }
    }

    fn insert(&mut self, reserve: &Reserve, ticket: Option<u64>, ends: u64) {
        let queue = if ticket.is_some() { &mut self.flying } else { &mut self.done };
        queue.insert((ends, reserve.message), ());
        let signed_seconds = reserve.signed_seconds.unwrap_or_default();
        self.known.insert(reserve.message, Known { signed: reserve.signed, signed_seconds, ends, ticket });
    }

    fn remove(&mut self, message: u128) {
        if let Some(known) = self.known.remove(&message) {
            self.flying.remove(&(known.ends, message));
            self.done.remove(&(known.ends, message));
        }
    }

    fn drop_ended(&mut self, now: MonoMicros) {
        for queue in [&mut self.flying, &mut self.done] {
            while let Some((ends, message)) = queue.first().map(|(first, ())| *first).filter(|(ends, _)| *ends <= now.0)
            {
                queue.remove(&(ends, message));
                self.known.remove(&message);
            }
        }
    }

    /// Whether something had to be forgotten for it; `None` where there is no room to be had. What is being handled
    /// stays: forgetting it would let its copy pass.
    fn make_room(&mut self, now: Now) -> Option<bool> {
        if self.known.len() < self.capacity {
            return Some(false);
        }
        let (ends, message) = self.done.first().map(|(first, ())| *first)?;
        self.done.remove(&(ends, message));
        if let Some(known) = self.known.remove(&message)
            && known.signed_seconds + TOLERANCE_SECONDS >= now.wall.seconds()
        {
            self.watermark = self.watermark.max(known.signed_seconds);
        }
        Some(true)
    }
}

// === impl Known ===

impl Known {
    fn meet(&mut self, reserve: &Reserve, now: MonoMicros) -> Held {
        if self.ticket.is_some() {
            let micros = self.ends.saturating_sub(now.0);
            return Held::InFlight { seconds: u16::try_from(micros.div_ceil(1_000_000)).unwrap_or(u16::MAX) };
        }
        if self.signed == reserve.signed {
            return Held::DoneSame;
        }
        // The newest copy is the one that stays replayable longest.
        self.signed_seconds = self.signed_seconds.max(reserve.signed_seconds.unwrap_or_default());
        Held::DoneFresh
    }
}

fn after(now: MonoMicros, time: Duration) -> u64 {
    now.0.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
