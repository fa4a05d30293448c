//! No secret is in a variable that browsers see.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/public-exposure",
    title: "No secret is in a variable that browsers see",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::Critical,
    reference: "A02:2021; ASVS 13.3.1",
    judge,
};

/// Only a person can say.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nothing here shows it", "look, then confirm it with `palisade check attest`"))
}
