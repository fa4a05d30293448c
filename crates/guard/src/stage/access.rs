//! Role, permission, plan, feature, owner. Until claims are built, a route that wants any of them refuses.

use palisade_event::{Code, Stage};

use crate::exchange::Exchange;
use crate::step::Flow;

pub(crate) fn check(exchange: &Exchange) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Access, Code::Internal) };
    let access = &plan.route.access;
    let wants = [
        (access.role.is_empty(), Code::ForbiddenRole),
        (access.permission.is_empty(), Code::ForbiddenPermission),
        (access.plan.is_empty(), Code::ForbiddenPlan),
        (access.feature.is_empty(), Code::ForbiddenFeature),
        (access.owner.is_none(), Code::ForbiddenOwner),
    ];
    match wants.into_iter().find(|(absent, _)| !absent) {
        Some((_, code)) => Flow::refuse(Stage::Access, code),
        None => Flow::Pass,
    }
}
