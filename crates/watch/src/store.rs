//! Where events and incidents are kept: one file of SQLite, or PostgreSQL where several nodes share it.
//!
//! Equal events of a minute are one row with a count, so that a flood cannot fill the disk and no count is lost: of each
//! [`Lane`] the thousand rows that count most stay, the others become one row for each status. Incidents are kept by
//! their stable key: the same one again adds nothing. What is committed together is there together after any crash.
//!
//! One [`Keeper`] writes for a process, from a thread of its own; everybody may read by a [`Store`] of their own. Reading
//! and writing block: from async code by `spawn_blocking`.

mod blocks;
mod counts;
mod engine;
mod events;
mod fault;
mod incidents;
mod keeper;
mod lock;
mod outbox;
mod place;
mod retain;
mod rows;
mod schema;
mod sums;

use std::collections::BTreeMap;

use palisade_event::{EventTime, Incident};

pub use blocks::Blocked;
pub use counts::{Cell, Fired, MAX_CELLS, Share, Window};
use engine::{Engine, Value};
pub use events::{By, EventFilter, EventRow, MAX_EVENTS};
pub use fault::{StoreFault, Trouble};
pub use incidents::{DETECTOR, IncidentFilter, Kept, MAX_LISTED};
pub use keeper::{Health, Keeper, MAX_INCIDENTS, Told};
pub use lock::Lock;
pub use outbox::{Deal, Letter, LetterFilter, LetterState, MAX_UNCLEAR, Outcome, Posted, Untold};
pub use place::Place;
pub use retain::Retention;
pub use rows::{Lane, MAX_ROWS, Rows};
use sums::Sums;

/// A connection to the store.
#[derive(Debug)]
pub struct Store {
    engine: Engine,
}

/// What is kept together, or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    /// Events since the last commit.
    pub rows: Rows,
    /// Incidents as they stand now.
    pub incidents: Vec<Incident>,
    /// What the next start goes on from, each under a name: how far a log was read, the state of the windows.
    pub marks: Vec<(String, Vec<u8>)>,
    /// Nobody is to be told of these incidents: they are history.
    pub quiet: bool,
}

/// Rows of a lane and minute that stay once the minute is over, beside those for what found no room.
const TOP_ROWS: i64 = 1000;
/// Rows of a lane and minute while it lasts: who counts most is not known before it is over.
const OPEN_ROWS: i64 = 4000;

const UPSERT_MARK: &str =
    "INSERT INTO mark (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = excluded.body";

const INSERT_SESSION: &str = "INSERT INTO session (day, id) VALUES (?1, ?2) ON CONFLICT (day, id) DO NOTHING";

const UPSERT_EVENT: &str = "\
INSERT INTO event (minute, hash, lane, status, code, decision, kind, route, client, account, what, country, count, \
first, last, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
ON CONFLICT (minute, hash) DO UPDATE SET
    count = event.count + excluded.count,
    first = CASE WHEN excluded.first < event.first THEN excluded.first ELSE event.first END,
    last = CASE WHEN excluded.last > event.last THEN excluded.last ELSE event.last END";

/// Takes away the rows that count least. ?4 is how many stay.
const FOLD: &str = "\
DELETE FROM event WHERE minute = ?1 AND hash IN (SELECT hash FROM event WHERE minute = ?1 AND lane = ?2 AND hash >= 0 \
ORDER BY count DESC, hash LIMIT CAST(?3 AS BIGINT) OFFSET CAST(?4 AS BIGINT))
RETURNING minute, hash, lane, status, code, decision, kind, route, client, account, what, country, count, first, last";

// === impl Store ===

impl Store {
    /// Opens the store, and makes or updates its tables.
    ///
    /// # Errors
    /// If it cannot be reached or written, or was made by a newer version.
    pub fn open(place: &Place) -> Result<Store, StoreFault> {
        let mut engine = match place {
            Place::File { path, max_pages } => Engine::sqlite(path, *max_pages)?,
            Place::Postgres(url) => Engine::postgres(url)?,
        };
        schema::migrate(&mut engine)?;
        Ok(Store { engine })
    }

