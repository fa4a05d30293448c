//! Every public route has a rate limit.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/rate-limit",
    title: "Every public route has a rate limit",
    item: Item::Box(2),
    section: Section::Api,
    severity: Severity::High,
    reference: "A04:2021; ASVS 2.4.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
