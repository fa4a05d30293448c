//! Test mode is off in production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/test-mode-off",
    title: "Test mode is off in production",
    item: Item::Box(4),
    section: Section::Payments,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.4.2",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
