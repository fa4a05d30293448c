//! The rate limit test passes.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "testing/rate-limit",
    title: "The rate limit test passes",
    item: Item::Box(1),
    section: Section::Testing,
    severity: Severity::Medium,
    reference: "A04:2021; ASVS 2.4.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["rate-limit/"])
}
