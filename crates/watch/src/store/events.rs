//! Questions about events: rows, sums, what occurs most, how it went over time.

use palisade_event::EventTime;

use super::Store;
use super::counts::Window;
use super::engine::{Row, Value};
use super::fault::StoreFault;
use super::rows::{Lane, OTHER};

/// Which events are meant. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// From the minute of this moment on.
    pub since: EventTime,
    /// Up to the minute of this moment; none is until now and beyond.
    pub until: Option<EventTime>,
    /// With that status only.
    pub status: Option<u16>,
    /// With that code only.
    pub code: Option<String>,
    /// Of that client only, as client keys print.
    pub client: Option<String>,
    /// Of that route only.
    pub route: Option<String>,
    /// Of that lane only.
    pub lane: Option<Lane>,
}

/// Equal events of one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The lane.
    pub lane: String,
    /// The status; 0 where the source did not say.
    pub status: u16,
    /// The code of the refusal or fault, or empty.
    pub code: String,
    /// What a gate did, or empty.
    pub decision: String,
    /// The kind of the route, or empty.
    pub kind: String,
    /// The template of the route, or empty.
    pub route: String,
    /// The client's key, or empty.
    pub client: String,
    /// The caller, or empty. A stranger's text.
    pub account: String,
    /// What happened: `login failure`, `xss`. `other` stands for many kinds of events. A stranger's text.
    pub what: String,
    /// The country, or empty.
    pub country: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: EventTime,
    /// The last of them.
    pub last: EventTime,
    /// One of them as its JSON line, or empty.
    pub line: String,
}

/// By what events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The client's key.
    Client,
    /// The template of the route.
    Route,
    /// The code of the refusal.
    Code,
    /// The status.
    Status,
    /// The country.
    Country,
    /// What happened.
    What,
}

/// Rows in one answer.
pub const MAX_EVENTS: usize = 10_000;

/// What every question has in common; the places ?1 to ?7 are those of [`EventFilter::values`].
macro_rules! matching {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " FROM event WHERE minute >= CAST(?1 AS BIGINT) AND minute <= CAST(?2 AS BIGINT) \
             AND (CAST(?3 AS BIGINT) < 0 OR status = ?3) AND (CAST(?4 AS TEXT) = '' OR code = ?4) \
             AND (CAST(?5 AS TEXT) = '' OR client = ?5) AND (CAST(?6 AS TEXT) = '' OR route = ?6) \
             AND (CAST(?7 AS BIGINT) < 0 OR lane = ?7) ",
            $after
        )
    };
}

// === impl Store ===

impl Store {
    /// Rows, the latest first; `limit` is at most [`MAX_EVENTS`].
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn events(&mut self, filter: &EventFilter, limit: usize) -> Result<Vec<EventRow>, StoreFault> {
        let rows = self.engine.query(
            matching!(
                "SELECT lane, status, code, decision, kind, route, client, account, what, country, count, first, last, line",
                "ORDER BY last DESC, minute DESC, hash LIMIT CAST(?8 AS BIGINT)"
            ),
            &filter.values(Some(limit)),
        )?;
        Ok(rows.iter().map(EventRow::of).collect())
    }

