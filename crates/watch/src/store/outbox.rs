//! What is to be told, and what became of it.
//!
//! An incident's row itself says what was told of it last, so that whatever is new about it is known in the transaction that
//! wrote it, and stays known until a message about it lies in the outbox, which is one transaction as well. A message is
//! sent from there by one courier, which notes that an attempt begins right before the first byte leaves: after a crash it is
//! known which message may have been delivered, and such a one is sent once more and never a third time.

use std::time::Duration;

use palisade_event::{EventTime, IncidentKey, Priority, State};

use super::engine::{Row, Value};
use super::fault::StoreFault;
use super::incidents::{Kept, priority_of, urgency};
use super::{Store, UPSERT_MARK};

/// An incident of which something is new, and what was told of it before.
#[derive(Debug, Clone)]
pub struct Untold {
    /// The incident as it is now.
    pub kept: Kept,
    /// How it stood when it was told last; none if it never was.
    pub before: Option<(Priority, State)>,
}

/// A message for one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The key by which a receiver knows a copy.
    pub id: String,
    /// To whom.
    pub channel: String,
    /// Messages of one thread go out in the order in which they were written.
    pub thread: String,
    /// How urgent it is.
    pub priority: Priority,
    /// What it says, for every kind of channel.
    pub body: String,
}

/// What is decided at one time, kept together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Deal {
    /// Messages to be sent.
    pub letters: Vec<Letter>,
    /// Incidents that were looked at, as they stood; `true` where nobody is to be told for now.
    pub told: Vec<(IncidentKey, Priority, State, bool)>,
    /// What the next start goes on from.
    pub memory: Option<Vec<u8>>,
    /// Incidents that nobody was to be told of are looked at anew, as the reason may be gone.
    pub release: bool,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The message.
    pub letter: Letter,
    /// When it was written.
    pub created: EventTime,
    /// When it is tried next.
    pub due: EventTime,
    /// Attempts so far.
    pub attempts: u64,
    /// How it stands.
    pub state: LetterState,
    /// What the last attempt came to.
    pub why: String,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterState {
    /// It will be tried.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Dead,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// Once more, not before that time has passed.
    Again {
        /// Why it was not taken; without addresses and secrets.
        why: String,
        /// How long to wait.
        after: Duration,
    },
    /// It will never be taken.
    Dead {
        /// Why.
        why: String,
    },
}

/// Which messages are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// In that state only.
    pub state: Option<LetterState>,
    /// So many, the latest first; 0 is a hundred.
    pub limit: usize,
}

/// Attempts that a crash left without an outcome, after which a message is given up: it may have been delivered so often.
pub const MAX_UNCLEAR: u64 = 2;
/// How long a message is kept that was delivered, and one that was given up, in microseconds.
const KEEP: (u64, u64) = (7 * 86_400_000_000, 35 * 86_400_000_000);
/// Messages that are kept beside those that wait.
const MOST: u64 = 20_000;

macro_rules! standing {
    () => {
        "priority * 4 + CASE WHEN resolved IS NOT NULL THEN 3 WHEN acknowledged IS NOT NULL THEN 2 ELSE 1 END"
    };
}

const POST: &str = "\
INSERT INTO outbox (id, channel, thread, priority, body, created, due, attempts, unclear, state, why)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, 0, 0, '') ON CONFLICT (id) DO NOTHING";
/// Of these nobody is told, as if somebody had been.
pub(super) const QUIET: &str = concat!("UPDATE incident SET told = ", standing!(), " WHERE key = ?1");
const TOLD: &str = "UPDATE incident SET told = ?2 WHERE key = ?1";

macro_rules! letters {
    ($rest:literal) => {
        concat!("SELECT id, channel, thread, priority, body, created, due, attempts, state, why FROM outbox ", $rest)
    };
}

// === impl Store ===

