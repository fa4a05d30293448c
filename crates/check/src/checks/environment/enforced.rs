//! The gate enforces in production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/enforced",
    title: "The gate enforces in production",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.4.2",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
