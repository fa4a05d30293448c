//! The operations guide's recurring tasks: what is due on a day, what was done, by whom, and on what evidence.
//!
//! Periods are those of the calendar (a day, a week from Monday on, a month, a quarter), in the team's own time zone: whoever
//! asks says which day it is. A task is done once a period. What a team did is a record, a file that it commits.

mod calendar;
mod date;
mod record;
mod schedule;
mod task;

pub use calendar::ics;
pub use date::Day;
pub use record::{Done, Record};
pub use schedule::{Entry, State, schedule};
pub use task::{How, Period, TASKS, Task, task};
