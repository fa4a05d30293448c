use std::fmt;
use std::time::Duration;

/// A limit: `count` requests per `window`, as GCRA: a burst of `count`, then one every `window / count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    /// Requests; at least one.
    pub count: u32,
    /// Time they share; a whole number of seconds.
    pub window: Duration,
}

impl Limit {
    /// Reads `5/min`: a count and `/s`, `/min`, `/h` or `/d`.
    ///
    /// # Errors
    /// Says what is wrong in one clause: no count, zero, an unknown unit, more than 1,000 a second.
    pub fn parse(text: &str) -> Result<Limit, &'static str> {
        let (count, unit) = text.split_once('/').ok_or("a limit is written like \"5/min\"")?;
        let window = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err("the unit is one of /s, /min, /h, /d"),
        };
        let digits = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
        let count: u32 = digits.then(|| count.parse().ok()).flatten().ok_or("the count is a whole number")?;
        if count == 0 {
            return Err("a limit of zero would refuse everything");
        }
        if u64::from(count) > 1000 * window {
            return Err("more than 1,000 a second is no limit");
        }
        Ok(Limit { count, window: Duration::from_secs(window) })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/min", self.count),
            3600 => write!(f, "{}/h", self.count),
            86_400 => write!(f, "{}/d", self.count),
            seconds => write!(f, "{} in {seconds} s", self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_as_written() {
        for text in ["5/min", "1/s", "1000/s", "60000/min", "100/h", "86400000/d"] {
            assert_eq!(Limit::parse(text).map(|limit| limit.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_limits_nothing_or_everything_is_refused() {
        for text in [
            "",
            "5",
            "/min",
            "5/",
            "0/min",
            "-1/s",
            "+5/min",
            "5 /min",
            "5/ min",
            "5/m",
            "5/minute",
            "1001/s",
            "60001/min",
            "5.5/min",
            "99999999999/d",
            "٥/min",
        ] {
            assert!(Limit::parse(text).is_err(), "{text}");
        }
    }
}
