//! No sensitive data is logged.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/no-sensitive-logs",
    title: "No sensitive data is logged",
    item: Item::Box(5),
    section: Section::Api,
    severity: Severity::High,
    reference: "A09:2021; ASVS 16.2.5",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let source = case.facts.source.known()?;
    let both: Vec<_> = source.logged.iter().chain(&source.logged_environment).cloned().collect();
    let fix = "leave it out of the log, or log its length; `// palisade-ok(logs): reason` where it is harmless";
    crate::checks::payments::statements(source, &both, "a log statement names sensitive data", fix)
}
