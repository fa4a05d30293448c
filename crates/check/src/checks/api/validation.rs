//! All input is checked by a schema.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/validation",
    title: "All input is checked by a schema",
    item: Item::Box(3),
    section: Section::Api,
    severity: Severity::High,
    reference: "A03:2021; ASVS 2.2.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
