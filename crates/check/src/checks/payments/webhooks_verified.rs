//! Payment webhooks verify their signatures.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/webhooks-verified",
    title: "Payment webhooks verify their signatures",
    item: Item::Box(2),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A08:2021; ASVS 4.1.5",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
