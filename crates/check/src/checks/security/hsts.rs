//! HSTS is on in production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::experiments::summary;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "security/hsts",
    title: "HSTS is on in production",
    item: Item::Box(5),
    section: Section::Security,
    severity: Severity::Medium,
    reference: "A05:2021; ASVS 3.4.1",
    judge,
};

/// Asked of the running site alone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    summary(case, &["headers/strict-transport-security", "tls/hsts"])
}
