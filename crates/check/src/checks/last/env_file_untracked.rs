//! git does not see .env.local.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "final/env-file-untracked",
    title: "git does not see .env.local",
    item: Item::Final(2),
    section: Section::Final,
    severity: Severity::Critical,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
