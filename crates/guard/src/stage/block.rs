//! Clients that an operator or an incident has shut out: before anything is counted or checked.

use palisade_event::{Code, Stage};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::step::{Denial, Flow};

pub(crate) fn check(exchange: &Exchange, env: &Env<'_>) -> Flow {
    let Some(until) = exchange.plan.blocked(exchange.client, env.now.mono) else { return Flow::Pass };
    let seconds = until.0.saturating_sub(env.now.mono.0).div_ceil(1_000_000);
    let retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
    Flow::Refuse(Denial { retry_after, ..Denial::new(Stage::Block, Code::Blocked) })
}
