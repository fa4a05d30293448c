//! How long, and how much, is kept.

use std::time::Duration;

use palisade_event::EventTime;

use super::Store;
use super::engine::Value;
use super::fault::StoreFault;
use super::sums::forget;

/// How much of the past is kept. The oldest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Age of events; they go by whole hours.
    pub events: Duration,
    /// Bytes of events, about: texts and a fixed share for the rest of a row.
    pub bytes: u64,
    /// Age of incidents, by their last event.
    pub incidents: Duration,
    /// Incidents, the latest.
    pub most_incidents: u64,
}

/// What a row takes beside its texts: numbers, its place in two indexes.
const ROW_BYTES: i64 = 200;
const MINUTE: u64 = 60_000_000;
const DAY: u64 = 1440 * MINUTE;

impl Default for Retention {
    /// Five weeks of events, so that a month can be compared; a gibibyte of them; a year of incidents.
    fn default() -> Retention {
        let day = Duration::from_secs(24 * 3600);
        Retention { events: 35 * day, bytes: 1 << 30, incidents: 365 * day, most_incidents: 100_000 }
    }
}

// === impl Store ===

impl Store {
    /// Forgets what is too old or too much; says how many rows went. The file of SQLite gives the room back.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn retain(&mut self, retention: &Retention, now: EventTime) -> Result<u64, StoreFault> {
        let Retention { events, bytes, incidents, most_incidents } = retention;
        let before = |age: &Duration| {
            let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
            i64::try_from(now.micros().saturating_sub(age)).unwrap_or(i64::MAX)
        };
        let minute = before(events) / i64::try_from(MINUTE).unwrap_or(1) / 60 * 60;
        let mut gone = forget(&mut self.engine, minute)?;
        let day = [Value::from(minute / 1440)];
        self.engine.execute("DELETE FROM session WHERE day < CAST(?1 AS BIGINT)", &day)?;
        if let Some(minute) = self.too_much(*bytes)? {
            gone += forget(&mut self.engine, minute)?;
        }
        gone += self.engine.execute("DELETE FROM incident WHERE last < ?1", &[before(incidents).into()])?;
        gone += self.engine.execute(
            "DELETE FROM incident WHERE key IN (SELECT key FROM incident ORDER BY last DESC, key \
             LIMIT 9223372036854775807 OFFSET CAST(?1 AS BIGINT))",
            &[(*most_incidents).into()],
        )?;
        gone += self.retain_letters(now)?;
        // Of writers that began a month ago; one that still writes leaves its mark again.
        let old = super::writer_name(EventTime::from_micros(now.micros().saturating_sub(30 * DAY)), 0);
        let names: [Value; 2] = ["writer:".into(), old.as_str().into()];
        self.engine.execute("DELETE FROM mark WHERE name > ?1 AND name < ?2", &names)?;
        if gone > 0 && !self.engine.is_postgres() {
            self.engine.script("PRAGMA incremental_vacuum")?;
        }
        Ok(gone)
    }

    /// The minute before which events must go to leave nine tenths of `bytes`; none where there is room.
    fn too_much(&mut self, bytes: u64) -> Result<Option<i64>, StoreFault> {
        let hours = self.engine.query(
            "SELECT minute / 60, CAST(sum(length(line) + length(route) + length(account) + CAST(?1 AS BIGINT)) AS BIGINT) \
             FROM event GROUP BY 1 ORDER BY 1 DESC",
            &[ROW_BYTES.into()],
        )?;
        if hours.iter().map(|row| row.count(1)).sum::<u64>() <= bytes {
            return Ok(None);
        }
        let mut room = bytes / 10 * 9;
        // The latest hour stays, however much it has: there is nothing older to give.
        let first_to_go = hours.iter().skip_while(|row| {
            let fits = row.count(1) <= room;
            room = room.saturating_sub(row.count(1));
            fits
        });
        let latest = hours.first().map_or(0, |row| row.number(0));
        Ok(first_to_go.map(|row| row.number(0)).next().map(|hour| (hour + 1).min(latest) * 60))
    }
}
