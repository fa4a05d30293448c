//! SESSION_SECRET is generated, 32 bytes or more.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

use super::secret;

pub(super) const CHECK: Check = Check {
    id: "env/session-secret-length",
    title: "SESSION_SECRET is generated, 32 bytes or more",
    item: Item::Box(3),
    section: Section::Environment,
    severity: Severity::Critical,
    reference: "A02:2021; ASVS 11.5.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    secret::judge(case, "SESSION_SECRET")
}
