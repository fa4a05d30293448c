//! Every state-changing route has CSRF protection.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/csrf",
    title: "Every state-changing route has CSRF protection",
    item: Item::Box(1),
    section: Section::Api,
    severity: Severity::High,
    reference: "A01:2021; ASVS 3.5.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
