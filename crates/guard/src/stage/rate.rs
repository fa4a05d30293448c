//! The rate limit by address: before anything that costs more than a look into a table.

use std::sync::Arc;

use palisade_event::{ClientKey, Code, Stage, Tag};
use palisade_policy::{IdentityNeed, Mode};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::identity::Identity;
use crate::limiter::{Charge, Limiter};
use crate::plan::RatePlan;
use crate::stage::identity;
use crate::stage::share::{self, Take};
use crate::step::{Denial, Flow};
use crate::view::View;

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    // OPTIONS is answered by the gate and changes nothing: a preflight must not eat the quota of what it asks for.
    if exchange.method == http::Method::OPTIONS {
        return Flow::Pass;
    }
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Rate, Code::Internal) };
    let Some(rate) = &plan.rate else { return Flow::Pass };
    let subject = rate.crowd.is_some().then(|| identity::remembered(exchange, view, env)).flatten();
    let shared = exchange.plan.shared.is_some().then(|| takes(rate, exchange, subject.as_ref(), plan.route.cost));
    let charge = match (&shared, &subject) {
        (Some(_), _) => None,
        (None, Some(subject)) => Some(charge_subject(rate, exchange, subject, plan.route.cost, env)),
        (None, None) => Some(charge(rate, exchange, plan.route.cost, env)),
    };
    let looked_at = plan.route.identity != IdentityNeed::None;
    exchange.asks.counted = subject.is_some();
    if looked_at {
        // Spares the identity stage a second look.
        exchange.identity = subject;
    }
    let charge = match charge.map_or_else(|| share::charge(exchange, Stage::Rate, &shared.unwrap_or_default(), env), Ok)
    {
        Ok(charge) => charge,
        Err(flow) => return flow,
    };
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
    charge_places(&rate.limiter, &rate.wide, rate.scope, exchange.client, cost, env)
}

/// Charges an address; where it is of IPv6, its /48 as well.
fn charge_places(limiter: &Limiter, wide: &Limiter, scope: u32, client: ClientKey, cost: u32, env: &Env<'_>) -> Charge {
    let now = env.now.mono;
    if let Some(wider) = client.wider() {
        // A network that is over its limit enters no client into the table, where it would push out strangers; a client
        // that is over its own does not use up its neighbours' share.
        if let Some(refusal) = limiter.refusal(scope, client.bits(), cost, now) {
            return refusal;
        }
        let wide = wide.charge(scope, wider, cost, now);
        if !wide.allowed {
            return Charge { remaining: 0, ..wide };
        }
    }
    limiter.charge(scope, client.bits(), cost, now)
}

/// A verified caller is counted by subject, wherever it asks from; its address only as one of a crowd, so that an office
/// behind one address is not shut out, and one address with many accounts still meets an end.
fn charge_subject(rate: &RatePlan, exchange: &Exchange, subject: &Identity, cost: u32, env: &Env<'_>) -> Charge {
    let charge = rate.limiter.charge(rate.scope, subject.key(), cost, env.now.mono);
    let Some(crowd) = rate.crowd.as_ref().filter(|_| charge.allowed) else { return charge };
    let shared = charge_places(&crowd.limiter, &crowd.wide, rate.scope, exchange.client, cost, env);
    if shared.allowed { charge } else { Charge { remaining: 0, ..shared } }
}

/// The same charges where gates share them, the client's own last.
fn takes(rate: &RatePlan, exchange: &Exchange, subject: Option<&Identity>, cost: u32) -> Vec<Take> {
    let take = |limiter: &Arc<Limiter>, client| Take { limiter: Arc::clone(limiter), scope: rate.scope, client, cost };
    let client = exchange.client;
    let place =
        |wide, limiter| client.wider().map(|wider| take(wide, wider)).into_iter().chain([take(limiter, client.bits())]);
    match (subject, &rate.crowd) {
        (Some(subject), Some(crowd)) => {
            place(&crowd.wide, &crowd.limiter).chain([take(&rate.limiter, subject.key())]).collect()
        }
        _ => place(&rate.wide, &rate.limiter).collect(),
    }
}

/// Whether a refusal that is cheap to cause is still worth an event of its own.
pub(crate) fn noteworthy(exchange: &Exchange, env: &Env<'_>) -> bool {
    exchange.mode() == Mode::Observe
        || exchange.plan.noise.charge(u32::MAX, exchange.client.bits(), 1, env.now.mono).allowed
}
