//! Clerk has its production keys.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::facts::env::Form;
use palisade_policy::Service;

use super::seen::forms;

pub(super) const CHECK: Check = Check {
    id: "env/clerk-production-keys",
    title: "Clerk has its production keys",
    item: Item::Box(4),
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let wanted: [(&str, bool, &[Form], &str); 3] = [
        (
            "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
            true,
            &[Form::PublishableLive],
            "the `pk_live_` key of Clerk's dashboard",
        ),
        ("CLERK_SECRET_KEY", true, &[Form::SecretKeyLive], "the `sk_live_` key of Clerk's dashboard"),
        ("NEXT_PUBLIC_CLERK_FRONTEND_API_URL", false, &[Form::Address], "the address of the production instance"),
    ];
    forms(case, Service::Clerk, &wanted)
}
