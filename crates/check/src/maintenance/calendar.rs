//! The schedule for people's calendars (RFC 5545).

use palisade_event::Untrusted;

use super::{Day, Period, TASKS, Task};

/// A calendar with one recurring all-day entry for each period, from a day on, that names the period's tasks.
#[must_use]
pub fn ics(from: Day) -> String {
    let mut out = String::new();
    for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Palisade//maintenance//EN", "CALSCALE:GREGORIAN"] {
        fold(&mut out, line);
    }
    for period in Period::ALL {
        entry(&mut out, period, from);
    }
    fold(&mut out, "END:VCALENDAR");
    out
}

fn entry(out: &mut String, period: Period, from: Day) {
    let begin = from.first_of(period);
    let rule = match period {
        Period::Daily => "FREQ=DAILY",
        Period::Weekly => "FREQ=WEEKLY;BYDAY=MO",
        Period::Monthly => "FREQ=MONTHLY;BYMONTHDAY=1",
        Period::Quarterly => "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1",
    };
    let tasks: Vec<&Task> = TASKS.iter().filter(|task| task.period == period).collect();
    let mut text: Vec<String> = tasks.iter().map(|task| format!("- {} ({})", task.title, task.id)).collect();
    text.push(format!("Then: palisade maintenance run {}", period.id()));
    let text: Vec<String> = text.iter().map(|line| Untrusted::new(line).ics().to_string()).collect();
    for line in [
        "BEGIN:VEVENT".to_owned(),
        format!("UID:maintenance-{}@palisade", period.id()),
        format!("DTSTAMP:{}T000000Z", from.compact()),
        format!("DTSTART;VALUE=DATE:{}", begin.compact()),
        format!("RRULE:{rule}"),
        format!("SUMMARY:Security\\, {}: {} tasks", period.id(), tasks.len()),
        format!("DESCRIPTION:{}", text.join("\\n")),
        "TRANSP:TRANSPARENT".to_owned(),
        "END:VEVENT".to_owned(),
    ] {
        fold(out, &line);
    }
}

/// Content lines are at most 75 octets long, and go on after a line break and a space (section 3.1).
fn fold(out: &mut String, line: &str) {
    let mut room = 75;
    for char in line.chars() {
        if char.len_utf8() > room {
            out.push_str("\r\n ");
            room = 74;
        }
        out.push(char);
        room -= char.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_says_when_each_period_begins_and_no_line_is_too_long() {
        let calendar = ics("2026-11-22".parse().expect("a day"));
        for line in calendar.split_terminator("\r\n") {
            assert!(line.len() <= 75 && !line.contains('\n'), "{line:?}");
        }
        let unfolded = calendar.replace("\r\n ", "");
        for part in [
            "DTSTART;VALUE=DATE:20261122\r\nRRULE:FREQ=DAILY\r\n",
            "DTSTART;VALUE=DATE:20261116\r\nRRULE:FREQ=WEEKLY;BYDAY=MO\r\n",
            "DTSTART;VALUE=DATE:20261001\r\nRRULE:FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1\r\n",
        ] {
            assert!(unfolded.contains(part), "{part}");
        }
        assert!(TASKS.iter().all(|task| unfolded.contains(task.id)));
        assert_eq!(unfolded.matches("BEGIN:VEVENT").count(), 4);
    }
}
