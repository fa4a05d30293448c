//! No sensitive data is logged.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/no-sensitive-logs",
    title: "No sensitive data is logged",
    item: Item::Box(5),
    section: Section::Api,
    severity: Severity::High,
    reference: "A09:2021; ASVS 16.2.5",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
