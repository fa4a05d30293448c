//! Ownership is checked before access.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "auth/ownership",
    title: "Ownership is checked before access",
    item: Item::Box(2),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A01:2021; ASVS 8.2.2",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
