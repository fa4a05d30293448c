//! Convex has its production deployment.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::facts::env::Form;
use palisade_policy::Service;

use super::seen::forms;

pub(super) const CHECK: Check = Check {
    id: "env/convex-production",
    title: "Convex has its production deployment",
    item: Item::Box(5),
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let wanted: [(&str, bool, &[Form], &str); 3] = [
        ("NEXT_PUBLIC_CONVEX_URL", true, &[Form::Address], "the address of the production deployment"),
        ("CONVEX_DEPLOYMENT", false, &[Form::ConvexProduction], "`prod:NAME`"),
        ("CONVEX_DEPLOY_KEY", false, &[Form::ConvexProduction], "a deploy key of production"),
    ];
    forms(case, Service::Convex, &wanted)
}
