//! What several gates share: the scripts a Redis or Valkey server runs for them, what they are asked with, and what
//! their answers mean. Whoever speaks to the server, in Rust or in JavaScript, only carries a [`Call`] there and a list
//! of integers back, so that no two of them can decide differently.
//!
//! Every script touches keys of one hash tag, so that a cluster runs it on one node; takes the time from the server,
//! never from a gate; and leaves nothing behind that does not expire. One key holds what is known of one client under
//! one limit, of one session's tokens, of one message, or of failures at one account; `docs/state.md` lists them.

mod attempt;
mod blocks;
mod scripts;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade_event::Kind;
use palisade_policy::{Limit, Outage, Policy};

use crate::inbox::{Held, Reserve, Settle};
use crate::ledger::{Spend, Spent};
use crate::plan::scope_number;
use crate::step::{Claim, Claimed};
use crate::token::REMEMBERED_MILLIS;

pub use attempt::{Attempt, Attempted, GiveBack, Standing};
pub use blocks::{read_blocks, was_done};
pub use scripts::Script;
use scripts::{BEAT, GCRA, MESSAGE, SPEND};

/// Where the keys of one application are: gates that serve the same `[app] name` share, others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space(u32);

/// One script with its keys and arguments, ready for `EVALSHA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What runs.
    pub script: &'static Script,
    /// `KEYS`, all of one hash tag.
    pub keys: Vec<String>,
    /// `ARGV`.
    pub arguments: Vec<String>,
}

/// Whether a client is within a limit that gates share: one charge of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The table.
    pub limit: Limit,
    /// Which of the routes under that limit.
    pub scope: u32,
    /// Who is charged.
    pub client: u128,
    /// Requests to charge.
    pub cost: u32,
    /// Requests that may be charged at most, what is beyond `cost` in advance. How many are, the script decides: half
    /// of what the client owes, so that only busy clients are charged in advance.
    pub most: u32,
}

/// The answer to [`Lease`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// What the shared table says.
    Told(Told),
    /// It could not be asked.
    Unavailable {
        /// How many gates there were when it last could.
        nodes: u32,
    },
}

/// A client's standing in the shared table, after the charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Requests charged; none means refused.
    pub granted: u32,
    /// What the client owes, in sixteenths of a millisecond.
    pub debt: u64,
}

/// The answer to a gate's sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Gates that gave one lately.
    pub nodes: u32,
    /// Since when the server remembers, in milliseconds since the epoch: what was used before it may have forgotten.
    pub since_millis: u64,
    /// Which blocks the server has: another number, other blocks.
    pub blocks: i64,
}

/// What a gate decided alone while the server was out, to be told once it is back. Bounded; what is beyond is counted.
#[derive(Debug, Default)]
pub struct Alone {
    late: Mutex<Late>,
}

/// What is to be told late.
#[derive(Debug, Default)]
pub struct Late {
    /// Tokens that were spent without asking.
    pub spends: Vec<Spend>,
    /// Messages and attempts whose end could not be told.
    pub settles: Vec<Settle>,
    /// Those for which there was no room.
    pub untold: u64,
}

/// How often a gate gives a sign of life.
pub const BEAT_EVERY: Duration = Duration::from_secs(2);
/// A gate without one for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How many of each are kept to be told late.
const MAX_LATE: usize = 4096;

// === impl Space ===

impl Space {
    /// The space of a policy's application.
    #[must_use]
    pub fn of(policy: &Policy) -> Space {
        Space(scope_number(&policy.app.name))
    }

    /// A gate's sign of life. `node` is a number of its own, drawn at its start.
    #[must_use]
    pub fn beat(self, node: u64, wall_millis: u64) -> Call {
        let arguments = vec![format!("{node:016x}"), wall_millis.to_string(), GONE_AFTER.as_millis().to_string()];
        Call {
            script: &BEAT,
            keys: ["nodes", "since", "blocks:version"].map(|what| self.own_key(what)).into(),
            arguments,
        }
    }

    /// What is one for the whole application.
    fn own_key(self, what: &str) -> String {
        format!("palisade:{{{:08x}}}:{what}", self.0)
    }

    fn key(self, what: char, name: impl std::fmt::Display) -> String {
        format!("palisade:{{{:08x}:{what}:{name}}}", self.0)
    }
}

// === impl Beat ===

impl Beat {
    /// Reads the answer.
    #[must_use]
    pub fn read(answer: &[i64]) -> Option<Beat> {
        let [nodes, since, blocks] = *answer else { return None };
        let since_millis = u64::try_from(since).ok()?;
        Some(Beat { nodes: u32::try_from(nodes).ok()?.max(1), since_millis, blocks })
    }
}

// === impl Lease ===

impl Lease {
    /// The question for the server.
    #[must_use]
    pub fn call(&self, space: Space) -> Call {
        let Lease { limit: Limit { count, window }, scope, client, cost, most } = *self;
        let interval = interval(self.limit);
        let numbers = [interval, interval * u64::from(count), u64::from(cost), u64::from(most)];
        Call {
            script: &GCRA,
            keys: vec![space.key('l', format_args!("{count}/{}:{scope:08x}:{client:x}", window.as_secs()))],
            arguments: numbers.iter().map(u64::to_string).collect(),
        }
    }

    /// Reads the answer.
    #[must_use]
    pub fn read(&self, answer: &[i64]) -> Option<Told> {
        let [granted, debt] = *answer else { return None };
        let granted = u32::try_from(granted).ok()?;
        Some(Told { granted, debt: u64::try_from(debt).ok()? })
    }
}

