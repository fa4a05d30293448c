//! The subscription is checked on the server.

use crate::check::{Case, Check, Item, Outcome, Ruled, Section, Severity};
use crate::checks::inventory::each;
use crate::facts::routes::{Endpoint, Surface};
use crate::facts::{Fact, Unknown};

pub(super) const CHECK: Check = Check {
    id: "payments/subscription-on-server",
    title: "The subscription is checked on the server",
    item: Item::Box(3),
    section: Section::Payments,
    severity: Severity::High,
    reference: "A01:2021; ASVS 8.3.1",
    judge,
};

/// At the gate or in what runs on the server. A plan that is asked for in the browser hides a button and protects nothing:
/// alone, it is a failure.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !super::has_payments(case)? {
        return Ok(vec![Ruled::not_applicable("the app uses no payment service that is known here")]);
    }
    let routes = case.policy.map(palisade_policy::Policy::routes).unwrap_or_default();
    let asked = routes.iter().filter(|route| !route.access.plan.is_empty() || !route.access.feature.is_empty());
    let mut ruled: Vec<Ruled> =
        asked.map(|route| Ruled::pass(format!("{} asks for the plan at the gate", route.path))).collect();
    if let Ok(seen) = each(case, "plan", "", in_the_source) {
        ruled.extend(seen.into_iter().filter(|one| one.outcome == Outcome::Pass));
    }
    if ruled.is_empty()
        && let Fact::Known(source) = &case.facts.source
    {
        ruled.extend(source.browser_plans.iter().map(|statement| {
            Ruled::fail(
                format!("the plan is asked for in the browser alone: {}", statement.what),
                "ask on the server too: `access = { plan = [...] }` in palisade.toml, or `has({ plan })` of `auth()`",
            )
            .at(Some(statement.place.clone()))
        }));
    }
    if ruled.is_empty() {
        return Err(Unknown::new(
            "no route of the policy and none of the source asks for a plan or a feature",
            "add `access = { plan = [...] }` to the routes that cost, or confirm where the server checks it",
        ));
    }
    Ok(ruled)
}

/// Pages may run in the browser; the rest does not.
fn in_the_source(endpoint: &Endpoint) -> Option<Ruled> {
    let call = endpoint.shown.plan.as_ref().filter(|_| endpoint.surface != Surface::Page)?;
    Some(Ruled::pass(format!("{} asks for the plan on the server (`{call}`)", endpoint.path)))
}
