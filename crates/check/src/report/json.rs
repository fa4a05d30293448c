//! For programs: `{summary, findings}`.

use serde_json::{Value, json};

use super::Report;
use crate::facts::Place;
use crate::finding::{Detail, Finding};

impl Report {
    /// `{summary: {pass, fail, ...}, score, environment, findings: [{id, section, status, title, evidence, fix, reference,
    /// location, details}]}`.
    #[must_use]
    pub fn json(&self) -> Value {
        let summary: serde_json::Map<_, _> =
            self.summary().counts().map(|(status, count)| (status.id().to_owned(), count.into())).collect();
        let findings: Vec<Value> = self.findings.iter().map(finding).collect();
        let next: Vec<_> = self.next_things().iter().map(|finding| finding.check.id).collect();
        json!({
            "summary": summary,
            "score": self.score(),
            "environment": self.environment,
            "date": self.today,
            "next": next,
            "findings": findings,
        })
    }
}

fn finding(finding: &Finding) -> Value {
    let Finding { check, status, evidence, fix, location, details, allowed } = finding;
    json!({
        "id": check.id,
        "section": check.section.id(),
        "status": status.id(),
        "severity": check.severity.id(),
        "title": check.title,
        "evidence": evidence,
        "fix": fix,
        "reference": check.reference,
        "location": location.as_ref().map(place),
        "allowed": allowed,
        "details": details.iter().map(detail).collect::<Vec<_>>(),
    })
}

fn detail(detail: &Detail) -> Value {
    let Detail { status, evidence, fix, location } = detail;
    json!({ "status": status.id(), "evidence": evidence, "fix": fix, "location": location.as_ref().map(place) })
}

fn place(place: &Place) -> Value {
    json!({ "file": place.file, "line": place.line })
}
