//! CSRF protection is tested.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
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
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nobody has asked the running site", "run `palisade check --live URL`"))
}
