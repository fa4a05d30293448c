//! Rate limits are tested.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "security/rate-limit",
    title: "Rate limits are tested",
    item: Item::Box(2),
    section: Section::Security,
    severity: Severity::High,
    reference: "A04:2021; ASVS 2.4.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["rate-limit/"])
}
