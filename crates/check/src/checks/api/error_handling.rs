//! Errors go through error handlers.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/error-handling",
    title: "Errors go through error handlers",
    item: Item::Box(4),
    section: Section::Api,
    severity: Severity::Medium,
    reference: "A05:2021; ASVS 16.5.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let source = case.facts.source.known()?;
    let fix = "answer a fixed text, and log the error; `// palisade-ok(errors): reason` where it is harmless";
    let ruled =
        crate::checks::payments::statements(source, &source.raw_errors, "an answer carries an error's own text", fix)?;
    Ok(ruled)
}