    /// How many events there were.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn total(&mut self, filter: &EventFilter) -> Result<u64, StoreFault> {
        if let Some(window) = filter.by_hours() {
            return self.total_by_hours(window, filter.status, filter.code.as_deref());
        }
        // Each along an index that has all it asks for, or as few rows as there are of that client.
        let sum = match (filter.of_client(), filter.lane) {
            (true, _) => {
                matching!("SELECT CAST(sum(count) AS BIGINT)", "AND client = CAST(?5 AS TEXT) AND client <> ''")
            }
            (false, Some(_)) => matching!("SELECT CAST(sum(count) AS BIGINT)", ""),
            (false, None) => {
                "SELECT CAST(sum(count) AS BIGINT) FROM event WHERE minute >= CAST(?1 AS BIGINT) \
                 AND minute <= CAST(?2 AS BIGINT) AND (CAST(?3 AS BIGINT) < 0 OR status = ?3) \
                 AND (CAST(?4 AS TEXT) = '' OR code = ?4) AND CAST(?5 AS TEXT) = '' \
                 AND (CAST(?6 AS TEXT) = '' OR route = ?6) AND CAST(?7 AS BIGINT) < 0"
            }
        };
        Ok(u64::try_from(self.engine.number(sum, &filter.values(None))?).unwrap_or_default())
    }

    /// What occurs most, with its count, the most frequent first. What stands for many kinds of events is not among it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn top(&mut self, by: By, filter: &EventFilter, limit: usize) -> Result<Vec<(String, u64)>, StoreFault> {
        macro_rules! top {
            ($column:literal) => {
                matching!($column, "AND what <> 'other' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT CAST(?8 AS BIGINT)")
            };
        }
        let sql = match by {
            By::Client => top!("SELECT client, CAST(sum(count) AS BIGINT)"),
            By::Route => top!("SELECT route, CAST(sum(count) AS BIGINT)"),
            By::Code => top!("SELECT code, CAST(sum(count) AS BIGINT)"),
            By::Status => top!("SELECT CAST(status AS TEXT), CAST(sum(count) AS BIGINT)"),
            By::Country => top!("SELECT country, CAST(sum(count) AS BIGINT)"),
            By::What => top!("SELECT what, CAST(sum(count) AS BIGINT)"),
        };
        let rows = self.engine.query(sql, &filter.values(Some(limit.saturating_add(1))))?;
        let named = rows.iter().map(|row| (row.text(0), row.count(1))).filter(|(name, _)| !name.is_empty());
        Ok(named.take(limit).collect())
    }

    /// How many events there were in each stretch of `minutes` that had any, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn series(&mut self, minutes: u32, filter: &EventFilter) -> Result<Vec<(EventTime, u64)>, StoreFault> {
        let mut values = filter.values(None);
        values.push(i64::from(minutes.max(1)).into());
        let rows = self.engine.query(
            matching!(
                "SELECT minute / CAST(?8 AS BIGINT) * CAST(?8 AS BIGINT), CAST(sum(count) AS BIGINT)",
                "GROUP BY 1 ORDER BY 1 LIMIT 10000"
            ),
            &values,
        )?;
        Ok(rows.iter().map(|row| (EventTime::from_micros(row.count(0) * 60_000_000), row.count(1))).collect())
    }
}

// === impl EventFilter ===

impl EventFilter {
    /// Whether one client is asked for.
    pub(super) fn of_client(&self) -> bool {
        self.client.as_ref().is_some_and(|client| !client.is_empty())
    }

    /// The window, where sums by hour know all that is asked for.
    fn by_hours(&self) -> Option<Window> {
        const MINUTE: u64 = 60_000_000;
        let EventFilter { since, until, status: _, code: _, client, route, lane } = self;
        let named = [client, route].into_iter().flatten().any(|text| !text.is_empty());
        // The minute of `until` is in it.
        let end = until.map_or(u64::MAX, |until| (until.micros() / MINUTE + 1).saturating_mul(MINUTE));
        (!named && lane.is_none()).then(|| Window { from: *since, until: EventTime::from_micros(end) })
    }

    pub(super) fn values(&self, limit: Option<usize>) -> Vec<Value> {
        let EventFilter { since, until, status, code, client, route, lane } = self;
        let minute = |time: &EventTime| i64::try_from(time.micros() / 60_000_000).unwrap_or(i64::MAX);
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        let mut values = vec![
            minute(since).into(),
            until.as_ref().map_or(i64::MAX, minute).into(),
            status.map_or(-1, i64::from).into(),
            text(code),
            text(client),
            text(route),
            lane.map_or(-1, Lane::number).into(),
        ];
        values.extend(limit.map(|limit| Value::from(limit.min(MAX_EVENTS) as u64)));
        values
    }
}

// === impl EventRow ===

impl EventRow {
    pub(super) fn of(row: &Row) -> EventRow {
        let lane = Lane::ALL.into_iter().find(|lane| lane.number() == row.number(0));
        EventRow {
            lane: lane.map_or("", Lane::id).to_owned(),
            status: u16::try_from(row.number(1)).unwrap_or_default(),
            code: row.text(2),
            decision: row.text(3),
            kind: row.text(4),
            route: row.text(5),
            client: row.text(6),
            account: row.text(7),
            what: row.text(8),
            country: row.text(9),
            count: row.count(10),
            first: EventTime::from_micros(row.count(11)),
            last: EventTime::from_micros(row.count(12)),
            line: row.text(13),
        }
    }

    /// Whether it stands for events that found no room of their own.
    #[must_use]
    pub fn is_other(&self) -> bool {
        self.what == OTHER && self.line.is_empty()
    }
}
