//! Markdown for a pull request: the sum, a table of what is open, and the rest folded away.

use std::fmt::Write as _;

use palisade_event::Untrusted;

use super::{Report, word};
use crate::finding::{Finding, Status};

impl Report {
    /// The text.
    #[must_use]
    pub fn markdown(&self) -> String {
        let score = self.score();
        let mut out = match &self.site {
            Some(site) => format!("## Palisade probe: {score} % of what was asked holds at {}\n\n", safe(site)),
            None => format!("## Palisade check: {score} % of the checklist holds in {}\n\n", self.environment),
        };
        let counts: Vec<_> =
            self.summary().counts().map(|(status, count)| format!("{count} {}", word(status))).collect();
        let _ = writeln!(out, "{}.\n", counts.join(", "));
        let open: Vec<&Finding> = self
            .findings
            .iter()
            .filter(|finding| matches!(finding.status, Status::Fail | Status::Warn | Status::Unknown))
            .collect();
        if !open.is_empty() {
            out.push_str("| | check | what was seen | fix |\n|---|---|---|---|\n");
        }
        for finding in &open {
            let place =
                finding.location.as_ref().map(|place| format!("{}: ", safe(&place.to_string()))).unwrap_or_default();
            let more =
                finding.details.iter().filter(|detail| detail.status == finding.status).count().saturating_sub(1);
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            let allowed = if finding.allowed { ", allowed" } else { "" };
            let _ = writeln!(
                out,
                "| {}{allowed} | {} `{}` | {place}{}{more} | {} |",
                finding.status.id(),
                finding.check.title,
                finding.check.id,
                safe(&finding.evidence),
                safe(&finding.fix),
            );
        }
        out.push_str("\n<details><summary>Everything else</summary>\n\n");
        let rest = |finding: &&Finding| !matches!(finding.status, Status::Fail | Status::Warn | Status::Unknown);
        for finding in self.findings.iter().filter(rest) {
            let _ = writeln!(
                out,
                "- {}: {} `{}`: {}",
                finding.status.id(),
                finding.check.title,
                finding.check.id,
                safe(&finding.evidence)
            );
        }
        out.push_str("\n</details>\n");
        out
    }
}

fn safe(text: &str) -> String {
    Untrusted::new(text).markdown().to_string()
}
