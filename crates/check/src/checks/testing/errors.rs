//! Errors are tried in production mode.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "testing/errors",
    title: "Errors are tried in production mode",
    item: Item::Box(6),
    section: Section::Testing,
    severity: Severity::Medium,
    reference: "A05:2021; ASVS 16.5.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["errors/"])
}