impl Store {
    /// Incidents of which something is new, the most urgent first; at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn untold(&mut self, limit: usize) -> Result<Vec<Untold>, StoreFault> {
        let rows = self.engine.query(
            concat!(
                "SELECT key, rule, priority, first, last, count, body, opened, acknowledged, acknowledged_by, resolved, \
                 resolved_by, note, simulated, told FROM incident WHERE simulated = 0 AND told >= 0 AND told <> ",
                standing!(),
                " ORDER BY priority, changed LIMIT CAST(?1 AS BIGINT)"
            ),
            &[(limit as u64).into()],
        )?;
        let untold = |row: &Row| Some(Untold { kept: Kept::of(row)?, before: before(row.number(14)) });
        Ok(rows.iter().filter_map(untold).collect())
    }

    /// Keeps what was decided.
    ///
    /// # Errors
    /// If the store cannot be written; nothing of it has happened.
    pub fn deal(&mut self, deal: &Deal, now: EventTime) -> Result<(), StoreFault> {
        let Deal { letters, told, memory, release } = deal;
        let post = |letter: &Letter| -> Vec<Value> {
            let Letter { id, channel, thread, priority, body } = letter;
            let texts = [id.as_str(), channel, thread];
            let mut values: Vec<Value> = texts.into_iter().map(Into::into).collect();
            values.extend([urgency(*priority).into(), body.as_str().into(), now.micros().into()]);
            values
        };
        let letters: Vec<_> = letters.iter().map(post).collect();
        let told: Vec<Vec<Value>> = told
            .iter()
            .map(|(key, priority, state, held)| {
                let standing = if *held { -1 } else { standing(*priority, *state) };
                vec![key.to_string().as_str().into(), standing.into()]
            })
            .collect();
        self.engine.transaction(|engine| {
            if *release {
                engine.execute("UPDATE incident SET told = 0 WHERE told < 0 AND resolved IS NULL", &[])?;
            }
            engine.each(POST, &letters)?;
            engine.each(TOLD, &told)?;
            if let Some(memory) = memory {
                engine.execute(UPSERT_MARK, &["notify:desk".into(), memory.clone().into()])?;
            }
            Ok(())
        })
    }

    /// What [`Deal::memory`] said last.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn memory(&mut self) -> Result<Option<Vec<u8>>, StoreFault> {
        self.mark("notify:desk")
    }

    /// For each rule, incidents that are open, that nobody acknowledged, and of which the detector has spoken since.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn alive(&mut self, since: EventTime) -> Result<Vec<(String, u64)>, StoreFault> {
        let rows = self.engine.query(
            "SELECT rule, count(*) FROM incident WHERE last >= ?1 AND resolved IS NULL AND acknowledged IS NULL \
             AND priority <= 2 AND simulated = 0 GROUP BY rule",
            &[since.micros().into()],
        )?;
        Ok(rows.iter().map(|row| (row.text(0), row.count(1))).collect())
    }

    /// Takes over after whoever sent before: an attempt without an outcome may have been delivered.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn take_over(&mut self, now: EventTime) -> Result<(), StoreFault> {
        let most: Value = MAX_UNCLEAR.into();
        self.engine.transaction(|engine| {
            engine.execute("UPDATE outbox SET unclear = unclear + 1, begun = NULL WHERE state = 0 AND begun IS NOT NULL", &[])?;
            engine.execute(
                "UPDATE outbox SET state = 2, ended = ?1, why = 'twice it ended in the middle; it may have been delivered' \
                 WHERE state = 0 AND unclear >= CAST(?2 AS BIGINT)",
                &[now.micros().into(), most],
            )?;
            Ok(())
        })
    }

    /// The message that a channel is to be sent next, if it is time for one.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn next_letter(&mut self, channel: &str, now: EventTime) -> Result<Option<Posted>, StoreFault> {
        let rows = self.engine.query(
            letters!(
                "WHERE state = 0 AND channel = ?1 AND due <= ?2 AND NOT EXISTS (SELECT 1 FROM outbox AS before \
                 WHERE before.state = 0 AND before.channel = outbox.channel AND before.thread = outbox.thread \
                 AND (before.created < outbox.created OR (before.created = outbox.created AND before.id < outbox.id))) \
                 ORDER BY priority, created, id LIMIT 1"
            ),
            &[channel.into(), now.micros().into()],
        )?;
        Ok(rows.first().and_then(posted))
    }

    /// An attempt begins: from now on the receiver may have it.
    ///
    /// # Errors
    /// If the store cannot be written; then nothing must be sent.
    pub fn begin_letter(&mut self, id: &str, now: EventTime) -> Result<(), StoreFault> {
        let sql = "UPDATE outbox SET begun = ?2, attempts = attempts + 1 WHERE id = ?1 AND state = 0";
        self.engine.execute(sql, &[id.into(), now.micros().into()]).map(drop)
    }

    /// What an attempt came to.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn settle_letter(&mut self, id: &str, outcome: &Outcome, now: EventTime) -> Result<(), StoreFault> {
        let (state, why, due): (i64, _, _) = match outcome {
            Outcome::Delivered => (1, "", now),
            Outcome::Again { why, after } => (0, why.as_str(), later(now, *after)),
            Outcome::Dead { why } => (2, why.as_str(), now),
        };
        self.engine
            .execute(
                "UPDATE outbox SET begun = NULL, state = CAST(?2 AS BIGINT), why = ?3, due = ?4, \
                 ended = CASE WHEN CAST(?2 AS BIGINT) = 0 THEN NULL ELSE CAST(?5 AS BIGINT) END WHERE id = ?1",
                &[id.into(), state.into(), why.into(), due.micros().into(), now.micros().into()],
            )
            .map(drop)
    }

    /// Gives up what waits for channels that are no more. Says how many messages that were.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn abandon(&mut self, channels: &[&str], now: EventTime) -> Result<u64, StoreFault> {
        let rows = self.engine.query("SELECT DISTINCT channel FROM outbox WHERE state = 0", &[])?;
        let mut gone = 0;
        for channel in rows.iter().map(|row| row.text(0)).filter(|name| !channels.contains(&name.as_str())) {
            gone += self.engine.execute(
                "UPDATE outbox SET state = 2, ended = ?2, why = 'the policy has no such channel' \
                 WHERE state = 0 AND channel = ?1",
                &[channel.as_str().into(), now.micros().into()],
            )?;
        }
        Ok(gone)
    }

    /// Tries messages again that were given up: the one of that id, or all. Says how many there were.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn retry_letters(&mut self, id: Option<&str>, now: EventTime) -> Result<u64, StoreFault> {
        self.engine.execute(
            "UPDATE outbox SET state = 0, ended = NULL, due = ?1, unclear = 0 \
             WHERE state = 2 AND (CAST(?2 AS TEXT) = '' OR id = ?2)",
            &[now.micros().into(), id.unwrap_or_default().into()],
        )
    }

    /// Messages, the latest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn letters(&mut self, filter: LetterFilter) -> Result<Vec<Posted>, StoreFault> {
        let limit = if filter.limit == 0 { 100 } else { filter.limit.min(10_000) };
        let state = filter.state.map_or(-1, LetterState::number);
        let rows = self.engine.query(
            letters!("WHERE CAST(?1 AS BIGINT) IN (-1, state) ORDER BY created DESC, id LIMIT CAST(?2 AS BIGINT)"),
            &[state.into(), (limit as u64).into()],
        )?;
        Ok(rows.iter().filter_map(posted).collect())
    }

    /// How many messages of each channel are in each state.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn letter_counts(&mut self) -> Result<Vec<(String, LetterState, u64)>, StoreFault> {
        let rows = self.engine.query("SELECT channel, state, count(*) FROM outbox GROUP BY channel, state", &[])?;
        let count = |row: &Row| Some((row.text(0), LetterState::of(row.number(1))?, row.count(2)));
        Ok(rows.iter().filter_map(count).collect())
    }

    /// Forgets messages that are long over.
    pub(super) fn retain_letters(&mut self, now: EventTime) -> Result<u64, StoreFault> {
        let before = |age: u64| Value::from(now.micros().saturating_sub(age));
        let sql = "DELETE FROM outbox WHERE (state = 1 AND ended < ?1) OR (state = 2 AND ended < ?2)";
        let gone = self.engine.execute(sql, &[before(KEEP.0), before(KEEP.1)])?;
        let most = "DELETE FROM outbox WHERE state <> 0 AND id IN (SELECT id FROM outbox WHERE state <> 0 \
                    ORDER BY created DESC, id LIMIT 9223372036854775807 OFFSET CAST(?1 AS BIGINT))";
        Ok(gone + self.engine.execute(most, &[MOST.into()])?)
    }
}

