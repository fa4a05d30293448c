//! Every state-changing route has CSRF protection.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, is_api, named};
use crate::facts::Unknown;
use palisade_policy::CsrfStrength;

pub(super) const CHECK: Check = Check {
    id: "api/csrf",
    title: "Every state-changing route has CSRF protection",
    item: Item::Box(1),
    section: Section::Api,
    severity: Severity::High,
    reference: "A01:2021; ASVS 3.5.1",
    judge,
};

/// At the gate or in the code; a signature or a shared secret proves more than a token.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    each(case, "csrf", "no route changes anything", |endpoint| {
        if !is_api(endpoint) || !endpoint.is_unsafe() {
            return None;
        }
        let (name, shown) = (named(endpoint), &endpoint.shown);
        let fix = "declare it in palisade.toml, or wrap it: withRateLimit(withCsrf(handler))";
        Some(match gate(case.policy, endpoint) {
            Gate::Declared(route) if route.signature.is_some() => {
                Ruled::pass(format!("{name} is a webhook: its signature is verified at the gate"))
            }
            Gate::Declared(route) if route.csrf != CsrfStrength::None => {
                Ruled::pass(format!("{name} is checked at the gate, as {}", route.kind))
            }
            Gate::Refuses => Ruled::warn(
                format!("{name} is in the source, and the policy does not declare it: the gate refuses it"),
                "declare it by its kind; `palisade advise` says which",
            ),
            Gate::Declared(_) | Gate::Absent => match (&shown.csrf, &shown.signature, &shown.shared_secret) {
                (Some(call), ..) => Ruled::pass(format!("{name} checks it in its source (`{call}`)")),
                (_, Some(call), _) => Ruled::pass(format!("{name} verifies a signature instead (`{call}`)")),
                (.., Some(secret)) => Ruled::pass(format!("{name} wants a secret that no browser sends ({secret})")),
                _ => {
                    Ruled::fail(format!("{name} changes something, and nothing checks that the request was meant"), fix)
                }
            },
        })
    })
}