/// The time one request costs, in sixteenths of a millisecond. Rounded up, so that rounding never allows more than the
/// limit says.
pub(crate) fn interval(limit: Limit) -> u64 {
    (limit.window.as_secs() * 16_000).div_ceil(u64::from(limit.count)).max(1)
}

// === impl Claim ===

impl Claim {
    /// The question for the server, which remembers since `since_millis`.
    ///
    /// # Errors
    /// The answer, where there is no use in asking: it may have been used before the server's memory begins.
    pub fn call(&self, space: Space, since_millis: u64) -> Result<Call, Claimed> {
        match self {
            Claim::Spend(spend) if spend.issued_millis <= since_millis => Err(Claimed::Told(Spent::Forgotten)),
            Claim::Reserve(reserve)
                if reserve.signed_seconds.is_some_and(|signed| signed.saturating_mul(1000) <= since_millis) =>
            {
                Err(Claimed::Held(Held::Forgotten))
            }
            Claim::Spend(spend) => Ok(spend.call(space)),
            Claim::Reserve(reserve) => Ok(reserve.call(space, "reserve", reserve.hold)),
            Claim::Attempt(attempt) => Ok(attempt.call(space)),
        }
    }

    /// Reads the answer.
    #[must_use]
    pub fn read(&self, answer: &[i64]) -> Option<Claimed> {
        match (self, answer) {
            (Claim::Spend(_), [0]) => Some(Claimed::Told(Spent::First { forgot: false })),
            (Claim::Spend(_), [1]) => Some(Claimed::Told(Spent::Again)),
            (Claim::Spend(_), [2]) => Some(Claimed::Told(Spent::Forgotten)),
            (Claim::Reserve(_), [0, _]) => Some(Claimed::Held(Held::First { forgot: false })),
            (Claim::Reserve(_), [1, millis]) => {
                let seconds = u64::try_from(*millis).unwrap_or_default().div_ceil(1000);
                Some(Claimed::Held(Held::InFlight { seconds: u16::try_from(seconds).unwrap_or(u16::MAX) }))
            }
            (Claim::Reserve(_), [2, _]) => Some(Claimed::Held(Held::DoneSame)),
            (Claim::Reserve(_), [3, _]) => Some(Claimed::Held(Held::DoneFresh)),
            (Claim::Attempt(attempt), answer) => attempt.read(answer).map(Claimed::Attempted),
            _ => None,
        }
    }
}

impl Claimed {
    /// Whether another took what this gate took without asking.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        matches!(self, Claimed::Told(Spent::Again))
    }
}

impl Spend {
    /// Tells the server, whatever it answers.
    #[must_use]
    pub fn call(&self, space: Space) -> Call {
        Call {
            script: &SPEND,
            keys: vec![space.key(if self.verified { 'v' } else { 'a' }, format_args!("{:x}", self.session))],
            arguments: vec![format!("{:x}", self.nonce), self.issued_millis.to_string(), REMEMBERED_MILLIS.to_string()],
        }
    }
}

impl Reserve {
    fn call(&self, space: Space, what: &str, time: Duration) -> Call {
        let (ticket, signed) = (format!("{:x}", self.ticket), format!("{:x}", self.signed));
        Call {
            script: &MESSAGE,
            keys: vec![space.key('m', format_args!("{:x}", self.message))],
            arguments: vec![what.to_owned(), ticket, signed, time.as_millis().max(1).to_string()],
        }
    }
}

impl Settle {
    /// Tells the server how a reservation ended, or an attempt. The answer says nothing.
    #[must_use]
    pub fn call(&self, space: Space) -> Call {
        match self {
            Settle::Confirm(reserve) => reserve.call(space, "confirm", reserve.keep),
            Settle::Release(reserve) => reserve.call(space, "release", reserve.hold),
            Settle::GiveBack(give_back) => give_back.call(space),
        }
    }
}

// === impl Alone ===

impl Alone {
    /// Takes note of a token that was spent without asking: each other gate would take it once more.
    pub(crate) fn spent(&self, spend: Spend) {
        let mut late = self.late();
        if late.spends.len() < MAX_LATE { late.spends.push(spend) } else { late.untold += 1 }
    }

    /// Takes note of the end of a reservation or an attempt that the server could not be told.
    pub fn settled(&self, settle: Settle) {
        let mut late = self.late();
        if late.settles.len() < MAX_LATE { late.settles.push(settle) } else { late.untold += 1 }
    }

    /// What is to be told; nothing is left.
    #[must_use]
    pub fn take(&self) -> Late {
        std::mem::take(&mut *self.late())
    }

    /// Keeps what could not be told after all, for the next time.
    pub fn put_back(&self, rest: Late) {
        let mut late = self.late();
        late.untold += rest.untold;
        late.spends.extend(rest.spends);
        late.settles.extend(rest.settles);
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === outages ===

/// Among how many gates a limit is divided while the server is out; none where the route is closed.
///
/// Signing in, paying and what is expensive are guessed at or paid for by the request, so there the limit holds over
/// all gates together; elsewhere each gate alone allows all of it (SECURITY.md 15).
pub(crate) fn divided(outage: Outage, kind: Kind, nodes: u32) -> Option<u32> {
    match (outage, kind) {
        (Outage::Closed, _) => None,
        (Outage::ByKind, Kind::Login | Kind::Payment | Kind::Expensive) => Some(nodes.max(1)),
        (Outage::ByKind, _) => Some(1),
    }
}

#[cfg(test)]
mod tests;
