//! A day of the calendar, and the periods it lies in.

use std::fmt;
use std::str::FromStr;

use time::{Date, Duration, Month};

use super::Period;

/// A day of the calendar, written `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

// === impl Day ===

impl Day {
    /// A day by its numbers; none for one that does not exist.
    #[must_use]
    pub fn new(year: i32, month: u8, day: u8) -> Option<Day> {
        let month = Month::try_from(month).ok()?;
        // Beyond four digits a year is no longer written in the same way.
        (0..=9999).contains(&year).then(|| Date::from_calendar_date(year, month, day).ok().map(Day))?
    }

    /// The day, in UTC, of a moment in seconds since the Unix epoch.
    #[must_use]
    pub fn of_unix(seconds: i64) -> Option<Day> {
        let moment = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        Day::new(moment.year(), moment.month().into(), moment.day())
    }

    /// The first day of the period that this day lies in.
    #[must_use]
    pub fn first_of(self, period: Period) -> Day {
        let date = self.0;
        Day(match period {
            Period::Daily => date,
            Period::Weekly => date.saturating_sub(Duration::days(i64::from(date.weekday().number_days_from_monday()))),
            Period::Monthly => month_start(date, u8::from(date.month())),
            Period::Quarterly => month_start(date, (u8::from(date.month()) - 1) / 3 * 3 + 1),
        })
    }

    /// The last day of the period that this day lies in.
    #[must_use]
    pub fn last_of(self, period: Period) -> Day {
        self.next_period(period).plus(-1)
    }

    /// The first day of the period after the one that this day lies in.
    #[must_use]
    pub fn next_period(self, period: Period) -> Day {
        let first = self.first_of(period);
        match period {
            Period::Daily => first.plus(1),
            Period::Weekly => first.plus(7),
            // Any later day of a period's first month plus its length lies within the next one.
            Period::Monthly => first.plus(31).first_of(period),
            Period::Quarterly => first.plus(92).first_of(period),
        }
    }

    /// So many days later; the calendar's end stays its end.
    #[must_use]
    pub fn plus(self, days: i64) -> Day {
        Day(self.0.saturating_add(Duration::days(days)))
    }

    /// Days from another day to this one.
    #[must_use]
    pub fn since(self, other: Day) -> i64 {
        (self.0 - other.0).whole_days()
    }

    /// As calendars want it: `20261122`.
    #[must_use]
    pub fn compact(self) -> String {
        self.to_string().replace('-', "")
    }
}

fn month_start(date: Date, month: u8) -> Date {
    Month::try_from(month).ok().and_then(|month| Date::from_calendar_date(date.year(), month, 1).ok()).unwrap_or(date)
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Day, String> {
        let read = || {
            let [year, month, day] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
            let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
            (digits(year, 4) && digits(month, 2) && digits(day, 2)).then_some(())?;
            Day::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
        };
        read().ok_or_else(|| format!("'{}' is not a day such as 2026-11-22", text.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn periods_begin_and_end_where_the_calendar_says() {
        let table = [
            ("2026-11-22", Period::Daily, "2026-11-22", "2026-11-22"),
            ("2026-11-22", Period::Weekly, "2026-11-16", "2026-11-22"),
            ("2026-11-23", Period::Weekly, "2026-11-23", "2026-11-29"),
            ("2027-01-01", Period::Weekly, "2026-12-28", "2027-01-03"),
            ("2028-02-29", Period::Monthly, "2028-02-01", "2028-02-29"),
            ("2027-02-10", Period::Monthly, "2027-02-01", "2027-02-28"),
            ("2026-12-31", Period::Monthly, "2026-12-01", "2026-12-31"),
            ("2026-11-22", Period::Quarterly, "2026-10-01", "2026-12-31"),
            ("2027-03-31", Period::Quarterly, "2027-01-01", "2027-03-31"),
        ];
        for (on, period, first, last) in table {
            assert_eq!((day(on).first_of(period), day(on).last_of(period)), (day(first), day(last)), "{on} {period:?}");
        }
    }

    #[test]
    fn only_days_that_exist_are_read() {
        for text in ["2026-02-29", "2026-13-01", "2026-1-01", "26-01-01", "2026-01-01T00", "+026-01-01", "", "2026-01"]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert_eq!(day("2028-02-29").to_string(), "2028-02-29");
        assert_eq!(Day::of_unix(1_795_305_600).map(|day| day.to_string()).as_deref(), Some("2026-11-22"));
    }
}
