//! The stages: one file each, in [`palisade_event::ORDER`]. A stage reads the exchange and the head, fills in its part
//! of the exchange, and passes, refuses, answers or asks.

mod access;
mod block;
mod body;
mod claim;
mod csrf_token;
mod identity;
mod origin;
mod quota;
mod rate;
mod share;
mod signature;
mod target;

pub(crate) use rate::noteworthy;
pub(crate) use share::{Sharing, UNAVAILABLE_RETRY};
pub(crate) use target::NEXT_ACTION;

use palisade_event::Stage;

use crate::env::Env;
use crate::exchange::{CsrfState, Exchange};
use crate::step::Flow;
use crate::view::View;
use crate::vouched;

/// Runs one stage. Exhaustive: a stage that exists is skipped only where a gate before this process has done the same.
pub(crate) fn check(stage: Stage, exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    if exchange.vouched.is_some() && vouched::covers(exchange, stage) {
        if stage == Stage::CsrfToken {
            exchange.csrf = CsrfState::Unneeded;
        }
        return Flow::Pass;
    }
    match stage {
        Stage::Target => target::check(exchange, view, env),
        Stage::Block => block::check(exchange, env),
        Stage::Rate => rate::check(exchange, view, env),
        Stage::Origin => origin::check(exchange, view),
        Stage::CsrfToken => csrf_token::check(exchange, view, env),
        Stage::Signature => signature::check(exchange, view, env),
        Stage::Identity => identity::check(exchange, view, env),
        Stage::Quota => quota::check(exchange, env),
        Stage::Access => access::check(exchange),
        Stage::Body => body::check(exchange, view, env),
        Stage::Claim => claim::check(exchange, view, env),
    }
}
