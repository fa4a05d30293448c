//! Webhooks verify their signatures.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "auth/webhook-signatures",
    title: "Webhooks verify their signatures",
    item: Item::Box(4),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A08:2021; ASVS 4.1.5",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
