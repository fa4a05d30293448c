//! `maintenance`: which of the guide's recurring tasks are due, and doing what a command can do of them.

mod book;
mod outcome;

use anyhow::{Context as _, bail};
use palisade_check::maintenance::{self, Day, Done, Entry, How, Period, State, Task};
use palisade_event::Untrusted;
use serde_json::{Value, json};

use crate::args::{Maintenance, MaintenanceCommand, MaintenanceDone, MaintenanceRun, RecordArgs};
use crate::output::{self, Exit, Format};
use book::Book;
use outcome::Outcome;

pub(crate) fn run(args: &Maintenance, format: Format) -> anyhow::Result<Exit> {
    match &args.command {
        None => list(args, format),
        Some(MaintenanceCommand::Run(wanted)) => run_period(wanted, format),
        Some(MaintenanceCommand::Done(wanted)) => done(wanted, format),
        Some(MaintenanceCommand::Calendar(wanted)) => {
            output::result(maintenance::ics(day(wanted)?).trim_end());
            Ok(Exit::Fine)
        }
    }
}

fn day(args: &RecordArgs) -> anyhow::Result<Day> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    args.on
        .or_else(|| Day::of_unix(i64::try_from(now.as_secs()).ok()?))
        .context("the clock says no day of this calendar")
}

// === What is due ===

fn list(args: &Maintenance, format: Format) -> anyhow::Result<Exit> {
    let today = day(&args.record)?;
    let book = Book::read(&args.record.record)?;
    let mut entries = maintenance::schedule(book.record(), today);
    entries.retain(|entry| args.period.is_none_or(|wanted| entry.task.period == wanted.into()));
    match format {
        Format::Json => {
            let tasks: Vec<_> = entries.iter().map(as_json).collect();
            output::result(&serde_json::to_string_pretty(&json!({ "on": today.to_string(), "tasks": tasks }))?);
        }
        Format::Human => shown(&entries, today),
    }
    Ok(if entries.iter().any(|entry| entry.state == State::Overdue) { Exit::Findings } else { Exit::Fine })
}

fn as_json(entry: &Entry<'_>) -> Value {
    let Entry { task, state, due, missed, last } = entry;
    json!({
        "id": task.id,
        "period": task.period.id(),
        "title": task.title,
        "due": due.to_string(),
        "state": state.id(),
        "missed": missed,
        "steps": task.steps,
        "command": command(task).map(|arguments| format!("palisade {}", arguments.join(" "))),
        "reference": task.owasp,
        "last": last.map(|done| json!({ "on": done.on.to_string(), "by": done.by, "evidence": done.evidence })),
    })
}

fn command(task: &Task) -> Option<&'static [&'static str]> {
    match task.how {
        How::Run(arguments) | How::Live(arguments) => Some(arguments),
        How::Dependabot | How::Person => None,
    }
}

fn shown(entries: &[Entry<'_>], today: Day) {
    for period in Period::ALL {
        let mut of: Vec<_> = entries.iter().filter(|entry| entry.task.period == period).collect();
        if of.is_empty() {
            continue;
        }
        of.sort_by_key(|entry| entry.state);
        output::result(&format!("{}, until {}", period.id(), today.last_of(period)));
        for entry in of {
            let more = match (entry.state, entry.last) {
                (State::Overdue, _) => format!("since {}, {} missed", entry.due, entry.missed),
                (State::Due, _) => how(entry.task).to_owned(),
                (State::Done, last) => {
                    last.map(|done| format!("{} by {}", done.on, plain(&done.by))).unwrap_or_default()
                }
            };
            output::result(&format!("  {:<8} {:<28} {}  ({more})", entry.state.id(), entry.task.id, entry.task.title));
        }
    }
    let count = |state| entries.iter().filter(|entry| entry.state == state).count();
    output::note(&format!(
        "{today}: {} overdue, {} due, {} done",
        count(State::Overdue),
        count(State::Due),
        count(State::Done)
    ));
}

fn how(task: &Task) -> &'static str {
    match task.how {
        How::Run(_) => "a command",
        How::Live(_) => "a command, with --live URL",
        How::Dependabot => "gh, or a person",
        How::Person => "a person",
    }
}

/// What a file says, in a terminal.
fn plain(text: &str) -> impl std::fmt::Display {
    Untrusted::new(text).cut(200).terminal().to_string()
}

// === Doing it ===

fn run_period(args: &MaintenanceRun, format: Format) -> anyhow::Result<Exit> {
    let today = day(&args.record)?;
    let mut book = Book::read(&args.record.record)?;
    let period = Period::from(args.period);
    let open: Vec<&'static Task> = maintenance::schedule(book.record(), today)
        .into_iter()
        .filter(|entry| entry.task.period == period && (args.again || entry.state != State::Done))
        .map(|entry| entry.task)
        .collect();
    let mut results = Vec::new();
    for task in open {
        let outcome = outcome::of(task, args.live.as_deref(), args.dry_run);
        if let Outcome::Done { evidence, .. } = &outcome {
            // Each at once, so that what was done is written down whatever happens to the next.
            book.add(Done::new(task, today, &args.by, evidence), today)?;
        }
        if format == Format::Human {
            let (state, text) = outcome.told();
            output::result(&format!("{state:<8} {}: {}", task.id, plain(text)));
        }
        results.push((task, outcome));
    }
    if format == Format::Json {
        let tasks: Vec<_> = results
            .iter()
            .map(|(task, outcome)| {
                let (state, text) = outcome.told();
                json!({ "id": task.id, "outcome": state, "evidence": text, "steps": task.steps })
            })
            .collect();
        output::result(&serde_json::to_string_pretty(&json!({ "on": today.to_string(), "tasks": tasks }))?);
    } else if results.is_empty() {
        output::note(&format!("all {} tasks are done; --again runs them again", period.id()));
    }
    let fine = |(_, outcome): &(&Task, Outcome)| {
        matches!(outcome, Outcome::Done { findings: false, .. } | Outcome::Planned(_))
    };
    Ok(if results.iter().all(fine) { Exit::Fine } else { Exit::Findings })
}

fn done(args: &MaintenanceDone, format: Format) -> anyhow::Result<Exit> {
    let today = day(&args.record)?;
    let unknown: Vec<&str> =
        args.tasks.iter().map(String::as_str).filter(|id| maintenance::task(id).is_none()).collect();
    if !unknown.is_empty() {
        bail!("no task is called {}; `palisade maintenance` lists them", unknown.join(", "));
    }
    if args.note.trim().is_empty() || args.by.trim().is_empty() {
        bail!("--by and --note say who did it and what shows it; neither may be empty");
    }
    let mut book = Book::read(&args.record.record)?;
    for task in args.tasks.iter().filter_map(|id| maintenance::task(id)) {
        book.add(Done::new(task, today, args.by.trim(), args.note.trim()), today)?;
    }
    if format == Format::Json {
        output::result(&json!({ "done": args.tasks, "on": today.to_string() }).to_string());
    } else {
        output::note(&format!("written to {}", args.record.record.display()));
    }
    Ok(Exit::Fine)
}
