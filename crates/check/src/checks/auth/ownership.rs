//! Ownership is checked before access.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, is_api, named};
use crate::facts::Unknown;
use palisade_policy::IdentityNeed;

pub(super) const CHECK: Check = Check {
    id: "auth/ownership",
    title: "Ownership is checked before access",
    item: Item::Box(2),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A01:2021; ASVS 8.2.2",
    judge,
};

/// A route for people who are signed in that names a thing in its path compares the two, at the gate or in the code.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    each(case, "ownership", "no route names a thing of somebody's in its path", |endpoint| {
        let (name, shown) = (named(endpoint), &endpoint.shown);
        let declared = match gate(case.policy, endpoint) {
            Gate::Declared(route) => Some(route),
            Gate::Refuses | Gate::Absent => None,
        };
        let signed_in =
            shown.identity.is_some() || declared.is_some_and(|route| route.identity == IdentityNeed::Required);
        if !is_api(endpoint) || !signed_in {
            return None;
        }
        if let Some(owner) = declared.and_then(|route| route.access.owner.as_ref()) {
            return Some(Ruled::pass(format!("{name}: the gate compares the caller with `{owner}`")));
        }
        if let Some(compared) = &shown.ownership {
            return Some(Ruled::pass(format!("{name} compares the caller in its source (`{compared}`)")));
        }
        let named_thing = endpoint.path.contains('{');
        let what = || format!("{name} names a thing in its path, and nothing compares its owner with the caller");
        let fix = "compare them in its source, or name `access = { owner = \"...\" }` for it in palisade.toml";
        named_thing.then(|| if endpoint.is_unsafe() { Ruled::fail(what(), fix) } else { Ruled::warn(what(), fix) })
    })
}
