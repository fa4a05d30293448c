//! Premium features check the subscription.

use crate::check::{Case, Check, Item, Outcome, Ruled, Section, Severity};
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
            gate => match &endpoint.shown.plan {
                Some(call) => Some(Ruled::pass(format!("{name} asks for the caller's plan (`{call}`)"))),
                None if !matches!(gate, Gate::Refuses) && says_plan(&endpoint.path) => Some(Ruled::warn(
                    format!("{name} names a plan in its path, and nothing asks for one"),
                    "ask in its source, or name `access = { plan = [...] }` for it in palisade.toml",
                )),
                None => None,
            },
        }
    })?;
    let shown = ruled.iter().any(|ruled| matches!(ruled.outcome, Outcome::Pass | Outcome::Warn));
    if shown {
        return Ok(ruled);
    }
    Err(Unknown::new(
        "no route asks for a plan",
        "look whether one should, then confirm it with `palisade check attest`",
    ))
}

/// `/api/pro/offers`, `/premium`.
fn says_plan(path: &str) -> bool {
    path.split('/').any(|part| ["pro", "premium", "paid", "enterprise"].contains(&part))
}
