//! `22/Nov/2026:07:15:00 +0000`, the time of the common log format.

use palisade_event::{EventTime, days};

use super::text::number;

/// Remembers the time of the line before: a busy log says the same second a thousand times.
#[derive(Debug, Default)]
pub(super) struct Clock {
    text: [u8; WIDTH],
    time: EventTime,
}

/// Bytes of such a time.
pub(super) const WIDTH: usize = 26;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

// === impl Clock ===

impl Clock {
    /// Reads a time of [`WIDTH`] bytes.
    pub(super) fn read(&mut self, text: &[u8]) -> Option<EventTime> {
        let text: &[u8; WIDTH] = text.try_into().ok()?;
        if self.text != *text {
            self.time = read(text)?;
            self.text = *text;
        }
        Some(self.time)
    }
}

fn read(text: &[u8; WIDTH]) -> Option<EventTime> {
    let [
        d0,
        d1,
        b'/',
        m0,
        m1,
        m2,
        b'/',
        y0,
        y1,
        y2,
        y3,
        b':',
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
        b' ',
        sign,
        rest @ ..,
    ] = text
    else {
        return None;
    };
    let [z0, z1, z2, z3] = rest;
    let month = MONTHS.iter().position(|name| **name == [*m0, *m1, *m2])? as u64 + 1;
    let days = days(number(&[*y0, *y1, *y2, *y3])?, month, number(&[*d0, *d1])?)?;
    let (hour, minute, second) = (number(&[*h0, *h1])?, number(&[*n0, *n1])?, number(&[*s0, *s1])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let east = number(&[*z0, *z1])? * 3600 + number(&[*z2, *z3])? * 60;
    let local = days * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = match sign {
        b'+' => local.checked_sub(east)?,
        b'-' => local.checked_add(east)?,
        _ => return None,
    };
    Some(EventTime::from_micros(seconds * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_zones_and_remembers_only_what_was_readable() {
        let mut clock = Clock::default();
        let mut read = |text: &str| clock.read(text.as_bytes()).map(EventTime::micros);
        let noon = EventTime::from_rfc3339("2026-11-22T12:00:00Z").map(EventTime::micros);
        assert_eq!(read("22/Nov/2026:12:00:00 +0000"), noon);
        assert_eq!(read("22/Nov/2026:12:00:00 +0000"), noon);
        assert_eq!(read("22/Nov/2026:13:30:00 +0130"), noon);
        assert_eq!(read("22/Nov/2026:04:00:00 -0800"), noon);
        for bad in ["22/Nox/2026:12:00:00 +0000", "32/Nov/2026:12:00:00 +0000", "22/Nov/2026:12:00:00 *0000", "", "x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read("22/Nov/2026:12:00:00 +0000"), noon);
    }
}
