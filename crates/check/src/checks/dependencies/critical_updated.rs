//! Critical packages are updated.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/critical-updated",
    title: "Critical packages are updated",
    item: Item::Box(5),
    section: Section::Dependencies,
    severity: Severity::High,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
