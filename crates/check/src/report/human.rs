//! For people at a terminal: by the guide's sections, what is wrong in full, what is well in one line.

use std::fmt::Write as _;

use palisade_event::Untrusted;

use super::{Report, word};
use crate::finding::{Detail, Finding, Status};

/// More places of one check than anybody reads at once.
const MAX_DETAILS: usize = 8;

impl Report {
    /// The report with or without colours.
    #[must_use]
    pub fn human(&self, coloured: bool) -> String {
        let mut out = String::new();
        for (section, findings) in self.sections() {
            let held = findings.iter().filter(|it| matches!(it.status, Status::Pass | Status::Attested)).count();
            let applying = findings.iter().filter(|it| it.status != Status::NotApplicable).count();
            let _ = writeln!(out, "{}", paint(&format!("{} ({held} of {applying})", section.title()), "1", coloured));
            for finding in findings {
                lines(&mut out, finding, coloured);
            }
            out.push('\n');
        }
        self.foot(&mut out, coloured);
        out
    }

    fn foot(&self, out: &mut String, coloured: bool) {
        let next = self.next_things();
        if !next.is_empty() {
            let _ = writeln!(out, "{}", paint("Next", "1", coloured));
            for (number, finding) in next.iter().enumerate() {
                let _ = writeln!(out, "  {}. {} ({})", number + 1, safe(&finding.fix), finding.check.id);
            }
            out.push('\n');
        }
        let counts: Vec<_> =
            self.summary().counts().map(|(status, count)| format!("{count} {}", word(status))).collect();
        let allowed = self.findings.iter().filter(|finding| finding.allowed).count();
        let allowed = if allowed > 0 { format!(" ({allowed} allowed)") } else { String::new() };
        let score = format!("{} % of the checklist holds in {}", self.score(), self.environment);
        let _ = writeln!(out, "{}: {}{allowed}", paint(&score, "1", coloured), counts.join(", "));
    }
}

fn lines(out: &mut String, finding: &Finding, coloured: bool) {
    let Finding { check, status, evidence, details, allowed, .. } = finding;
    let (mark, colour) = match status {
        Status::Pass => ("pass", "32"),
        Status::Attested => ("attested", "32"),
        Status::Warn => ("warn", "33"),
        Status::Unknown => ("unknown", "35"),
        Status::Fail => ("FAIL", "1;31"),
        Status::NotApplicable => ("n/a", "2"),
    };
    let note = if *allowed { ", allowed" } else { "" };
    let _ = writeln!(
        out,
        "  {} {}  {}{note}",
        paint(&format!("{mark:<8}"), colour, coloured),
        check.title,
        paint(check.id, "2", coloured)
    );
    if matches!(status, Status::Pass | Status::NotApplicable | Status::Attested) {
        let _ = writeln!(out, "           {}", paint(&safe(evidence), "2", coloured));
        return;
    }
    let bad = || details.iter().filter(|detail| !matches!(detail.status, Status::Pass | Status::NotApplicable));
    let mut fix_before = None;
    for Detail { evidence, fix, location, .. } in bad().take(MAX_DETAILS) {
        let place = location.as_ref().map(|place| format!("{}: ", safe(&place.to_string()))).unwrap_or_default();
        if fix_before.is_some_and(|before| before != fix) {
            fix_line(out, fix_before, coloured);
        }
        let _ = writeln!(out, "           {place}{}", safe(evidence));
        fix_before = Some(fix);
    }
    let more = bad().count().saturating_sub(MAX_DETAILS);
    if more > 0 {
        let _ = writeln!(out, "           and {more} more (--format json names all)");
    }
    fix_line(out, fix_before, coloured);
}

fn fix_line(out: &mut String, fix: Option<&String>, coloured: bool) {
    if let Some(fix) = fix.filter(|fix| !fix.is_empty()) {
        let _ = writeln!(out, "           {} {}", paint("fix:", "36", coloured), safe(fix));
    }
}

fn safe(text: &str) -> String {
    Untrusted::new(text).terminal().to_string()
}

fn paint(text: &str, colour: &str, coloured: bool) -> String {
    if coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}
