//! Outdated packages are looked at.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/outdated",
    title: "Outdated packages are looked at",
    item: Item::Box(2),
    section: Section::Dependencies,
    severity: Severity::Low,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let outdated = case.facts.dependencies.known()?.outdated.known()?;
    if outdated.is_empty() {
        return Ok(vec![Ruled::pass("every direct dependency is at its latest version")]);
    }
    let rule = |it: &crate::facts::dependencies::Outdated| {
        let what = format!("{} {} is behind {}", it.package, it.current, it.latest);
        Ruled::warn(what, format!("read its changes, then `npm install {}@{}`", it.package, it.latest))
    };
    Ok(outdated.iter().map(rule).collect())
}
