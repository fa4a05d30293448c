//! JUnit's XML, as CI servers read it (Jenkins' `junit-10.xsd`): a suite for each section, a case for each check; an unknown is
//! skipped.

use std::fmt::Write as _;

use palisade_event::Untrusted;

use super::Report;
use crate::finding::{Detail, Finding, Status};

impl Report {
    /// The document.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let all: Vec<&Finding> = self.findings.iter().collect();
        // Jenkins' XSD knows no `skipped` here.
        let command = if self.site.is_some() { "probe" } else { "check" };
        let _ = writeln!(out, "<testsuites name=\"palisade {command}\" {}>", numbers(&all));
        for (section, findings) in self.sections() {
            let skipped = findings.iter().filter(|finding| is_skipped(finding)).count();
            let (name, numbers) = (safe(section.title()), numbers(&findings));
            let _ = writeln!(out, "  <testsuite name=\"{name}\" {numbers} skipped=\"{skipped}\">");
            for finding in findings {
                case(&mut out, finding);
            }
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }
}

fn numbers(findings: &[&Finding]) -> String {
    let failures = findings.iter().filter(|finding| is_failure(finding)).count();
    format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", findings.len())
}

fn is_failure(finding: &Finding) -> bool {
    finding.status == Status::Fail && !finding.allowed
}

fn is_skipped(finding: &Finding) -> bool {
    matches!(finding.status, Status::Unknown | Status::NotApplicable)
        || (finding.status == Status::Fail && finding.allowed)
}

fn case(out: &mut String, finding: &Finding) {
    let check = finding.check;
    let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}\"", check.section.id(), safe(check.id));
    if is_failure(finding) {
        let _ = writeln!(
            out,
            ">\n      <failure message=\"{}\" type=\"{}\">",
            safe(&finding.evidence),
            check.severity.id()
        );
        for Detail { evidence, fix, location, .. } in finding.details.iter().filter(|it| it.status == Status::Fail) {
            let place = location.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            let _ = writeln!(out, "{}{}. {}", safe(&place), safe(evidence), safe(fix));
        }
        out.push_str("      </failure>\n    </testcase>\n");
    } else if is_skipped(finding) {
        let _ = writeln!(
            out,
            ">\n      <skipped message=\"{}: {}\"/>\n    </testcase>",
            finding.status.id(),
            safe(&finding.evidence)
        );
    } else if finding.status == Status::Warn {
        let _ =
            writeln!(out, ">\n      <system-out>warning: {}</system-out>\n    </testcase>", safe(&finding.evidence));
    } else {
        out.push_str("/>\n");
    }
}

fn safe(text: &str) -> String {
    Untrusted::new(text).xml().to_string()
}
