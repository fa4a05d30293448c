//! Input checks are tried with XSS payloads.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "testing/input",
    title: "Input checks are tried with XSS payloads",
    item: Item::Box(3),
    section: Section::Testing,
    severity: Severity::Medium,
    reference: "A03:2021; ASVS 2.2.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["input/"])
}
