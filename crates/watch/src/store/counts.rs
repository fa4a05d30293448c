//! Questions about many events at once, for pages and reports: each reads sums of whole hours or days where there are, and
//! is one pass over the index that holds all columns it asks for where not: the lines themselves are not read.

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

/// Events of one client that differ in nothing but time, route and country; or of one route and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The client or the route.
    pub name: String,
    /// The status.
    pub status: u16,
    /// The code, or empty; of routes always empty, as are those below.
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

/// Pluses keep to the index of refusals in the order of their clients, which has all columns: by minute, most of the time
/// goes into sorting clients. It is read whole, however short the window.
const LIMITED: &str = "\
SELECT client, CAST(sum(count) AS BIGINT), CAST(count(*) OVER () AS BIGINT) FROM event
WHERE +minute >= CAST(?1 AS BIGINT) AND +minute < CAST(?2 AS BIGINT) AND client <> '' AND +status = 429
GROUP BY client ORDER BY 2 DESC, 1 LIMIT CAST(?3 AS BIGINT)";

/// What it looks for stands in the condition of an index, word for word.
const NOTABLE: &str = "\
SELECT client, status, code, kind, what, CAST(sum(count) AS BIGINT) FROM event
WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?2 AS BIGINT) AND client <> '' AND (what <> '' OR code = 'login-locked')
GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 3, 4, 5 LIMIT CAST(?3 AS BIGINT)";

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

    /// First and last minute, as of [`Window::minutes`], and between them the whole stretches of so many minutes, by number,
    /// with the minutes at which they begin and end. Without a whole one, all is before them.
    fn whole(self, minutes: u64) -> [Value; 6] {
        let (from, until) = (self.from.micros() / MINUTE, self.until.micros() / MINUTE);
        let (first, end) = (from.div_ceil(minutes), until / minutes);
        let [begin, stop, first, end] =
            if first < end { [first * minutes, end * minutes, first, end] } else { [until, until, 0, 0] };
        [from, until, first, end, begin, stop].map(Value::from)
    }
}

// === impl Store ===

