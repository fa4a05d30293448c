//! Questions about many events at once, for pages and reports: each is one pass over the index that holds all columns they
//! ask for, so that the lines themselves are not read.

use palisade_event::EventTime;

use super::Store;
use super::engine::{Row, Value};
use super::events::EventFilter;
use super::fault::StoreFault;

/// From a minute up to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first minute.
    pub from: EventTime,
    /// The first that is no longer in it.
    pub until: EventTime,
}

/// Events of one hour that differ in nothing but client and route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// When the stretch began.
    pub time: EventTime,
    /// The status; 0 where the source did not say.
    pub status: u16,
    /// The code, or empty.
    pub code: String,
    /// The kind of the route, or empty.
    pub kind: String,
    /// What happened, in words with spaces between them.
    pub what: String,
    /// The country, or empty.
    pub country: String,
    /// How many.
    pub count: u64,
}

/// Events of one client or route that differ in nothing but time and country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The client or the route.
    pub name: String,
    /// The status.
    pub status: u16,
    /// The code, or empty.
    pub code: String,
    /// The kind of the route, or empty.
    pub kind: String,
    /// What happened.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// How often a rule fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The rule.
    pub rule: String,
    /// Incidents.
    pub incidents: u64,
    /// Of these, open ones.
    pub open: u64,
    /// Events that counted for them.
    pub events: u64,
    /// The last event of any.
    pub last: EventTime,
}

/// Cells in one answer. Beyond it the rarest are left out.
pub const MAX_CELLS: usize = 100_000;

const MINUTE: u64 = 60_000_000;

// === impl Window ===

impl Window {
    /// The time of `length` microseconds before `until`.
    #[must_use]
    pub fn before(until: EventTime, length: u64) -> Window {
        Window { from: EventTime::from_micros(until.micros().saturating_sub(length)), until }
    }

    /// The time of the same length before this one.
    #[must_use]
    pub fn previous(self) -> Window {
        Window::before(self.from, self.length())
    }

    /// Microseconds.
    #[must_use]
    pub fn length(self) -> u64 {
        self.until.micros().saturating_sub(self.from.micros())
    }

    fn minutes(self) -> [Value; 2] {
        let minute = |time: EventTime| Value::from(time.micros() / MINUTE);
        [minute(self.from), minute(self.until)]
    }
}

// === impl Store ===

