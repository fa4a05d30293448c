//! The lock file is committed.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/lockfile-committed",
    title: "The lock file is committed",
    item: Item::Box(3),
    section: Section::Dependencies,
    severity: Severity::Medium,
    reference: "A08:2021; ASVS 15.1.2",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
