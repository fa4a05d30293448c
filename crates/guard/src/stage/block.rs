//! Clients that an operator or an incident has shut out: before anything is counted or checked.
//!
//! Never a trusted proxy, which speaks for many, nor this machine, whatever those who share the blocks say.

use palisade_event::{Code, Stage};

use crate::blocks::Net;
use crate::env::Env;
use crate::exchange::Exchange;
use crate::step::{Denial, Flow};

pub(crate) fn check(exchange: &Exchange, env: &Env<'_>) -> Flow {
    let Some(until) = exchange.plan.state.blocks.holds(exchange.client, env.now.mono) else { return Flow::Pass };
    if Net::from(exchange.client).check(&exchange.plan.policy.clients).is_err() {
        return Flow::Pass;
    }
    let seconds = until.0.saturating_sub(env.now.mono.0).div_ceil(1_000_000);
    let retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
    Flow::Refuse(Denial { retry_after, ..Denial::new(Stage::Block, Code::Blocked) })
}
