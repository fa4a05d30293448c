//! Critical packages are updated.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/critical-updated",
    title: "Critical packages are updated",
    item: Item::Box(5),
    section: Section::Dependencies,
    severity: Severity::High,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    // What nobody has rated may be critical.
    let grave = |severity: &str| matches!(severity, "high" | "critical" | "unrated");
    super::advisories(case, |advisory| advisory.fixable && grave(&advisory.severity))
}
