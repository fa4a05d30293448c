//! One page that needs nothing else: no script, no font, no address of anybody's.

use std::fmt::Write as _;

use palisade_event::Untrusted;

use super::{Report, word};
use crate::finding::{Detail, Finding, Status};

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        out.push_str(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
        );
        let _ = write!(out, "<title>Palisade check</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n");
        self.head(&mut out);
        for (section, findings) in self.sections() {
            let held = findings.iter().filter(|it| matches!(it.status, Status::Pass | Status::Attested)).count();
            let applying = findings.iter().filter(|it| it.status != Status::NotApplicable).count();
            let _ = writeln!(out, "<section>\n<h2>{} <small>{held} of {applying}</small></h2>", safe(section.title()));
            for finding in findings {
                row(&mut out, finding);
            }
            out.push_str("</section>\n");
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    fn head(&self, out: &mut String) {
        let (heading, what) = match &self.site {
            Some(site) => (format!("What {site} answers"), "of what was asked"),
            None => (format!("Before the deployment to {}", self.environment), "of the checklist"),
        };
        let _ = writeln!(out, "<header>\n<h1>{}</h1>", safe(&heading));
        let score = self.score();
        let _ =
            writeln!(out, "<p class=\"score\"><strong>{score} %</strong> {what} holds, on {}.</p>", safe(&self.today));
        let _ = writeln!(out, "<progress max=\"100\" value=\"{score}\">{score} %</progress>\n<ul class=\"counts\">");
        for (status, count) in self.summary().counts() {
            let _ = writeln!(out, "<li class=\"{}\"><b>{count}</b> {}</li>", status.id(), word(status));
        }
        out.push_str("</ul>\n");
        let next = self.next_things();
        if !next.is_empty() {
            out.push_str("<h2>Next</h2>\n<ol class=\"next\">\n");
            for finding in next {
                let _ = writeln!(out, "<li>{} <code>{}</code></li>", safe(&finding.fix), safe(finding.check.id));
            }
            out.push_str("</ol>\n");
        }
        out.push_str("</header>\n");
    }
}

fn row(out: &mut String, finding: &Finding) {
    let Finding { check, status, details, allowed, .. } = finding;
    let open = if matches!(status, Status::Fail | Status::Warn) { " open" } else { "" };
    let allowed = if *allowed { " (allowed)" } else { "" };
    let _ = writeln!(
        out,
        "<details class=\"{}\"{open}>\n<summary><span class=\"status\">{}</span> {}{allowed} <code>{}</code></summary>",
        status.id(),
        status.id().replace('_', " "),
        safe(check.title),
        safe(check.id),
    );
    for Detail { evidence, fix, location, .. } in details {
        let place = location.as_ref().map(|it| format!("<code>{}</code> ", safe(&it.to_string()))).unwrap_or_default();
        let _ = write!(out, "<p>{place}{}", safe(evidence));
        if !fix.is_empty() {
            let _ = write!(out, "<br><span class=\"fix\">{}</span>", safe(fix));
        }
        out.push_str("</p>\n");
    }
    let _ = writeln!(out, "<p class=\"reference\">{}</p>\n</details>", safe(check.reference));
}

fn safe(text: &str) -> String {
    Untrusted::new(text).html().to_string()
}
