//! What the checklist and the maintenance schedule left in the policy's folder, where they ran.
//!
//! Read only: the reports of `palisade check --json` and `palisade maintenance --json`, by the names below. They are files of
//! the operator's own, and still shown as strangers' text.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use maud::{Markup, html};
use palisade_event::EventTime;
use serde_json::Value;

use super::About;
use super::words::{long, number, theirs, when};

/// What `palisade check --json` is written to, for this page.
const CHECKS: &str = ".palisade/check.json";
/// What `palisade maintenance --json` is written to.
const TASKS: &str = ".palisade/maintenance.json";
/// Bytes of a report.
const CAP: u64 = 4 << 20;
/// Rows of a table.
const ROWS: usize = 300;

pub(super) fn page(about: &About, now: EventTime) -> Markup {
    html! {
        section aria-labelledby="checks" {
            h2 #checks { "Checklist" }
            @match read(&about.folder.join(CHECKS)) {
                Some((report, at)) => (checks(&report, at, now)),
                None => p.empty { "No report. " code { "palisade check --json > " (CHECKS) } " writes one." },
            }
        }
        section aria-labelledby="tasks" {
            h2 #tasks { "Maintenance" }
            @match read(&about.folder.join(TASKS)) {
                Some((report, at)) => (tasks(&report, at, now)),
                None => p.empty { "No report. " code { "palisade maintenance --json > " (TASKS) } " writes one." },
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
                            td { (long(text(finding, "evidence"), 300)) }
                            td { (long(text(finding, "fix"), 300)) }
                        }
                    }
                }
            }
        }
    }
}

fn tasks(report: &Value, at: EventTime, now: EventTime) -> Markup {
    html! {
        p { "As of " (when(at, now)) "." }
        div.scroll tabindex="0" role="region" aria-label="Maintenance" {
            table.wide {
                caption.quiet { "Tasks by period" }
                thead { tr { th scope="col" { "Task" } th scope="col" { "Period" } th scope="col" { "Due" } th scope="col" { "State" } } }
                tbody {
                    @for task in report.get("tasks").and_then(Value::as_array).into_iter().flatten().take(ROWS) {
                        tr {
                            th scope="row" { (theirs(text(task, "id"))) }
                            td { (theirs(text(task, "period"))) }
                            td.t { (theirs(text(task, "due"))) }
                            td { span.state.(verdict(text(task, "state"))) { (theirs(text(task, "state"))) } }
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

/// A report and when it was written; none where there is no regular file of ours that holds JSON.
fn read(path: &Path) -> Option<(Value, EventTime)> {
    let about = std::fs::symlink_metadata(path).ok().filter(|about| about.is_file() && about.len() <= CAP)?;
    let mut text = String::new();
    File::open(path).ok()?.take(CAP).read_to_string(&mut text).ok()?;
    let at = about.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = EventTime::from_micros(u64::try_from(at.as_micros()).ok()?);
    Some((serde_json::from_str(&text).ok()?, at))
}
