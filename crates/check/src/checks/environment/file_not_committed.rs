//! Env files are not in git, and never were.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/file-not-committed",
    title: "Env files are not in git, and never were",
    item: Item::Box(7),
    section: Section::Environment,
    severity: Severity::Critical,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
