//! Payment webhooks verify their signatures.

use crate::check::{Case, Check, Item, Outcome, Ruled, Section, Severity};
use crate::checks::auth::webhook;
use crate::checks::inventory::each;
use crate::facts::Unknown;
use crate::facts::routes::Endpoint;
use palisade_policy::{Route, SignatureScheme};

pub(super) const CHECK: Check = Check {
    id: "payments/webhooks-verified",
    title: "Payment webhooks verify their signatures",
    item: Item::Box(2),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A08:2021; ASVS 4.1.5",
    judge,
};

/// Words of a path by which it is a payment provider's; Clerk bills too, and its webhooks are Svix's.
const PAYING: [&str; 11] = [
    "stripe",
    "clerk",
    "svix",
    "billing",
    "payment",
    "checkout",
    "subscription",
    "invoice",
    "paddle",
    "polar",
    "lemon",
];

/// At the gate, as the policy declares it, and in the source, where a webhook is that no policy names.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !super::has_payments(case)? {
        return Ok(vec![Ruled::not_applicable("the app uses no payment service that is known here")]);
    }
    let routes = case.policy.map(palisade_policy::Policy::routes).unwrap_or_default();
    let mut ruled: Vec<Ruled> = routes.iter().filter_map(at_the_gate).collect();
    if let Ok(seen) = each(case, "signature", "", |it| pays(&it.path).then(|| in_the_source(case, it)).flatten()) {
        ruled.extend(seen.into_iter().filter(|one| one.outcome != Outcome::NotApplicable));
    }
    if ruled.is_empty() {
        return Err(Unknown::new(
            "neither the policy nor the source shows a webhook of a payment provider",
            "declare it with `kind = \"webhook\"` and its signature, or confirm that there is none",
        ));
    }
    Ok(ruled)
}

fn at_the_gate(route: &Route) -> Option<Ruled> {
    let paying = |scheme: SignatureScheme| matches!(scheme, SignatureScheme::Stripe | SignatureScheme::Svix);
    let signature = route.signature.as_ref().filter(|it| paying(it.scheme))?;
    Some(Ruled::pass(format!("{} verifies {} signatures at the gate", route.path, signature.scheme.id())))
}

/// What the gate verifies is told by the policy's route already.
fn in_the_source(case: &Case<'_>, endpoint: &Endpoint) -> Option<Ruled> {
    let declared = |policy: &palisade_policy::Policy| {
        policy.routes().iter().any(|route| route.path == endpoint.path && at_the_gate(route).is_some())
    };
    if case.policy.is_some_and(declared) { None } else { webhook(case, endpoint) }
}

/// Whether the path names a payment provider, or names nobody: `/api/webhooks`.
fn pays(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let last = lower.rsplit('/').next().unwrap_or_default();
    PAYING.iter().any(|word| lower.contains(word)) || matches!(last, "webhook" | "webhooks")
}
