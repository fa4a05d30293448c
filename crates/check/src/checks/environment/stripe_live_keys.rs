//! Stripe has its live keys.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::facts::env::Form;
use palisade_policy::Service;

use super::seen::forms;

pub(super) const CHECK: Check = Check {
    id: "env/stripe-live-keys",
    title: "Stripe has its live keys",
    item: Item::Box(6),
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let wanted: [(&str, bool, &[Form], &str); 3] = [
        ("STRIPE_SECRET_KEY", false, &[Form::SecretKeyLive], "the `sk_live_` key of Stripe's dashboard"),
        (
            "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",
            false,
            &[Form::PublishableLive],
            "the `pk_live_` key of Stripe's dashboard",
        ),
        ("STRIPE_WEBHOOK_SECRET", false, &[Form::WebhookSecret], "the `whsec_` secret of the live endpoint"),
    ];
    forms(case, Service::Stripe, &wanted)
}
