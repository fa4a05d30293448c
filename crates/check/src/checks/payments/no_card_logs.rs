//! No card data is logged.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/no-card-logs",
    title: "No card data is logged",
    item: Item::Box(5),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A09:2021; ASVS 16.2.5",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
