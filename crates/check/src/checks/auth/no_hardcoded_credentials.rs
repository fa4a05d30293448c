//! No credentials stand in the code.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::leaks;
use crate::facts::Unknown;
use crate::facts::secrets::LeakSource;

pub(super) const CHECK: Check = Check {
    id: "auth/no-hardcoded-credentials",
    title: "No credentials stand in the code",
    item: Item::Box(6),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A07:2021; ASVS 13.3.1",
    judge,
};

/// Passwords, private keys, tokens of people, and whatever stands beside a telling name.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    leaks::judge(case, |leak| leak.source != LeakSource::History && leaks::is_credential(leak))
}
