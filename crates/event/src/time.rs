//! When something happened, and the texts that say so.

/// A moment, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(u64);

// === impl EventTime ===

impl EventTime {
    /// A moment by its microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> EventTime {
        EventTime(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// A number as loggers write it: seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by
    /// size. Right for times from 1973 to 5138; none for negative and nonsensical ones.
    #[must_use]
    pub fn from_number(number: f64) -> Option<EventTime> {
        let micros = match number {
            n if n.is_nan() || n < 0.0 => return None,
            n if n < 1e11 => n * 1e6,
            n if n < 1e14 => n * 1e3,
            n if n < 1e17 => n,
            n if n < 1e20 => n / 1e3,
            _ => return None,
        };
        // Between 0 and 1e17, so it fits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        Some(EventTime(micros.round() as u64))
    }

    /// Reads RFC 3339: `2026-11-22T07:15:00Z`, any fraction (beyond microseconds it is cut), `+01:00` too. A leap
    /// second is the second after it.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<EventTime> {
        let bytes = text.as_bytes();
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b't' | b' ', rest @ ..] = bytes else { return None };
        let [h0, h1, b':', n0, n1, b':', s0, s1, rest @ ..] = rest else { return None };
        let year = number(&[*y0, *y1, *y2, *y3])?;
        let days = days(year, number(&[*m0, *m1])?, number(&[*d0, *d1])?)?;
        let (hour, minute, second) = (number(&[*h0, *h1])?, number(&[*n0, *n1])?, number(&[*s0, *s1])?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (fraction, rest) = fraction(rest)?;
        let seconds = (days * 86_400 + hour * 3600 + minute * 60 + second).checked_add_signed(-offset(rest)?)?;
        Some(EventTime(seconds * 1_000_000 + fraction))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar from then to 9999 (Howard Hinnant's `days_from_civil`).
#[must_use]
pub fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || day == 0 || day > length {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let (era, of_era) = (year / 400, year % 400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// Microseconds of `.123456789`, and what follows.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(length)?;
    let kept = digits.get(..length.min(6))?;
    let scale = 10_u64.pow(6 - u32::try_from(kept.len()).ok()?);
    (length > 0).then_some((number(kept)? * scale, after))
}

/// Seconds east of UTC: `Z`, `+01:00`, `+0100`.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        b"Z" | b"z" => return Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] | [sign @ (b'+' | b'-'), h0, h1, m0, m1] => {
            (*sign, number(&[*h0, *h1])?, number(&[*m0, *m1])?)
        }
        _ => return None,
    };
    let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc3339;

    fn read(text: &str) -> Option<u64> {
        EventTime::from_rfc3339(text).map(EventTime::micros)
    }

    #[test]
    fn what_is_written_reads_back() {
        for micros in [0, 1, 951_782_400_000_000, 1_793_577_600_000_001, 4_102_444_799_999_999] {
            let mut text = Vec::new();
            rfc3339(micros, &mut text);
            assert_eq!(read(std::str::from_utf8(&text).expect("ascii")), Some(micros));
        }
    }

    #[test]
    fn offsets_fractions_and_spellings() {
        let noon = read("2026-11-22T12:00:00Z").expect("time");
        for same in ["2026-11-22T13:00:00+01:00", "2026-11-22 07:00:00.000-0500", "2026-11-22t12:00:00z"] {
            assert_eq!(read(same), Some(noon), "{same}");
        }
        assert_eq!(read("2026-11-22T12:00:00.1234567Z"), Some(noon + 123_456));
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T12:00:00",
            "2026-13-01T00:00:00Z",
            "",
            "2026-11-22T12:00:00.Z",
            "1969-12-31T23:59:59Z",
            "2026-11-22T12:00:00+25:00",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_told_apart_by_size() {
        let expect = Some(EventTime(1_793_577_600_500_000));
        for number in [1_793_577_600.5, 1_793_577_600_500.0, 1_793_577_600_500_000.0, 1_793_577_600_500_000_000.0] {
            assert_eq!(EventTime::from_number(number), expect, "{number}");
        }
        assert_eq!(EventTime::from_number(-1.0), None);
        assert_eq!(EventTime::from_number(f64::NAN), None);
    }
}
