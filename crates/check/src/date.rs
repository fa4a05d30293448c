//! Days, as they stand in files: `2027-01-31`.

use crate::maintenance::Day;

/// Days since 1970 of a date that exists; `None` for anything else.
#[must_use]
pub fn days(text: &str) -> Option<i64> {
    text.parse::<Day>().ok().zip(Day::new(1970, 1, 1)).map(|(day, first)| day.since(first))
}

/// The date so many days after 1970-01-01.
#[must_use]
pub fn written(days: i64) -> String {
    Day::new(1970, 1, 1).map(|first| first.plus(days).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_and_written() {
        for (text, expect) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-22", 20_779), ("1969-12-31", -1)] {
            assert_eq!(days(text), Some(expect), "{text}");
            assert_eq!(written(expect), text);
        }
        for text in ["2027-02-29", "2027-13-01", "2027-1-1", "tomorrow", "", "2027-01-01-01", "2027-00-10"] {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
