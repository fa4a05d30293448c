//! Sign-in flows are tried.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "testing/auth-flows",
    title: "Sign-in flows are tried",
    item: Item::Box(5),
    section: Section::Testing,
    severity: Severity::Medium,
    reference: "A07:2021; ASVS 6.1.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["auth/"])
}
