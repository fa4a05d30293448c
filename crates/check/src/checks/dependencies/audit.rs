//! No known weakness in packages of production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/audit",
    title: "No known weakness in packages of production",
    item: Item::Box(1),
    section: Section::Dependencies,
    severity: Severity::High,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    super::advisories(case, |_| true)
}
