//! The search for hardcoded secrets finds none.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "final/secrets-grep",
    title: "The search for hardcoded secrets finds none",
    item: Item::Final(1),
    section: Section::Final,
    severity: Severity::Critical,
    reference: "A07:2021; ASVS 13.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
