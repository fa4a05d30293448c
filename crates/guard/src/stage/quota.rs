//! The rate limit by verified subject. What [`super::rate`] has already charged to the subject, because its token was
//! known, is not charged again.

use palisade_event::{Code, Stage};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::step::{Denial, Flow};

pub(crate) fn check(exchange: &mut Exchange, env: &Env<'_>) -> Flow {
    let (Some(plan), Some(identity)) = (exchange.route(), &exchange.identity) else { return Flow::Pass };
    let Some(rate) = plan.rate.as_ref().filter(|rate| rate.crowd.is_some() && !exchange.asks.counted) else {
        return Flow::Pass;
    };
    let charge = rate.limiter.charge(rate.scope, identity.key(), plan.route.cost, env.now.mono);
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
