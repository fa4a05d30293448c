//! No secrets stand in the code.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::leaks;
use crate::facts::Unknown;
use crate::facts::secrets::LeakSource;

pub(super) const CHECK: Check = Check {
    id: "api/no-hardcoded-secrets",
    title: "No secrets stand in the code",
    item: Item::Box(6),
    section: Section::Api,
    severity: Severity::Critical,
    reference: "A07:2021; ASVS 13.3.1",
    judge,
};

/// In the files, and in what goes to browsers.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    leaks::judge(case, |leak| leak.source != LeakSource::History && !leaks::is_credential(leak))
}
