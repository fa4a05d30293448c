//! Errors go through error handlers.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/error-handling",
    title: "Errors go through error handlers",
    item: Item::Box(4),
    section: Section::Api,
    severity: Severity::Medium,
    reference: "A05:2021; ASVS 16.5.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
