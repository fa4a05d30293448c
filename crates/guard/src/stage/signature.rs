//! Webhook signatures. Until the schemes are built, a route that wants one refuses.

use palisade_event::{Code, Kind, Stage};

use crate::exchange::Exchange;
use crate::step::Flow;

pub(crate) fn check(exchange: &Exchange) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Signature, Code::Internal) };
    if plan.route.kind == Kind::Webhook || plan.route.signature.is_some() {
        return Flow::refuse(Stage::Signature, Code::SignatureMissing);
    }
    Flow::Pass
}
