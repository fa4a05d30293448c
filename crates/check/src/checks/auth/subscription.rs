//! Premium features check the subscription.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "auth/subscription",
    title: "Premium features check the subscription",
    item: Item::Box(3),
    section: Section::Authentication,
    severity: Severity::High,
    reference: "A01:2021; ASVS 8.2.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
