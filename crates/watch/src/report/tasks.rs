//! Recurring tasks that are overdue, by the team's own record of them.

use std::path::Path;

use palisade_check::maintenance::{Day, Record, State, schedule};
use palisade_event::EventTime;

use super::Overdue;
use crate::dashboard::small_file;

pub(super) fn overdue(record: &Path, now: EventTime) -> Vec<Overdue> {
    let today = i64::try_from(now.micros() / 1_000_000).ok().and_then(Day::of_unix);
    let record = small_file(record).and_then(|(text, _)| Record::read(&text).ok());
    let Some((record, today)) = record.zip(today) else { return Vec::new() };
    let late = schedule(&record, today).into_iter().filter(|entry| entry.state == State::Overdue);
    late.map(|entry| Overdue { id: entry.task.id, title: entry.task.title, due: entry.due.to_string() }).collect()
}
