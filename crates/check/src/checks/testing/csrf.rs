//! CSRF protection is tried by hand.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "testing/csrf",
    title: "CSRF protection is tried by hand",
    item: Item::Box(2),
    section: Section::Testing,
    severity: Severity::Medium,
    reference: "A01:2021; ASVS 3.5.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["csrf/"])
}
