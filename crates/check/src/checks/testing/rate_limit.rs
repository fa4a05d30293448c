//! The rate limit test passes.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "testing/rate-limit",
    title: "The rate limit test passes",
    item: Item::Box(1),
    section: Section::Testing,
    severity: Severity::Medium,
    reference: "A04:2021; ASVS 2.4.1",
    judge,
};

/// Asked of the running site alone.
fn judge(_: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    Err(Unknown::new("nobody has asked the running site", "run `palisade check --live URL`"))
}
