//! The audit of production packages is clean.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "final/audit",
    title: "The audit of production packages is clean",
    item: Item::Final(3),
    section: Section::Final,
    severity: Severity::High,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    crate::checks::dependencies::advisories(case, |_| true)
}