    /// How many statements this connection has run.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.engine.asked()
    }

    /// Keeps all of it, or nothing. `now` is the time of the store's own stamps.
    ///
    /// # Errors
    /// If it cannot be written; it may be tried again.
    pub fn commit(&mut self, commit: &Commit, now: EventTime) -> Result<(), StoreFault> {
        self.engine.transaction(|engine| write(engine, commit, now))
    }

    /// As [`Store::commit`], unless the commit of that number by that writer is there already: whether it is, nobody can say
    /// when the connection breaks while the answer is on its way.
    pub(crate) fn commit_once(
        &mut self,
        commit: &Commit,
        (writer, number): (&str, u64),
        now: EventTime,
    ) -> Result<(), StoreFault> {
        if !self.engine.is_postgres() {
            return self.commit(commit, now);
        }
        self.engine.transaction(|engine| {
            let body = number.to_string().into_bytes();
            let done = engine.query("SELECT body FROM mark WHERE name = ?1", &[writer.into()])?;
            if done.first().is_some_and(|row| row.bytes(0) == body) {
                return Ok(());
            }
            engine.execute(UPSERT_MARK, &[writer.into(), body.into()])?;
            write(engine, commit, now)
        })
    }

    /// What was committed under that name last.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn mark(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        let rows = self.engine.query("SELECT body FROM mark WHERE name = ?1", &[name.into()])?;
        Ok(rows.first().map(|row| row.bytes(0)))
    }
}

/// What a writer is called among the marks; by the time in it, those of long ago are found.
fn writer_name(now: EventTime, random: u64) -> String {
    format!("writer:{:016x}:{random:016x}", now.micros())
}

fn write(engine: &mut Engine, commit: &Commit, now: EventTime) -> Result<(), StoreFault> {
    let Commit { rows, incidents, marks, quiet } = commit;
    let events = rows.values();
    let incidents: Vec<_> = incidents.iter().map(|incident| incidents::values(incident, now)).collect();
    let marks: Vec<_> = marks.iter().map(|(name, body)| vec![name.as_str().into(), body.clone().into()]).collect();
    engine.each(INSERT_SESSION, &rows.sessions())?;
    engine.each(UPSERT_EVENT, &events)?;
    let mut sums = Sums::default();
    events.iter().for_each(|row| sums.add(row));
    fold(engine, &rows.minutes(), &mut sums)?;
    engine.each(incidents::UPSERT, &incidents)?;
    if *quiet {
        let keys: Vec<_> = incidents.into_iter().map(|mut values| vec![values.swap_remove(0)]).collect();
        engine.each(outbox::QUIET, &keys)?;
    }
    engine.each(UPSERT_MARK, &marks)?;
    sums.write(engine)
}

/// Folds the rows of minutes that have too many. The latest minute is still open, as far as the rows tell, and so is the
/// one before it, while the next commit counts in it.
fn fold(engine: &mut Engine, minutes: &[u32], sums: &mut Sums) -> Result<(), StoreFault> {
    let latest = engine.number("SELECT max(minute) FROM event", &[])?;
    for minute in minutes.iter().map(|minute| i64::from(*minute)) {
        let (limit, stay) = if minute + 1 < latest { (TOP_ROWS, TOP_ROWS) } else { (OPEN_ROWS, TOP_ROWS) };
        for lane in Lane::ALL {
            fold_lane(engine, (minute, lane), (limit, stay), sums)?;
        }
    }
    // A minute is over once a later one has rows; then it is folded once more, whoever wrote to it.
    for minute in [latest - 2, latest - 3] {
        for lane in Lane::ALL {
            fold_lane(engine, (minute, lane), (TOP_ROWS, TOP_ROWS), sums)?;
        }
    }
    Ok(())
}

/// Of a lane and minute with more rows than `limit`, as many as `stay` do; the others become one for each status.
fn fold_lane(
    engine: &mut Engine,
    (minute, lane): (i64, Lane),
    (limit, stay): (i64, i64),
    sums: &mut Sums,
) -> Result<(), StoreFault> {
    let sql = "SELECT count(*) FROM event WHERE minute = ?1 AND lane = ?2 AND hash >= 0";
    if engine.number(sql, &[minute.into(), lane.number().into()])? <= limit {
        return Ok(());
    }
    let places: [Value; 4] = [minute.into(), lane.number().into(), i64::MAX.into(), stay.into()];
    let mut others = BTreeMap::new();
    for row in engine.query(FOLD, &places)? {
        let tally = rows::Tally { count: row.count(12), first: row.count(13), last: row.count(14) };
        others.entry(row.number(3)).and_modify(|other: &mut rows::Tally| other.add(tally)).or_insert(tally);
        sums.take(&row.0);
    }
    let others: Vec<_> = others.into_iter().map(|(status, tally)| rows::other(minute, lane, status, tally)).collect();
    others.iter().for_each(|row| sums.add(row));
    engine.each(UPSERT_EVENT, &others)
}
