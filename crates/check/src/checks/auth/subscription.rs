//! Premium features check the subscription.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, is_api, named};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "auth/subscription",
    title: "Premium features check the subscription",
    item: Item::Box(3),
    section: Section::Authentication,
    severity: Severity::High,
    reference: "A01:2021; ASVS 8.2.1",
    judge,
};

/// Where a plan is asked for, at the gate or in the code. Which features cost money, no source says.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let ruled = each(case, "plan", "", |endpoint| {
        let name = named(endpoint);
        if !is_api(endpoint) {
            return None;
        }
        match gate(case.policy, endpoint) {
            Gate::Declared(route) if !route.access.plan.is_empty() || !route.access.feature.is_empty() => {
                Some(Ruled::pass(format!("{name}: the gate asks for the caller's plan")))
            }
            _ => endpoint
                .shown
                .plan
                .as_ref()
                .map(|call| Ruled::pass(format!("{name} asks for the caller's plan (`{call}`)"))),
        }
    })?;
    let shown = ruled.iter().any(|ruled| ruled.outcome == crate::check::Outcome::Pass);
    if shown {
        return Ok(ruled);
    }
    Err(Unknown::new(
        "no route asks for a plan",
        "look whether one should, then confirm it with `palisade check attest`",
    ))
}
