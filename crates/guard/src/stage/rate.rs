//! The rate limit by address: before anything that costs more than a look into a table.

use palisade_event::{Code, Stage, Tag};
use palisade_policy::Mode;

use crate::env::Env;
use crate::exchange::Exchange;
use crate::limiter::Charge;
use crate::plan::RatePlan;
use crate::step::{Denial, Flow};

pub(crate) fn check(exchange: &mut Exchange, env: &Env<'_>) -> Flow {
    // OPTIONS is answered by the gate and changes nothing: a preflight must not eat the quota of what it asks for.
    if exchange.method == http::Method::OPTIONS {
        return Flow::Pass;
    }
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Rate, Code::Internal) };
    let Some(rate) = &plan.rate else { return Flow::Pass };
    let charge = charge(rate, exchange, plan.route.cost, env);
    if charge.overflow {
        exchange.tag(Tag::LimiterOverflow);
    }
    exchange.charge = Some(charge);
    if charge.allowed {
        return Flow::Pass;
    }
    let retry_after = Some(charge.reset_seconds.max(1));
    Flow::Refuse(Denial { retry_after, ..Denial::new(Stage::Rate, Code::RateLimited) })
}

fn charge(rate: &RatePlan, exchange: &Exchange, cost: u32, env: &Env<'_>) -> Charge {
    let (client, now) = (exchange.client, env.now.mono);
    if let Some(wider) = client.wider() {
        // A network that is over its limit enters no client into the table, where it would push out strangers; a client
        // that is over its own does not use up its neighbours' share.
        if let Some(refusal) = rate.limiter.refusal(rate.scope, client.bits(), cost, now) {
            return refusal;
        }
        let wide = rate.wide.charge(rate.scope, wider, cost, now);
        if !wide.allowed {
            return Charge { remaining: 0, ..wide };
        }
    }
    rate.limiter.charge(rate.scope, client.bits(), cost, now)
}

/// Whether a refusal that is cheap to cause is still worth an event of its own.
pub(crate) fn noteworthy(exchange: &Exchange, env: &Env<'_>) -> bool {
    exchange.mode() == Mode::Observe
        || exchange.plan.noise.charge(u32::MAX, exchange.client.bits(), 1, env.now.mono).allowed
}