impl Store {
    /// What there was, by stretches of `minutes`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn cells(&mut self, window: Window, minutes: u32) -> Result<Vec<Cell>, StoreFault> {
        let [from, until] = window.minutes();
        let rows = self.engine.query(
            "SELECT minute / CAST(?3 AS BIGINT) * CAST(?3 AS BIGINT), status, code, kind, what, country, \
             CAST(sum(count) AS BIGINT) FROM event WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?2 AS BIGINT) \
             GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 7 DESC, 1, 2, 3, 4, 5, 6 LIMIT CAST(?4 AS BIGINT)",
            &[from, until, i64::from(minutes.max(1)).into(), (MAX_CELLS as u64).into()],
        )?;
        Ok(rows.iter().map(Cell::of).collect())
    }

    /// What each client was refused, or did that matters one by one.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn clients(&mut self, window: Window) -> Result<Vec<Share>, StoreFault> {
        self.shares(
            window,
            "SELECT client, status, code, kind, what, CAST(sum(count) AS BIGINT) FROM event \
             WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?2 AS BIGINT) AND client <> '' \
             GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 3, 4, 5 LIMIT CAST(?3 AS BIGINT)",
        )
    }

    /// What there was on each route.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn routes(&mut self, window: Window) -> Result<Vec<Share>, StoreFault> {
        self.shares(
            window,
            "SELECT route, status, code, kind, '', CAST(sum(count) AS BIGINT) FROM event \
             WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?2 AS BIGINT) AND route <> '' \
             GROUP BY 1, 2, 3, 4 ORDER BY 6 DESC, 1, 2, 3, 4 LIMIT CAST(?3 AS BIGINT)",
        )
    }

    fn shares(&mut self, window: Window, sql: &'static str) -> Result<Vec<Share>, StoreFault> {
        let [from, until] = window.minutes();
        let rows = self.engine.query(sql, &[from, until, (MAX_CELLS as u64).into()])?;
        Ok(rows.iter().map(Share::of).collect())
    }

    /// Rows of one status, the latest minute first, along the index of statuses; `skip` of them passed over.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn page(
        &mut self,
        filter: &EventFilter,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<super::EventRow>, StoreFault> {
        let mut values = filter.values(Some(limit));
        values.push((skip as u64).into());
        macro_rules! page {
            ($status:literal) => {
                concat!(
                    "SELECT lane, status, code, decision, kind, route, client, account, what, country, count, first, last, \
                     line FROM event WHERE minute >= CAST(?1 AS BIGINT) AND minute <= CAST(?2 AS BIGINT) AND ",
                    $status,
                    " AND (CAST(?4 AS TEXT) = '' OR code = ?4) AND (CAST(?5 AS TEXT) = '' OR client = ?5) \
                     AND (CAST(?6 AS TEXT) = '' OR route = ?6) AND (CAST(?7 AS BIGINT) < 0 OR lane = ?7) \
                     ORDER BY minute DESC, last DESC, hash LIMIT CAST(?8 AS BIGINT) OFFSET CAST(?9 AS BIGINT)"
                )
            };
        }
        let sql = match filter.status {
            Some(_) => page!("status = CAST(?3 AS BIGINT)"),
            None => page!("CAST(?3 AS BIGINT) < 0"),
        };
        Ok(self.engine.query(sql, &values)?.iter().map(super::EventRow::of).collect())
    }

    /// How many different sessions were active in a window, by days that begin at midnight UTC: each day, and all together.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn active(&mut self, window: Window) -> Result<(Vec<(EventTime, u64)>, u64), StoreFault> {
        let day = |micros: u64| Value::from(micros / (1440 * MINUTE));
        let last = window.until.micros().saturating_sub(1);
        let days = [day(window.from.micros()), day(last)];
        let rows = self.engine.query(
            "SELECT day, CAST(count(*) AS BIGINT) FROM session \
             WHERE day >= CAST(?1 AS BIGINT) AND day <= CAST(?2 AS BIGINT) GROUP BY day ORDER BY day",
            &days,
        )?;
        let all = self.engine.number(
            "SELECT CAST(count(DISTINCT id) AS BIGINT) FROM session \
             WHERE day >= CAST(?1 AS BIGINT) AND day <= CAST(?2 AS BIGINT)",
            &days,
        )?;
        let each = rows.iter().map(|row| (EventTime::from_micros(row.count(0) * 1440 * MINUTE), row.count(1)));
        Ok((each.collect(), u64::try_from(all).unwrap_or_default()))
    }

    /// How often each rule fired since a moment, the most frequent first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn fired(&mut self, since: EventTime) -> Result<Vec<Fired>, StoreFault> {
        let rows = self.engine.query(
            "SELECT rule, CAST(count(*) AS BIGINT), CAST(sum(CASE WHEN resolved IS NULL THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(sum(count) AS BIGINT), max(last) FROM incident WHERE last >= ?1 GROUP BY rule ORDER BY 2 DESC, 1",
            &[since.micros().into()],
        )?;
        let fired = |row: &Row| Fired {
            rule: row.text(0),
            incidents: row.count(1),
            open: row.count(2),
            events: row.count(3),
            last: EventTime::from_micros(row.count(4)),
        };
        Ok(rows.iter().map(fired).collect())
    }

    /// Incidents that nobody has resolved, by priority: P1, P2, P3. Those of rules on trial do not count.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn open_incidents(&mut self) -> Result<[u64; 3], StoreFault> {
        let rows = self.engine.query(
            "SELECT priority, CAST(count(*) AS BIGINT) FROM incident WHERE resolved IS NULL AND simulated = 0 \
             GROUP BY priority",
            &[],
        )?;
        let count = |priority| rows.iter().find(|row| row.number(0) == priority).map_or(0, |row| row.count(1));
        Ok([count(1), count(2), count(3)])
    }
}

// === impl Cell ===

impl Cell {
    fn of(row: &Row) -> Cell {
        Cell {
            time: EventTime::from_micros(row.count(0) * MINUTE),
            status: u16::try_from(row.number(1)).unwrap_or_default(),
            code: row.text(2),
            kind: row.text(3),
            what: row.text(4),
            country: row.text(5),
            count: row.count(6),
        }
    }

    /// Whether it stands for events that found no room of their own.
    #[must_use]
    pub fn is_other(&self) -> bool {
        self.what == super::rows::OTHER
    }
}

// === impl Share ===

impl Share {
    fn of(row: &Row) -> Share {
        Share {
            name: row.text(0),
            status: u16::try_from(row.number(1)).unwrap_or_default(),
            code: row.text(2),
            kind: row.text(3),
            what: row.text(4),
            count: row.count(5),
        }
    }
}
