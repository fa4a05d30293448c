//! Sign-in flows are tried.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
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
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nobody has asked the running site", "run `palisade check --live URL`"))
}
