//! Sums of events by hour and by day, so that weeks are read without their rows. They are written in the transaction that
//! writes the rows, and are at any time what the rows would add up to.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{Engine, Value};
use super::fault::StoreFault;

/// What a transaction changes. Ordered, so that two nodes that write do not lock each other out.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// By hour, status, code, kind, what happened and country.
    hours: BTreeMap<[Value; 6], i64>,
    /// By day, route and status.
    days: BTreeMap<[Value; 3], i64>,
}

/// Columns of a row of events as they are written, up to its count.
const COUNT: usize = 12;

const UPSERT_HOUR: &str = "\
INSERT INTO event_hour (hour, status, code, kind, what, country, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (hour, status, code, kind, what, country) DO UPDATE SET count = event_hour.count + excluded.count";

const UPSERT_DAY: &str = "\
INSERT INTO event_day (day, route, status, count) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (day, route, status) DO UPDATE SET count = event_day.count + excluded.count";

// === impl Sums ===

impl Sums {
    /// Adds the events of a row that is written.
    pub(super) fn add(&mut self, row: &[Value]) {
        self.count(row, 1);
    }

    /// Takes away those of a row that is deleted.
    pub(super) fn take(&mut self, row: &[Value]) {
        self.count(row, -1);
    }

    fn count(&mut self, row: &[Value], sign: i64) {
        let [minute, _, _, status, code, _, kind, route, _, _, what, country, count, ..] = row else {
            debug_assert!(row.len() > COUNT, "a row of events has more columns");
            return;
        };
        let (Value::Number(minute), Value::Number(count)) = (minute, count) else { return };
        let [status, code, kind, route, what, country] = [status, code, kind, route, what, country].map(Value::clone);
        let hour = [Value::from(minute / 60), status.clone(), code, kind, what, country];
        *self.hours.entry(hour).or_default() += sign * count;
        *self.days.entry([Value::from(minute / 1440), route, status]).or_default() += sign * count;
    }

    /// Writes them: last in a transaction, as every writer of the hour waits for the same few rows.
    pub(super) fn write(self, engine: &mut Engine) -> Result<(), StoreFault> {
        let (hours, fewer) = changed(self.hours);
        engine.each(UPSERT_HOUR, &hours)?;
        engine.each("DELETE FROM event_hour WHERE hour = ?1 AND count <= 0", &fewer)?;
        let (days, fewer) = changed(self.days);
        engine.each(UPSERT_DAY, &days)?;
        engine.each("DELETE FROM event_day WHERE day = ?1 AND count <= 0", &fewer)
    }
}

/// The values of each sum that changes, and the times of those that become less.
fn changed<const N: usize>(sums: BTreeMap<[Value; N], i64>) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let (mut rows, mut fewer) = (Vec::new(), BTreeSet::new());
    for (key, count) in sums.into_iter().filter(|(_, count)| *count != 0) {
        if count < 0 {
            fewer.extend(key.first().cloned());
        }
        rows.push(key.into_iter().chain([count.into()]).collect());
    }
    (rows, fewer.into_iter().map(|time| vec![time]).collect())
}

/// Deletes events before a minute, with what they count in; says how many rows went. The minute must begin an hour. The rest
/// of its day is summed up again.
pub(super) fn forget(engine: &mut Engine, before: i64) -> Result<u64, StoreFault> {
    debug_assert!(before % 60 == 0, "sums by hour have no minutes");
    engine.transaction(|engine| {
        let gone = engine.execute("DELETE FROM event WHERE minute < ?1", &[before.into()])?;
        if gone == 0 {
            return Ok(0);
        }
        engine.execute("DELETE FROM event_hour WHERE hour < ?1", &[(before / 60).into()])?;
        let day = before / 1440;
        engine.execute("DELETE FROM event_day WHERE day <= ?1", &[day.into()])?;
        // Who writes in between has counted its rows already, and they are found here too.
        engine.execute(
            "INSERT INTO event_day (day, route, status, count) \
             SELECT CAST(?1 AS BIGINT), route, status, CAST(sum(count) AS BIGINT) FROM event \
             WHERE minute >= CAST(?2 AS BIGINT) AND minute < CAST(?3 AS BIGINT) GROUP BY route, status \
             ON CONFLICT (day, route, status) DO UPDATE SET count = excluded.count",
            &[day.into(), (day * 1440).into(), (day * 1440 + 1440).into()],
        )?;
        Ok(gone)
    })
}
