//! Security headers are there.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "security/headers",
    title: "Security headers are there",
    item: Item::Box(4),
    section: Section::Security,
    severity: Severity::Medium,
    reference: "A05:2021; ASVS 3.4.3",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["headers/"])
}
