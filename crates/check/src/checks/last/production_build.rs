//! The production build is made, and starts.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "final/production-build",
    title: "The production build is made, and starts",
    item: Item::Final(4),
    section: Section::Final,
    severity: Severity::Medium,
    reference: "A05:2021; ASVS 13.4.2",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let build = case.facts.build.known()?;
    let mut ruled = Vec::new();
    for step in &build.steps {
        let line = &step.command;
        ruled.push(match &step.failed {
            None => Ruled::pass(format!("`{line}`: {}", step.seen)),
            Some(why) => Ruled::fail(format!("`{line}`: {why}"), "run it by hand, and read what it prints"),
        });
    }
    Ok(ruled)
}
