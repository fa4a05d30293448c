//! CSRF protection is tested.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "security/csrf",
    title: "CSRF protection is tested",
    item: Item::Box(1),
    section: Section::Security,
    severity: Severity::High,
    reference: "A01:2021; ASVS 3.5.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["csrf/"])
}
