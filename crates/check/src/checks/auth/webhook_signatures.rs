//! Webhooks verify their signatures.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, named};
use crate::facts::Unknown;
use crate::facts::routes::Endpoint;
use palisade_event::Kind;
use palisade_policy::guess;

pub(super) const CHECK: Check = Check {
    id: "auth/webhook-signatures",
    title: "Webhooks verify their signatures",
    item: Item::Box(4),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A08:2021; ASVS 4.1.5",
    judge,
};

/// At the gate or in the code, in constant time.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    each(case, "signature", "no webhook was found", |endpoint| webhook(case, endpoint))
}

/// How an endpoint verifies its sender, if it is a webhook: declared as one, or one by its path or by what it computes.
pub(in crate::checks) fn webhook(case: &Case<'_>, endpoint: &Endpoint) -> Option<Ruled> {
    let (name, shown) = (named(endpoint), &endpoint.shown);
    let declared = match gate(case.policy, endpoint) {
        Gate::Declared(route) => Some(route),
        Gate::Refuses | Gate::Absent => None,
    };
    let by_path =
        endpoint.methods.iter().any(|method| method == "POST") && guess("POST", &endpoint.path).kind == Kind::Webhook;
    let webhook =
        by_path || shown.weak_signature.is_some() || declared.is_some_and(|route| route.kind == Kind::Webhook);
    if let Some(route) = declared.filter(|route| route.signature.is_some()) {
        return Some(Ruled::pass(format!("{name} is verified at the gate, as {}", route.kind)));
    }
    if let Some(call) = &shown.signature {
        return Some(Ruled::pass(format!("{name} is verified in its source (`{call}`)")));
    }
    let fix = "declare it with kind = \"webhook\" and its signature, or verify it with the provider's library";
    webhook.then(|| match (&shown.weak_signature, &shown.shared_secret) {
        (Some(compared), _) => Ruled::fail(
            format!("{name} compares its signature in a way that tells time ({compared})"),
            "compare with crypto.timingSafeEqual, or let the gate verify it",
        ),
        (None, Some(secret)) => {
            Ruled::warn(format!("{name} is guarded by a shared secret ({secret}), not by a signature"), fix)
        }
        (None, None) => Ruled::fail(format!("{name} is a webhook, and nothing verifies who sent it"), fix),
    })
}
