//! Who is asking. Until identity is built nobody can be verified: a route that wants somebody refuses, and one that
//! takes anybody treats everybody as anonymous.

use palisade_event::{Code, Stage};
use palisade_policy::IdentityNeed;

use crate::exchange::Exchange;
use crate::step::Flow;

pub(crate) fn check(exchange: &Exchange) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Identity, Code::Internal) };
    match plan.route.identity {
        IdentityNeed::None | IdentityNeed::Optional => Flow::Pass,
        IdentityNeed::Required => Flow::refuse(Stage::Identity, Code::AuthRequired),
    }
}
