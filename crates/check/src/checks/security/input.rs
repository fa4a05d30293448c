//! Input checks are tested with malicious input.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "security/input",
    title: "Input checks are tested with malicious input",
    item: Item::Box(3),
    section: Section::Security,
    severity: Severity::High,
    reference: "A03:2021; ASVS 2.2.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["input/"])
}