impl Store {
    /// What there was, by stretches of `minutes`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn cells(&mut self, window: Window, minutes: u32) -> Result<Vec<Cell>, StoreFault> {
        if minutes == 60 {
            return self.hours(window);
        }
        let [from, until] = window.minutes();
        let rows = self.engine.query(
            "SELECT minute / CAST(?3 AS BIGINT) * CAST(?3 AS BIGINT), status, code, kind, what, country, \
             CAST(sum(count) AS BIGINT) FROM event WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?2 AS BIGINT) \
             GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 7 DESC, 1, 2, 3, 4, 5, 6 LIMIT CAST(?4 AS BIGINT)",
            &[from, until, i64::from(minutes.max(1)).into(), (MAX_CELLS as u64).into()],
        )?;
        Ok(rows.iter().map(Cell::of).collect())
    }

    /// By the sums of whole hours, and by the rows of what is before and after them: no hour is in two parts.
    fn hours(&mut self, window: Window) -> Result<Vec<Cell>, StoreFault> {
        let mut values = window.whole(60).to_vec();
        values.push((MAX_CELLS as u64).into());
        let rows = self.engine.query(
            "SELECT hour * 60, status, code, kind, what, country, count FROM event_hour \
             WHERE hour >= CAST(?3 AS BIGINT) AND hour < CAST(?4 AS BIGINT) \
             UNION ALL \
             SELECT minute / 60 * 60, status, code, kind, what, country, CAST(sum(count) AS BIGINT) FROM event \
             WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?5 AS BIGINT) GROUP BY 1, 2, 3, 4, 5, 6 \
             UNION ALL \
             SELECT minute / 60 * 60, status, code, kind, what, country, CAST(sum(count) AS BIGINT) FROM event \
             WHERE minute >= CAST(?6 AS BIGINT) AND minute < CAST(?2 AS BIGINT) GROUP BY 1, 2, 3, 4, 5, 6 \
             ORDER BY 7 DESC, 1, 2, 3, 4, 5, 6 LIMIT CAST(?7 AS BIGINT)",
            &values,
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

    /// Of [`Store::clients`], what happened by a word or a lockout: neither is so of most refusals.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn notable(&mut self, window: Window) -> Result<Vec<Share>, StoreFault> {
        self.shares(window, NOTABLE)
    }

    /// How many clients asked too often (429), and those that did most, with their counts.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn limited(&mut self, window: Window, limit: usize) -> Result<(u64, Vec<(String, u64)>), StoreFault> {
        let [from, until] = window.minutes();
        let rows = self.engine.query(LIMITED, &[from, until, (limit as u64).into()])?;
        let all = rows.first().map_or(0, |row| row.count(2));
        Ok((all, rows.iter().map(|row| (row.text(0), row.count(1))).collect()))
    }

    /// How many events there were with that status and code, if any is named.
    pub(super) fn total_by_hours(
        &mut self,
        window: Window,
        status: Option<u16>,
        code: Option<&str>,
    ) -> Result<u64, StoreFault> {
        let mut values = window.whole(60).to_vec();
        values.push(status.map_or(-1, i64::from).into());
        values.push(code.unwrap_or_default().into());
        let sum = self.engine.number(
            "SELECT CAST(sum(count) AS BIGINT) FROM (\
             SELECT status, code, count FROM event_hour WHERE hour >= CAST(?3 AS BIGINT) AND hour < CAST(?4 AS BIGINT) \
             UNION ALL SELECT status, code, count FROM event \
             WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?5 AS BIGINT) \
             UNION ALL SELECT status, code, count FROM event \
             WHERE minute >= CAST(?6 AS BIGINT) AND minute < CAST(?2 AS BIGINT)) AS parts \
             WHERE (CAST(?7 AS BIGINT) < 0 OR status = ?7) AND (CAST(?8 AS TEXT) = '' OR code = ?8)",
            &values,
        )?;
        Ok(u64::try_from(sum).unwrap_or_default())
    }

    /// What there was on each route, by status.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn routes(&mut self, window: Window) -> Result<Vec<Share>, StoreFault> {
        let mut values = window.whole(1440).to_vec();
        values.push((MAX_CELLS as u64).into());
        let rows = self.engine.query(
            "SELECT route, status, '', '', '', CAST(sum(count) AS BIGINT) FROM (\
             SELECT route, status, count FROM event_day WHERE day >= CAST(?3 AS BIGINT) AND day < CAST(?4 AS BIGINT) \
             UNION ALL SELECT route, status, count FROM event \
             WHERE minute >= CAST(?1 AS BIGINT) AND minute < CAST(?5 AS BIGINT) \
             UNION ALL SELECT route, status, count FROM event \
             WHERE minute >= CAST(?6 AS BIGINT) AND minute < CAST(?2 AS BIGINT)) AS parts \
             WHERE route <> '' GROUP BY route, status ORDER BY 6 DESC, 1, 2 LIMIT CAST(?7 AS BIGINT)",
            &values,
        )?;
        Ok(rows.iter().map(Share::of).collect())
    }

    fn shares(&mut self, window: Window, sql: &'static str) -> Result<Vec<Share>, StoreFault> {
        let [from, until] = window.minutes();
        let rows = self.engine.query(sql, &[from, until, (MAX_CELLS as u64).into()])?;
        Ok(rows.iter().map(Share::of).collect())
    }

    /// Rows of one status, the latest minute first, along the index of clients or of statuses; `skip` of them passed over.
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
        let sql = match (filter.of_client(), filter.status) {
            (true, _) => {
                page!("(CAST(?3 AS BIGINT) < 0 OR status = ?3) AND client = CAST(?5 AS TEXT) AND client <> ''")
            }
            (false, Some(_)) => page!("status = CAST(?3 AS BIGINT)"),
            (false, None) => page!("CAST(?3 AS BIGINT) < 0"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::Engine;
    use crate::store::schema::migrate;

    /// How SQLite would go about a question, step by step.
    fn plan(engine: &mut Engine, sql: &str) -> String {
        let sql: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
        let values: [Value; 3] = [0, 1, 2].map(|number: i64| number.into());
        let steps = engine.query(sql, &values).expect("a plan");
        steps.iter().map(|step| step.text(3)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn clients_of_a_week_are_read_along_indexes_that_hold_all_columns() {
        let path = std::env::temp_dir().join(format!("palisade-plan-{}.db", std::process::id()));
        let mut engine = Engine::sqlite(&path, None).expect("a file");
        migrate(&mut engine).expect("tables");
        let (limited, notable) = (plan(&mut engine, LIMITED), plan(&mut engine, NOTABLE));
        drop(engine);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
        assert!(limited.contains("COVERING INDEX event_limited") && !limited.contains("FOR GROUP BY"), "{limited}");
        assert!(notable.contains("COVERING INDEX event_notable (minute>? AND minute<?)"), "{notable}");
    }
}
