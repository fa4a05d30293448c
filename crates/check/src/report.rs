//! A whole run: its findings, what they add up to, and how each format writes them.

mod html;
mod human;
mod json;
mod junit;
mod markdown;
mod sarif;

use std::collections::BTreeSet;

use crate::check::{Item, Section};
use crate::finding::{Finding, Status};

/// The findings of a run, in the order of the checks.
#[derive(Debug, Clone)]
pub struct Report {
    /// One for each check that was asked for.
    pub findings: Vec<Finding>,
    /// The environment that was judged.
    pub environment: String,
    /// The running site, where that alone was asked and not the project.
    pub site: Option<String>,
    /// The day of the run, `2027-01-31`.
    pub today: String,
    /// The program's version.
    pub version: &'static str,
}

/// What the user has said about single checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// `-A`: shown, and does not count.
    pub allow: BTreeSet<String>,
    /// `-W`: a failure or an unknown is a warning.
    pub warn: BTreeSet<String>,
    /// `-D`: a warning is a failure.
    pub deny: BTreeSet<String>,
}

/// How many checks came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    counts: [usize; 6],
}

// === impl Report ===

impl Report {
    /// How many checks came to what.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = |status| self.findings.iter().filter(|finding| finding.status == status).count();
        Summary { counts: Status::ALL.map(count) }
    }

    /// The share of the guide's boxes that hold, of those that apply, in percent, rounded down: 100 is all of them, and
    /// nothing that applies is 100 too. Of a running site alone, everything that was asked is weighed.
    #[must_use]
    pub fn score(&self) -> usize {
        let boxes = || self.findings.iter().filter(|finding| self.site.is_some() || finding.check.item != Item::Beyond);
        let applying = boxes().filter(|finding| finding.status != Status::NotApplicable).count();
        let held = boxes().filter(|finding| matches!(finding.status, Status::Pass | Status::Attested)).count();
        (held * 100).checked_div(applying).unwrap_or(100)
    }

    /// Whether any finding counts against the run.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        !self.findings.iter().any(Finding::counts)
    }

    /// The three things to do first: what fails before what is unknown, the severe before the mild. One fix that helps
    /// several checks is named once.
    #[must_use]
    pub fn next_things(&self) -> Vec<&Finding> {
        let mut open: Vec<&Finding> = self.findings.iter().filter(|finding| finding.counts()).collect();
        open.sort_by_key(|finding| (std::cmp::Reverse(finding.status), finding.check.severity));
        let mut fixes = BTreeSet::new();
        open.retain(|finding| fixes.insert(&finding.fix));
        open.truncate(3);
        open
    }

    /// Takes up what the user has said about single checks.
    pub fn apply(&mut self, levels: &Levels) {
        for finding in &mut self.findings {
            let id = finding.check.id;
            if levels.deny.contains(id) && finding.status == Status::Warn {
                finding.status = Status::Fail;
            }
            if levels.warn.contains(id) && matches!(finding.status, Status::Fail | Status::Unknown) {
                finding.status = Status::Warn;
            }
            finding.allowed = levels.allow.contains(id);
        }
    }

    fn sections(&self) -> impl Iterator<Item = (Section, Vec<&Finding>)> {
        Section::ALL.into_iter().filter_map(|section| {
            let findings: Vec<_> = self.findings.iter().filter(|finding| finding.check.section == section).collect();
            (!findings.is_empty()).then_some((section, findings))
        })
    }
}

// === impl Summary ===

impl Summary {
    /// Each status with its number.
    pub fn counts(&self) -> impl Iterator<Item = (Status, usize)> {
        Status::ALL.into_iter().zip(self.counts)
    }
}

/// What a status is called beside a number.
fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Warn => "warn",
        Status::Unknown => "unknown",
        Status::Attested => "attested",
        Status::NotApplicable => "do not apply",
    }
}
