//! CSRF_SECRET is generated, 32 bytes or more.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/csrf-secret-length",
    title: "CSRF_SECRET is generated, 32 bytes or more",
    item: Item::Box(2),
    section: Section::Environment,
    severity: Severity::Critical,
    reference: "A02:2021; ASVS 11.5.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
