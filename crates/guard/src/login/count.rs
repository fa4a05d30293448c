//! What an attempt is charged, here or over all gates, and how it is given back.

use palisade_event::{Code, Kind, Stage};

use super::LoginPlan;
use crate::env::{Env, MonoMicros};
use crate::exchange::Exchange;
use crate::limiter::{Charge, Limiter};
use crate::shared::{Attempt, Attempted, GiveBack, Lease, Standing, Told, divided};
use crate::stage::UNAVAILABLE_RETRY;
use crate::step::{Claim, Claimed, Denial, Flow, Query};

/// How an attempt's counts stand.
pub(super) struct Counted {
    /// Of the account and the client.
    pub(super) lock: Charge,
    /// Of the account, where one is named and the client is not locked out.
    pub(super) slow: Option<Charge>,
    /// What is to be given back on success, where something was charged.
    pub(super) charged: Charged,
}

/// What an attempt has taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charged {
    attempt: Attempt,
    /// Whether its client has a count of its own, or was charged to the shared cell.
    client: bool,
    account: bool,
    /// Among how many gates its limits were divided.
    nodes: u32,
    /// Whether the others know of it.
    told: bool,
}

// === impl LoginPlan ===

impl LoginPlan {
    /// Charges an attempt. Where gates share their counts, whoever is locked out by all that is known here is refused
    /// without asking; while nobody can be asked, each gate allows its part (SECURITY.md 15).
    ///
    /// # Errors
    /// The question to ask, or the refusal where the route is closed for want of an answer.
    pub(super) fn count(
        &self,
        exchange: &mut Exchange,
        attempt: Attempt,
        asked: bool,
        env: &Env<'_>,
    ) -> Result<Counted, Flow> {
        let now = env.now.mono;
        let Some(outage) = exchange.plan.shared else { return Ok(self.count_here(attempt, 1, now)) };
        if !asked && let Some(lock) = self.lock.refusal(self.scope, attempt.client, 1, now) {
            let charged = Charged { attempt, client: false, account: false, nodes: 1, told: false };
            return Ok(Counted { lock, slow: None, charged });
        }
        let sharing = exchange.sharing.get_or_insert_default();
        let nodes = match (asked.then(|| exchange.claimed.take()).flatten(), sharing.out()) {
            (Some(Claimed::Attempted(told)), _) => {
                return Ok(self.learn(attempt, told, sharing.asked_last().unwrap_or(now), now));
            }
            (Some(Claimed::Unavailable { nodes }), _) | (None, Some(nodes)) => nodes,
            (None, None) => {
                sharing.asks(now);
                return Err(Flow::Ask(Query::Claim(Claim::Attempt(attempt))));
            }
            // The answer to another question is none.
            (Some(Claimed::Told(_) | Claimed::Held(_)), _) => return Err(unavailable()),
        };
        let nodes = divided(outage, Kind::Login, nodes).ok_or_else(unavailable)?;
        Ok(self.count_here(attempt, nodes, now))
    }

    /// Charges this gate's own tables, as one of `nodes`.
    fn count_here(&self, attempt: Attempt, nodes: u32, now: MonoMicros) -> Counted {
        let lock = self.lock.charge_share(self.scope, attempt.client, 1, nodes, now);
        let slow = attempt.account.filter(|_| lock.allowed);
        let slow = slow.map(|account| self.slow.charge_share(self.scope, account, 1, nodes, now));
        let account = slow.is_some_and(|slow| slow.allowed && !slow.overflow);
        let charged = Charged { attempt, client: lock.allowed && !lock.overflow, account, nodes, told: false };
        Counted { lock, slow, charged }
    }

    /// Takes in what the shared counts say, so that it is known here when it is wanted next.
    fn learn(&self, attempt: Attempt, told: Attempted, asked: MonoMicros, now: MonoMicros) -> Counted {
        let learn = |limiter: &Limiter, client, Standing { charged, debt }| {
            let lease = Lease { limit: limiter.limit(), scope: self.scope, client, cost: 1, most: 1 };
            limiter.learn(&lease, Told { granted: charged.into(), debt: debt.into() }, asked, now)
        };
        let lock = learn(&self.lock, attempt.client, told.client);
        let slow = attempt.account.zip(told.account).map(|(account, standing)| learn(&self.slow, account, standing));
        let account = slow.is_some_and(|slow| slow.allowed);
        Counted { lock, slow, charged: Charged { attempt, client: lock.allowed, account, nodes: 1, told: true } }
    }

    /// Gives back what an attempt was charged, here; what it answers is to be told to the others. `judged` says whether
    /// the application did: what it did not is given back only as often as an attempt may fail.
    pub(super) fn give_back(&self, charged: Charged, judged: bool, env: &Env<'_>) -> Option<GiveBack> {
        let Charged { attempt, client, account, nodes, told } = charged;
        let now = env.now.mono;
        if !judged && !self.lock.charge(self.unjudged, attempt.client, 1, now).allowed {
            return None;
        }
        if client {
            self.lock.refund_share(self.scope, attempt.client, 1, nodes, now);
        }
        if let Some(key) = attempt.account.filter(|_| account) {
            self.slow.refund_share(self.scope, key, 1, nodes, now);
        }
        (told && client).then_some(GiveBack { attempt, account, judged })
    }
}

fn unavailable() -> Flow {
    let denial = Denial::new(Stage::Claim, Code::StateUnavailable);
    Flow::Refuse(Denial { retry_after: Some(UNAVAILABLE_RETRY), ..denial })
}
