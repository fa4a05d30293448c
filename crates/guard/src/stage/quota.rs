//! The rate limit by verified subject. What [`super::rate`] has already charged to the subject, because its token was
//! known, is not charged again.

use std::sync::Arc;

use palisade_event::{Code, Stage};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::stage::share::{self, Take};
use crate::step::{Denial, Flow};

pub(crate) fn check(exchange: &mut Exchange, env: &Env<'_>) -> Flow {
    let (Some(plan), Some(identity)) = (exchange.route(), &exchange.identity) else { return Flow::Pass };
    let Some(rate) = plan.rate.as_ref().filter(|rate| rate.crowd.is_some() && !exchange.asks.counted) else {
        return Flow::Pass;
    };
    let charge = if exchange.plan.shared.is_some() {
        let (limiter, cost) = (Arc::clone(&rate.limiter), plan.route.cost);
        let take = Take { limiter, scope: rate.scope, client: identity.key(), cost };
        match share::charge(exchange, Stage::Quota, &[take], env) {
            Ok(charge) => charge,
            Err(flow) => return flow,
        }
    } else {
        rate.limiter.charge(rate.scope, identity.key(), plan.route.cost, env.now.mono)
    };
    exchange.asks.counted = true;
    // The client is told of whichever ends first.
    if !charge.allowed || exchange.charge.is_none_or(|address| charge.remaining < address.remaining) {
        exchange.charge = Some(charge);
    }
    if charge.allowed {
        return Flow::Pass;
    }
    let retry_after = Some(charge.reset_seconds.max(1));
    Flow::Refuse(Denial { retry_after, ..Denial::new(Stage::Quota, Code::RateLimited) })
}
