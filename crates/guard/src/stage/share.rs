//! Charges that gates share: asked for one by one, until all are granted or one is refused. Any stage may charge so,
//! whatever its table: it lists its charges, and lists the same ones again when the answer has come.

use std::sync::Arc;
use std::time::Duration;

use palisade_event::{Code, Stage};

use crate::env::{Env, MonoMicros};
use crate::exchange::Exchange;
use crate::limiter::{Charge, Known, Limiter};
use crate::shared::{Lease, Leased, divided};
use crate::step::{Denial, Flow, Query};

/// One charge to one table.
pub(crate) struct Take {
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) scope: u32,
    pub(crate) client: u128,
    pub(crate) cost: u32,
}

/// What a request has asked those who share the state.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// How long it has waited for them.
    pub(crate) waited: Duration,
    /// The answer to its last question.
    pub(crate) told: Option<(Lease, Leased)>,
    /// When the question was asked that is not answered yet.
    asked: Option<MonoMicros>,
    /// When the one was that `told` answers.
    asked_last: Option<MonoMicros>,
    /// How many of the stage's charges are granted.
    granted: usize,
    /// How many gates there were, once one question found nobody: no other is asked.
    out: Option<u32>,
}

/// When a request that is refused for want of the shared state may come again, in seconds.
pub(crate) const UNAVAILABLE_RETRY: u32 = 5;

// === impl Sharing ===

impl Sharing {
    /// A question is asked now.
    pub(crate) fn asks(&mut self, now: MonoMicros) {
        self.asked = Some(now);
    }

    /// How many gates there were when a question of this request last found nobody.
    pub(crate) fn out(&self) -> Option<u32> {
        self.out
    }

    /// When the question was asked that was last answered.
    pub(crate) fn asked_last(&self) -> Option<MonoMicros> {
        self.asked_last
    }

    /// The answer has come.
    pub(crate) fn answered(&mut self, now: MonoMicros) {
        self.asked_last = self.asked.take();
        if let Some(asked) = self.asked_last {
            self.waited += Duration::from_micros(now.0.saturating_sub(asked.0));
        }
    }
}

/// Charges all of `takes`, the narrowest last: that one is the client's own, whose standing it is told. A client that
/// is known to be refused by any of them is charged to none.
///
/// # Errors
/// The question to ask, or the refusal where the route is closed for want of an answer.
pub(crate) fn charge(exchange: &mut Exchange, stage: Stage, takes: &[Take], env: &Env<'_>) -> Result<Charge, Flow> {
    let now = env.now.mono;
    let mut sharing = exchange.sharing.take().unwrap_or_default();
    let settled = settle(exchange, &mut sharing, stage, takes, now);
    match settled {
        Err(Flow::Ask(_)) => sharing.asks(now),
        _ => sharing.granted = 0,
    }
    exchange.sharing = Some(sharing);
    settled
}

fn settle(
    exchange: &Exchange,
    sharing: &mut Sharing,
    stage: Stage,
    takes: &[Take],
    now: MonoMicros,
) -> Result<Charge, Flow> {
    let own = takes.len().saturating_sub(1);
    // Of a wider table the client is told that it is over, and nothing of how much others have left there.
    let told = |index: usize, charge: Charge| if index == own { charge } else { Charge { remaining: 0, ..charge } };
    for (index, take) in takes.iter().enumerate().skip(sharing.granted).rev() {
        let Take { limiter, scope, client, cost } = take;
        if let Some(refusal) = limiter.shared_refusal(*scope, *client, *cost, now) {
            return Ok(told(index, refusal));
        }
    }
    let mut last = None;
    for (index, take) in takes.iter().enumerate().skip(sharing.granted) {
        let charge = one(exchange, sharing, stage, take, now)?;
        if !charge.allowed {
            return Ok(told(index, charge));
        }
        sharing.granted += 1;
        last = Some(charge);
    }
    last.ok_or(Flow::refuse(stage, Code::Internal))
}

fn one(exchange: &Exchange, sharing: &mut Sharing, stage: Stage, take: &Take, now: MonoMicros) -> Result<Charge, Flow> {
    let Take { limiter, scope, client, cost } = take;
    let same = |it: &Lease| (it.limit, it.scope, it.client, it.cost) == (limiter.limit(), *scope, *client, *cost);
    match sharing.told.take_if(|(asked, _)| same(asked)) {
        Some((question, Leased::Told(told))) => {
            return Ok(limiter.learn(&question, told, sharing.asked_last.unwrap_or(now), now));
        }
        Some((_, Leased::Unavailable { nodes })) => sharing.out = Some(nodes),
        None => {}
    }
    let question = match limiter.known(*scope, *client, *cost, now) {
        Known::Charged(charge) | Known::Refused(charge) => return Ok(charge),
        Known::Ask(question) => question,
    };
    let Some(nodes) = sharing.out else { return Err(Flow::Ask(Query::Lease(question))) };
    let kind = exchange.route().map(|plan| plan.route.kind);
    let share = exchange.plan.shared.zip(kind).and_then(|(outage, kind)| divided(outage, kind, nodes));
    match share {
        Some(nodes) => Ok(limiter.charge_share(*scope, *client, *cost, nodes, now)),
        None => Err(Flow::Refuse(Denial {
            retry_after: Some(UNAVAILABLE_RETRY),
            ..Denial::new(stage, Code::StateUnavailable)
        })),
    }
}
