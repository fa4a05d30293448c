//! SARIF 2.1.0, as code scanning takes it: one rule for each check, one result for each thing that was judged.
//!
//! Limits of GitHub's: 25,000 results a run, of which it shows 5,000. An unknown is of kind `open`.

use serde_json::{Value, json};

use super::Report;
use crate::check::Severity;
use crate::facts::Place;
use crate::finding::{Detail, Finding, Status};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// What GitHub takes in one run.
const MAX_RESULTS: usize = 25_000;

/// Where a result stands that has no place of its own: code scanning drops results without one.
const NOWHERE: &str = "palisade.toml";

impl Report {
    /// The log.
    #[must_use]
    pub fn sarif(&self) -> Value {
        let rules: Vec<Value> = self.findings.iter().map(rule).collect();
        let results = self.findings.iter().enumerate();
        let results =
            results.flat_map(|(at, finding)| finding.details.iter().map(move |detail| result(at, finding, detail)));
        let results: Vec<Value> = results.take(MAX_RESULTS).collect();
        json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "palisade",
                    "semanticVersion": self.version,
                    "informationUri": "https://github.com/palisade-gate/palisade",
                    "rules": rules,
                }},
                "automationDetails": { "id": format!("palisade-check/{}", self.environment) },
                "results": results,
                "columnKind": "utf16CodeUnits",
            }],
        })
    }
}

fn rule(finding: &Finding) -> Value {
    let check = finding.check;
    let severity = match check.severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    };
    json!({
        "id": check.id,
        "name": check.id,
        "shortDescription": { "text": check.title },
        "fullDescription": { "text": format!("{} ({})", check.title, check.reference) },
        "help": { "text": if finding.fix.is_empty() { check.title } else { &finding.fix } },
        "properties": {
            "tags": ["security", format!("section-{}", check.section.id()), check.reference.split(';').next().unwrap_or_default()],
            "security-severity": severity,
        },
    })
}

fn result(rule: usize, finding: &Finding, detail: &Detail) -> Value {
    let (kind, level) = match detail.status {
        // What the user has asked for counts, not what the judge said.
        Status::Fail if finding.status == Status::Warn => ("fail", "warning"),
        Status::Fail => ("fail", "error"),
        Status::Warn => ("fail", "warning"),
        Status::Unknown => ("open", "none"),
        Status::NotApplicable => ("notApplicable", "none"),
        Status::Pass | Status::Attested => ("pass", "none"),
    };
    let text =
        if detail.fix.is_empty() { detail.evidence.clone() } else { format!("{}. {}", detail.evidence, detail.fix) };
    let nowhere = Place::file(NOWHERE);
    let place = detail.location.as_ref().unwrap_or(&nowhere);
    let mut result = json!({
        "ruleId": finding.check.id,
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.file), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": place.line.unwrap_or(1).max(1) },
        }}],
        "partialFingerprints": { "palisade/v1": format!("{}:{}", finding.check.id, place.file) },
    });
    if finding.allowed
        && let Some(fields) = result.as_object_mut()
    {
        fields.insert("suppressions".to_owned(), json!([{ "kind": "external", "justification": "allowed with -A" }]));
    }
    result
}

/// A path as a relative reference (RFC 3986): what is not unreserved is written in percent.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