// === impl LetterState ===

impl LetterState {
    /// Every state.
    pub const ALL: [LetterState; 3] = [LetterState::Waiting, LetterState::Delivered, LetterState::Dead];

    /// The name in output and metrics.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            LetterState::Waiting => "waiting",
            LetterState::Delivered => "delivered",
            LetterState::Dead => "dead",
        }
    }

    const fn number(self) -> i64 {
        match self {
            LetterState::Waiting => 0,
            LetterState::Delivered => 1,
            LetterState::Dead => 2,
        }
    }

    fn of(number: i64) -> Option<LetterState> {
        LetterState::ALL.into_iter().find(|state| state.number() == number)
    }
}

/// What [`standing!`] computes: priority and state as one number.
fn standing(priority: Priority, state: State) -> i64 {
    urgency(priority) * 4
        + match state {
            State::Open => 1,
            State::Acknowledged => 2,
            State::Resolved => 3,
        }
}

fn before(told: i64) -> Option<(Priority, State)> {
    let both = Priority::ALL.into_iter().flat_map(|priority| State::ALL.map(|state| (priority, state)));
    both.into_iter().find(|(priority, state)| standing(*priority, *state) == told)
}

fn posted(row: &Row) -> Option<Posted> {
    let time = |at| EventTime::from_micros(row.count(at));
    let letter = Letter {
        id: row.text(0),
        channel: row.text(1),
        thread: row.text(2),
        priority: priority_of(row.number(3))?,
        body: row.text(4),
    };
    let state = LetterState::of(row.number(8))?;
    Some(Posted { letter, created: time(5), due: time(6), attempts: row.count(7), state, why: row.text(9) })
}

fn later(now: EventTime, after: Duration) -> EventTime {
    let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
    EventTime::from_micros(now.micros().saturating_add(after))
}
