//! Stripe has its live keys.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/stripe-live-keys",
    title: "Stripe has its live keys",
    item: Item::Box(6),
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
