//! What a probe found, for people and for machines.

use palisade_check::facts::live::Live;
use palisade_check::headers::{self, Grade, Report, Site, Tested};
use palisade_check::{Finding, Status, csp};
use palisade_event::Untrusted;
use serde_json::{Value, json};

use crate::output::{self, Exit, Format};

/// Findings, the worst of each check.
pub(super) fn findings(target: &str, findings: &[Finding], format: Format) {
    match format {
        Format::Json => {
            let all: Vec<_> = findings.iter().map(as_json).collect();
            output::result(&json!({ "target": target, "findings": all }).to_string());
        }
        Format::Human => {
            output::result(&format!("{target}\n"));
            findings.iter().for_each(|finding| output::result(&lines(finding)));
            let count = |status| findings.iter().filter(|finding| finding.status == status).count();
            let counts = Status::ALL.map(|status| (status.id(), count(status)));
            let counts: Vec<_> =
                counts.iter().filter(|(_, count)| *count > 0).map(|(id, count)| format!("{count} {id}")).collect();
            output::result(&format!("\n{}", counts.join(", ")));
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    let Finding { check, status, evidence, fix, details, .. } = finding;
    let details: Vec<_> = details
        .iter()
        .map(|one| json!({ "status": one.status.id(), "evidence": one.evidence, "fix": one.fix }))
        .collect();
    json!({
        "id": check.id, "section": check.section.id(), "status": status.id(), "severity": check.severity.id(), "title": check.title,
        "evidence": evidence, "fix": fix, "reference": check.reference, "location": null, "details": details,
    })
}

fn lines(finding: &Finding) -> String {
    let mark = match finding.status {
        Status::Fail => "FAIL",
        Status::NotApplicable => "n/a",
        status => status.id(),
    };
    let mut out = format!("  {mark:<8} {}  {}", finding.check.title, finding.check.id);
    let quiet = matches!(finding.status, Status::Pass | Status::NotApplicable | Status::Attested);
    for detail in finding
        .details
        .iter()
        .filter(|detail| quiet || !matches!(detail.status, Status::Pass | Status::NotApplicable))
        .take(6)
    {
        out.push_str(&format!("\n           {}", safe(&detail.evidence)));
        if !detail.fix.is_empty() && !quiet {
            out.push_str(&format!("\n           fix: {}", safe(&detail.fix)));
        }
    }
    out
}

/// The grades of the headers.
pub(super) fn headers(live: &Live, format: Format) -> Exit {
    let Ok(site) = live.site.known() else { return Exit::CouldNotRun };
    match format {
        Format::Json => output::result(&report(site).to_string()),
        Format::Human => output::result(&graded(&live.target, site)),
    }
    let fine = headers::behind_https(site).is_some_and(|report| report.excused.uncurved >= 90);
    if fine { Exit::Fine } else { Exit::Findings }
}

/// `{grade, score, tests, grades, presence, csp}`; of a page that is not graded the reason.
pub(super) fn report(site: &Site) -> Value {
    let (Some(measured), Some(behind), Some(page)) = (headers::judge(site), headers::behind_https(site), site.page())
    else {
        return json!({ "grade": null, "error": "the page's status is not graded", "status": site.page().map(|page| page.status) });
    };
    let grade = |grade: &Grade| json!({ "grade": grade.letter, "score": grade.score, "uncurved": grade.uncurved, "bonus": grade.bonus });
    let both = |report: &Report| json!({ "raw": grade(&report.raw), "excused": grade(&report.excused) });
    let presence = headers::presence(page, site.https.is_none());
    let policies: Vec<_> = page.all("content-security-policy").flat_map(csp::weaknesses).collect();
    let weaknesses: Vec<_> = policies
        .iter()
        .map(|one| json!({ "id": one.id, "type": one.number, "severity": one.severity as u8, "word": one.severity.id(), "directive": one.directive, "value": one.value, "says": one.says }))
        .collect();
    json!({
        "grade": measured.raw.letter,
        "score": measured.raw.score,
        "tests": measured.tests.iter().map(test).collect::<Vec<_>>(),
        "grades": { "measured": both(&measured), "behind_https": both(&behind) },
        "presence": { "grade": presence.letter, "missing": presence.missing },
        "csp": weaknesses,
    })
}

fn test(tested: &Tested) -> Value {
    let Tested { test, outcome, excuse } = tested;
    let excuse = excuse.map(|excuse| json!({ "modifier": excuse.modifier, "because": excuse.because }));
    json!({ "name": test.name(), "result": outcome.name, "modifier": outcome.modifier, "pass": outcome.pass, "says": outcome.says, "excuse": excuse })
}

fn graded(target: &str, site: &Site) -> String {
    let (Some(measured), Some(behind), Some(page)) = (headers::judge(site), headers::behind_https(site), site.page())
    else {
        return format!(
            "{target}: the page answers {}, which is not graded",
            site.page().map_or(0, |page| page.status)
        );
    };
    let mut out = format!("{target}\n\n");
    for Tested { test, outcome, excuse } in &measured.tests {
        let mark = if outcome.pass { "pass" } else { "FAIL" };
        out.push_str(&format!(
            "  {mark:<5} {:>4}  {:<30} {}\n",
            format!("{:+}", outcome.modifier),
            test.name(),
            outcome.says
        ));
        if let Some(excuse) = excuse {
            out.push_str(&format!("               excused ({:+}): {}\n", excuse.modifier, excuse.because));
        }
    }
    out.push_str(&format!("\n  {}\n", arithmetic("as measured", &measured.raw)));
    if measured.excused != measured.raw {
        out.push_str(&format!("  {}\n", arithmetic("without what is by design", &measured.excused)));
    }
    if site.https.is_none() {
        out.push_str(&format!("  {}\n", arithmetic("the same behind https with HSTS", &behind.raw)));
    }
    let presence = headers::presence(page, site.https.is_none());
    let missing = if presence.missing.is_empty() {
        "all there".to_owned()
    } else {
        format!("missing {}", presence.missing.join(", "))
    };
    out.push_str(&format!("  presence of the six headers: {} ({missing})\n", presence.letter));
    if let Some(last) = site.route.last().filter(|last| last.host != site.host) {
        out.push_str(&format!("  leads to {}, which was not asked: probe it by its name\n", safe(&last.host)));
    }
    let weak: Vec<_> = page
        .all("content-security-policy")
        .flat_map(csp::weaknesses)
        .filter(|one| one.severity <= csp::Severity::MediumMaybe)
        .collect();
    if !weak.is_empty() {
        out.push_str("\n  the policy in depth\n");
    }
    for one in weak {
        out.push_str(&format!(
            "  {:<13} {} {}: {}\n",
            one.severity.id(),
            safe(&one.directive),
            safe(one.value.as_deref().unwrap_or_default()),
            safe(&one.says)
        ));
    }
    out
}

fn arithmetic(what: &str, grade: &Grade) -> String {
    let Grade { letter, score, uncurved, bonus } = grade;
    let lost = 100 - uncurved;
    match (bonus, *uncurved >= 90) {
        (0, _) => format!("{what}: {letter}  100 - {lost} = {score}"),
        (_, true) => format!("{what}: {letter}  100 - {lost} + {bonus} = {score}"),
        (_, false) => format!("{what}: {letter}  100 - {lost} = {score} (bonuses of {bonus} count from 90 on)"),
    }
}

fn safe(text: &str) -> String {
    Untrusted::new(text).terminal().to_string()
}
