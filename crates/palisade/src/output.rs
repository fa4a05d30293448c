//! What is written where: results to stdout, everything for people's eyes alone to stderr.

use std::io::Write as _;
use std::process::ExitCode;

use palisade_diag::{Colour, Diagnostics, Sources};

/// For whom results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Human,
    Json,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    Human,
    Json,
    Sarif,
    Junit,
    Html,
    Markdown,
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine,
    Findings,
    CouldNotRun,
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::CouldNotRun => 2,
            Exit::Usage => 64,
        })
    }
}

/// Writes a result. A closed pipe is its reader's choice, not an error.
pub(crate) fn result(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes for people.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes one error for people.
pub(crate) fn problem(text: &str) {
    let (on, off) = if coloured(&std::io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    note(&format!("{on}error{off}: {text}"));
}

/// Writes diagnostics for people.
pub(crate) fn diagnostics(found: &Diagnostics, sources: &Sources) {
    if !found.is_empty() {
        let colour = if coloured(&std::io::stderr()) { Colour::On } else { Colour::Off };
        note(palisade_diag::human(found, sources, colour).trim_end());
    }
}

/// See no-color.org.
pub(crate) fn coloured(stream: &impl std::io::IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}
