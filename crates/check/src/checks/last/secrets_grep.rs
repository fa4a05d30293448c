//! The search for hardcoded secrets finds none.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::leaks;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "final/secrets-grep",
    title: "The search for hardcoded secrets finds none",
    item: Item::Final(1),
    section: Section::Final,
    severity: Severity::Critical,
    reference: "A07:2021; ASVS 13.3.1",
    judge,
};

/// Everywhere, the history included.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let mut ruled = leaks::judge(case, |_| true)?;
    let coverage = case.facts.secrets.known()?.coverage;
    if coverage.shallow {
        let why = "the clone is shallow: earlier commits are not here";
        ruled.push(Ruled::unknown(Unknown::new(why, "fetch them: git fetch --unshallow")));
    }
    Ok(ruled)
}
