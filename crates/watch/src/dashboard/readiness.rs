//! What the checklist left in the policy's folder, and what is due of the recurring tasks by the record that lies there.
//!
//! Read only: the report of `palisade check --json` and the record of `palisade maintenance`, by the names below. They are files
//! of the operator's own, and still shown as strangers' text.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use maud::{Markup, html};
use palisade_check::maintenance::{Day, Entry, Record, State, schedule};
use palisade_event::EventTime;
use serde_json::Value;

use super::About;
use super::words::{long, number, theirs, when};

/// What `palisade check --json` is written to, for this page.
const CHECKS: &str = ".palisade/check.json";
/// What `palisade maintenance` writes down.
pub(crate) const RECORD: &str = "palisade-maintenance.toml";
/// Bytes of a report.
const CAP: u64 = 4 << 20;
/// Rows of a table.
const ROWS: usize = 300;

pub(super) fn page(about: &About, now: EventTime) -> Markup {
    html! {
        section aria-labelledby="checks" {
            h2 #checks { "Checklist" }
            @match read(&about.folder.join(CHECKS)) {
                Some((text, at)) => (checks(&serde_json::from_str(&text).unwrap_or_default(), at, now)),
                None => p.empty { "No report. " code { "palisade check --json > " (CHECKS) } " writes one." },
            }
        }
        section aria-labelledby="tasks" {
            h2 #tasks { "Maintenance" }
            @match read(&about.folder.join(RECORD)).map(|(text, _)| Record::read(&text)) {
                Some(Ok(record)) => (tasks(&record, now)),
                Some(Err(_)) => p.empty { (RECORD) " is not understood: " code { "palisade maintenance" } " says where." },
                None => p.empty { "Nothing is written down yet. " code { "palisade maintenance" } " says what is due." },
            }
        }
    }
}

fn checks(report: &Value, at: EventTime, now: EventTime) -> Markup {
    let findings: Vec<_> = report.get("findings").and_then(Value::as_array).into_iter().flatten().collect();
    let passed = |finding: &&&Value| matches!(text(finding, "status"), "pass" | "not_applicable");
    html! {
        p { "As of " (when(at, now)) "." }
        dl.figures {
            @for (name, count) in report.get("summary").and_then(Value::as_object).into_iter().flatten() {
                div { dt { (theirs(&name.replace('_', " "))) } dd { (number(count.as_u64().unwrap_or(0))) } }
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Findings" {
            table.wide {
                caption.quiet { "Findings that are not passed" }
                thead { tr { th scope="col" { "Status" } th scope="col" { "Check" } th scope="col" { "Evidence" } th scope="col" { "Fix" } } }
                tbody {
                    @for finding in findings.iter().filter(|finding| !passed(finding)).take(ROWS) {
                        tr {
                            td { span.state.(verdict(text(finding, "status"))) { (theirs(text(finding, "status"))) } }
                            th scope="row" { (theirs(text(finding, "title"))) br; span.quiet { (theirs(text(finding, "id"))) } }
                            td data-of="Evidence" { (long(text(finding, "evidence"), 300)) }
                            td data-of="Fix" { (long(text(finding, "fix"), 300)) }
                        }
                    }
                }
            }
        }
    }
}

fn tasks(record: &Record, now: EventTime) -> Markup {
    let today = i64::try_from(now.micros() / 1_000_000).ok().and_then(Day::of_unix);
    let mut entries: Vec<Entry<'_>> = today.map(|today| schedule(record, today)).unwrap_or_default();
    entries.sort_by_key(|entry| entry.state);
    let count = |state| entries.iter().filter(|entry| entry.state == state).count() as u64;
    html! {
        dl.figures {
            @for state in [State::Overdue, State::Due, State::Done] {
                div { dt { (state.id()) } dd { (number(count(state))) } }
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Maintenance" {
            table.wide {
                caption.quiet { "Tasks of this day, week, month and quarter" }
                thead { tr { th scope="col" { "State" } th scope="col" { "Task" } th scope="col" { "Until" } th scope="col" { "Last" } } }
                tbody {
                    @for Entry { task, state, due, last, .. } in &entries {
                        tr {
                            td { span.state.(verdict(state.id())) { (state.id()) } }
                            th scope="row" { (task.title) br; span.quiet { (task.id) } }
                            td.t data-of="Until" { (due) }
                            td data-of="Last" {
                                @if let Some(done) = last { (done.on) " by " (theirs(&done.by)) br; span.quiet { (long(&done.evidence, 200)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The class of a verdict, out of a few that the style sheet knows.
fn verdict(word: &str) -> &'static str {
    match word {
        "pass" | "done" | "attested" => "resolved",
        "fail" | "overdue" => "open",
        _ => "acknowledged",
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A file and when it was written; none where there is no regular file of ours.
pub(crate) fn read(path: &Path) -> Option<(String, EventTime)> {
    let about = std::fs::symlink_metadata(path).ok().filter(|about| about.is_file() && about.len() <= CAP)?;
    let mut text = String::new();
    File::open(path).ok()?.take(CAP).read_to_string(&mut text).ok()?;
    let at = about.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((text, EventTime::from_micros(u64::try_from(at.as_micros()).ok()?)))
}
