//! Secrets are not shared by mail or chat.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/secrets-not-shared",
    title: "Secrets are not shared by mail or chat",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::Medium,
    reference: "A07:2021; ASVS 13.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
