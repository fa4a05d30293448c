//! An expired session is handled gracefully.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "auth/session-expiry",
    title: "An expired session is handled gracefully",
    item: Item::Box(5),
    section: Section::Authentication,
    severity: Severity::Medium,
    reference: "A07:2021; ASVS 7.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
