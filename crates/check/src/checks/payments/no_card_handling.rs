//! Cards are handled by the payment provider alone.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/no-card-handling",
    title: "Cards are handled by the payment provider alone",
    item: Item::Box(1),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A04:2021; ASVS 14.2.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
