//! The subscription is checked on the server.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/subscription-on-server",
    title: "The subscription is checked on the server",
    item: Item::Box(3),
    section: Section::Payments,
    severity: Severity::High,
    reference: "A01:2021; ASVS 8.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !super::has_payments(case)? {
        return Ok(vec![Ruled::not_applicable("the app uses no payment service that is known here")]);
    }
    let routes = case.policy.map(palisade_policy::Policy::routes).unwrap_or_default();
    let asked = routes.iter().filter(|route| !route.access.plan.is_empty() || !route.access.feature.is_empty());
    let ruled: Vec<Ruled> =
        asked.map(|route| Ruled::pass(format!("{} asks for the plan at the gate", route.path))).collect();
    if ruled.is_empty() {
        return Err(Unknown::new(
            "no route of the policy asks for a plan or a feature",
            "add `access = { plan = [...] }` to the routes that cost, or confirm where the server checks it",
        ));
    }
    Ok(ruled)
}
