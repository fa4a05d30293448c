//! Payment webhooks verify their signatures.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use palisade_policy::SignatureScheme;

pub(super) const CHECK: Check = Check {
    id: "payments/webhooks-verified",
    title: "Payment webhooks verify their signatures",
    item: Item::Box(2),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A08:2021; ASVS 4.1.5",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !super::has_payments(case)? {
        return Ok(vec![Ruled::not_applicable("the app uses no payment service that is known here")]);
    }
    let Some(policy) = case.policy else {
        return Err(Unknown::new(
            "there is no valid palisade.toml that names the webhooks",
            "write one: `palisade init`",
        ));
    };
    let paying = |scheme: SignatureScheme| matches!(scheme, SignatureScheme::Stripe | SignatureScheme::Svix);
    let verified: Vec<Ruled> = policy
        .routes()
        .iter()
        .filter_map(|route| route.signature.as_ref().filter(|it| paying(it.scheme)).map(|it| (route, it)))
        .map(|(route, signature)| {
            Ruled::pass(format!("{} verifies {} signatures at the gate", route.path, signature.scheme.id()))
        })
        .collect();
    if verified.is_empty() {
        return Err(Unknown::new(
            "the policy declares no webhook of Stripe or Svix (Clerk's are Svix's)",
            "declare it with `kind = \"webhook\"` and its signature, or confirm that there is none",
        ));
    }
    Ok(verified)
}
