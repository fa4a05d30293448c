//! Protected routes ask who is there.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "auth/protected-routes",
    title: "Protected routes ask who is there",
    item: Item::Box(1),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A01:2021; ASVS 8.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
