//! What is due on a day.

use super::{Day, Done, Record, TASKS, Task};

/// Where a task stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A whole period has gone by without it.
    Overdue,
    /// It is this period's turn.
    Due,
    /// Done in this period.
    Done,
}

/// A task, and where it stands.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The task.
    pub task: &'static Task,
    /// Where it stands.
    pub state: State,
    /// The last day to do it: of the first period that has gone by without it, of this period, or, if it is done, of the next.
    pub due: Day,
    /// How many whole periods have gone by without it.
    pub missed: u32,
    /// When it was done last.
    pub last: Option<&'a Done>,
}

// === impl State ===

impl State {
    /// As written.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            State::Overdue => "overdue",
            State::Due => "due",
            State::Done => "done",
        }
    }
}

/// Every task as it stands on a day, in the order of the table. What the record says of later days does not count yet.
#[must_use]
pub fn schedule(record: &Record, today: Day) -> Vec<Entry<'_>> {
    TASKS.iter().map(|task| entry(task, record, today)).collect()
}

fn entry<'a>(task: &'static Task, record: &'a Record, today: Day) -> Entry<'a> {
    let period = task.period;
    let last = record.last(task.id, today);
    let current = today.first_of(period);
    // The period in which the team began is the first that asks for anything.
    let mut owed = match last {
        Some(done) => done.on.next_period(period),
        None => record.since().unwrap_or(today).first_of(period),
    };
    let due = owed.last_of(period);
    let mut missed = 0;
    while owed < current {
        missed += 1;
        owed = owed.next_period(period);
    }
    let state = match (missed, owed > current) {
        (0, true) => State::Done,
        (0, false) => State::Due,
        (1.., _) => State::Overdue,
    };
    Entry { task, state, due, missed, last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maintenance::Period;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    fn states(record: &Record, today: &str) -> Vec<(&'static str, State, u32)> {
        schedule(record, day(today)).into_iter().map(|entry| (entry.task.id, entry.state, entry.missed)).collect()
    }

    fn done(task: &str, on: &str) -> Done {
        Done { task: task.to_owned(), on: day(on), by: "ann".to_owned(), evidence: "looked".to_owned() }
    }

    #[test]
    fn on_the_first_day_all_is_due_and_nothing_overdue() {
        assert!(states(&Record::default(), "2026-11-22").iter().all(|(_, state, _)| *state == State::Due));
    }

    #[test]
    fn what_was_left_out_is_overdue_by_as_many_periods() {
        let mut record = Record::begun(day("2026-11-02"));
        record.add(done("daily/error-logs", "2026-11-19"));
        record.add(done("weekly/dependency-audit", "2026-11-16"));
        let states = states(&record, "2026-11-22");
        let of = |id: &str| states.iter().find(|(task, _, _)| *task == id).map(|(_, state, missed)| (*state, *missed));
        assert_eq!(of("daily/error-logs"), Some((State::Overdue, 2)));
        assert_eq!(of("daily/failed-sign-ins"), Some((State::Overdue, 20)));
        assert_eq!(of("weekly/dependency-audit"), Some((State::Done, 0)));
        assert_eq!(of("weekly/error-patterns"), Some((State::Overdue, 2)));
        assert_eq!(of("monthly/security-audit"), Some((State::Due, 0)));
    }

    #[test]
    fn a_record_of_tomorrow_does_not_make_today_done() {
        let mut record = Record::begun(day("2026-11-22"));
        record.add(done("daily/error-logs", "2026-11-23"));
        assert_eq!(states(&record, "2026-11-22").first().map(|(_, state, _)| *state), Some(State::Due));
    }

    /// A diligent team does each task on the second day of its period, or the first where there is only one.
    #[test]
    fn over_a_year_each_task_falls_due_once_a_period_and_on_the_right_day() {
        let (begin, end) = (day("2026-01-01"), day("2027-01-01"));
        let mut record = Record::begun(begin);
        let mut times = [0_u32; 4];
        let mut today = begin;
        while today < end {
            // The record goes to its file and back: nothing may hang on what a process remembers.
            if today.since(begin) % 7 == 0 {
                record = Record::read(&record.text()).expect("what was written is read");
            }
            let open: Vec<_> = schedule(&record, today)
                .into_iter()
                .filter(|entry| entry.state != State::Done)
                .map(|entry| (entry.task, entry.state, entry.due))
                .collect();
            for (task, state, due) in open {
                assert_eq!(state, State::Due, "{} on {today}", task.id);
                assert_eq!(due, today.last_of(task.period), "{} on {today}", task.id);
                let begun = today.since(today.first_of(task.period)) >= 1 || task.period == Period::Daily;
                if begun {
                    record.add(Done {
                        task: task.id.to_owned(),
                        on: today,
                        by: "ann".to_owned(),
                        evidence: format!("seen on {today}"),
                    });
                    times[task.period as usize] += 1;
                }
            }
            today = today.plus(1);
        }
        // 2026 begins on a Thursday: its first days lie in a week of their own, its last in one that ends in 2027.
        assert_eq!(times, [3 * 365, 4 * 53, 5 * 12, 5 * 4]);
    }
}
