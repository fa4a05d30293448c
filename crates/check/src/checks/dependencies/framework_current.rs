//! The framework is on its latest stable version.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/framework-current",
    title: "The framework is on its latest stable version",
    item: Item::Box(4),
    section: Section::Dependencies,
    severity: Severity::Medium,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
