//! The subscription is checked on the server.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/subscription-on-server",
    title: "The subscription is checked on the server",
    item: Item::Box(3),
    section: Section::Payments,
    severity: Severity::High,
    reference: "A01:2021; ASVS 8.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
