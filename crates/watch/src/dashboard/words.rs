//! Numbers, times and strangers' text, as pages show them.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use palisade_event::{EventTime, Priority, Untrusted, rfc3339};

/// Characters of a stranger's text.
const SHOWN: usize = 120;

/// A stranger's text.
pub(crate) fn theirs(text: &str) -> Markup {
    long(text, SHOWN)
}

/// A stranger's text, longer than usual.
pub(crate) fn long(text: &str, chars: usize) -> Markup {
    let mut out = String::new();
    let _ = write!(out, "{}", Untrusted::new(text).cut(chars).html());
    if text.chars().nth(chars).is_some() {
        out.push('…');
    }
    PreEscaped(out)
}

/// A stranger's text, or a dash for nothing.
pub(crate) fn or_dash(text: &str) -> Markup {
    if text.is_empty() {
        html! { span.none aria-label="nothing" { "–" } }
    } else {
        theirs(text)
    }
}

/// `12,345`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12.3 %` of a whole.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// To the microsecond, for machines.
pub(crate) fn exact(time: EventTime) -> String {
    let mut text = Vec::new();
    rfc3339(time.micros(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// `2026-11-22 07:00:00`, UTC.
pub(crate) fn plain(time: EventTime) -> String {
    exact(time).get(..19).unwrap_or_default().replace('T', " ")
}

/// `2026-11-22`.
pub(crate) fn date(time: EventTime) -> String {
    exact(time).get(..10).unwrap_or_default().to_owned()
}

/// `07:00`.
pub(crate) fn clock(time: EventTime) -> String {
    exact(time).get(11..16).unwrap_or_default().to_owned()
}

/// A moment: its time where it was today, else its date too.
pub(crate) fn when(time: EventTime, now: EventTime) -> Markup {
    let text = plain(time);
    let shown =
        if date(time) == date(now) { text.get(11..).unwrap_or_default() } else { text.get(..16).unwrap_or_default() };
    html! { time datetime=(exact(time)) title={ (text) " UTC" } { (shown) } }
}

/// `2 d 3 h`, `5 min`, `12 s`.
pub(crate) fn span(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A priority as a word in its colour.
pub(crate) fn priority(priority: Priority) -> Markup {
    let class = match priority {
        Priority::P1 => "p1",
        Priority::P2 => "p2",
        Priority::P3 => "p3",
    };
    html! { span.tag.(class) { (priority.id()) } }
}

/// A status in the colour of its class.
pub(crate) fn status(status: u16) -> Markup {
    let class = match status {
        500.. => "bad",
        429 => "held",
        400.. => "no",
        _ => "fine",
    };
    html! { span.status.(class) { @if status == 0 { "–" } @else { (status) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_well() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
        for (seconds, text) in [(5, "5 s"), (65, "1 min"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(span(seconds * 1_000_000), text);
        }
        assert_eq!((percent(1, 8).as_str(), percent(0, 0).as_str()), ("12.5 %", "–"));
    }

    #[test]
    fn strangers_text_stays_text() {
        let shown = theirs("<script>alert(1)</script>\u{202e}\"'").into_string();
        assert!(!shown.contains(['<', '>', '"', '\'', '\u{202e}']), "{shown}");
        assert!(theirs(&"x".repeat(500)).into_string().chars().count() == SHOWN + 1);
    }
}
