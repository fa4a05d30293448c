//! Judging: every check over the facts, then what people have confirmed.

use crate::check::{Case, Check, Ruled};
use crate::facts::attestations::Attestation;
use crate::facts::{Fact, Unknown};
use crate::finding::{Detail, Finding, Status};

/// Judges a case by the checks, in their order.
///
/// An attestation fills in where evidence is missing, and never covers a failure. One that has lapsed is a failure, so that
/// nobody relies on it.
pub fn run(case: &Case<'_>, checks: &[&'static Check], findings: &mut dyn FnMut(Finding)) {
    for check in checks {
        let ruled = match (check.judge)(case) {
            Ok(ruled) if ruled.is_empty() => vec![Ruled::unknown(Unknown::new(
                "there was nothing to judge",
                "confirm it with `palisade check attest`, or allow it with -A",
            ))],
            Ok(ruled) => ruled,
            Err(unknown) => vec![Ruled::unknown(unknown)],
        };
        findings(confirmed(finding(check, ruled), case));
    }
}

fn finding(check: &'static Check, ruled: Vec<Ruled>) -> Finding {
    let mut details: Vec<Detail> = ruled
        .into_iter()
        .map(|Ruled { outcome, evidence, fix, place }| Detail {
            status: outcome.into(),
            evidence,
            fix,
            location: place,
        })
        .collect();
    // Stable: things of one status stay in the judge's order.
    details.sort_by_key(|detail| std::cmp::Reverse(detail.status));
    let first = details.first().cloned();
    let (status, evidence, fix, location) = match first {
        Some(Detail { status, evidence, fix, location }) => (status, evidence, fix, location),
        None => (Status::Unknown, String::new(), String::new(), None),
    };
    Finding { check, status, evidence, fix, location, details, allowed: false }
}

/// Takes up what people have confirmed.
fn confirmed(mut finding: Finding, case: &Case<'_>) -> Finding {
    let Fact::Known(attestations) = &case.facts.attestations else { return finding };
    let Some(Attestation { by, until, note }) = attestations.get(finding.check.id) else { return finding };
    if finding.status != Status::Unknown {
        return finding;
    }
    let (status, evidence, fix) = if until.as_str() >= case.today {
        (Status::Attested, format!("{by} confirmed it until {until}: {note}"), String::new())
    } else {
        let fix =
            format!("look again, then `palisade check attest {} --by NAME --until DATE --note TEXT`", finding.check.id);
        (Status::Fail, format!("what {by} confirmed lapsed on {until}: {note}"), fix)
    };
    finding.details.insert(0, Detail { status, evidence: evidence.clone(), fix: fix.clone(), location: None });
    Finding { status, evidence, fix, location: None, ..finding }
}
