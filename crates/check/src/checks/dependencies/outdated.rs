//! Outdated packages are looked at.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/outdated",
    title: "Outdated packages are looked at",
    item: Item::Box(2),
    section: Section::Dependencies,
    severity: Severity::Low,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
