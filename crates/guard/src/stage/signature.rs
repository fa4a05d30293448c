//! Webhook signatures, over the raw body. The head is checked first, then the size; then the body is read, in steps
//! that take from the memory budget as it comes, and only then is anything computed over it. Time is judged as of the
//! request's start, so that a slow body does not make its message stale.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use palisade_event::{Code, Kind, Stage};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::stage::body::overloaded;
use crate::step::{Collect, Flow, Query};
use crate::view::{BodyHint, View};
use crate::webhook::{Head, Signing};

/// How long a message may take to arrive. Providers themselves wait hardly longer for the answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes that are read first; each further step doubles them.
const FIRST_STEP: u64 = 64 << 10;

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    let Some(route) = exchange.route() else { return Flow::refuse(Stage::Signature, Code::Internal) };
    if route.route.kind != Kind::Webhook && route.route.signature.is_none() {
        return Flow::Pass;
    }
    let (index, plan) = (exchange.route, Arc::clone(&exchange.plan));
    let route = index.and_then(|index| plan.routes.get(usize::from(index)));
    let Some((signing, cap)) = route.and_then(|route| Some((route.signing.as_ref()?, route.route.body))) else {
        return Flow::refuse(Stage::Signature, Code::SignatureMissing);
    };
    let head = match Head::read(signing.scheme, view.headers) {
        Ok(head) => head,
        Err(code) => return Flow::refuse(Stage::Signature, code),
    };
    if head.is_stale(exchange.started.wall) {
        return Flow::refuse(Stage::Signature, Code::SignatureStale);
    }
    match whole(exchange, view, cap, env) {
        Ok(body) => verify(exchange, signing, &head, &body, env),
        Err(flow) => flow,
    }
}

fn verify(exchange: &mut Exchange, signing: &Signing, head: &Head<'_>, body: &Bytes, env: &Env<'_>) -> Flow {
    if !signing.verifies(head, body, exchange.started.wall) {
        exchange.reserved = None;
        return Flow::refuse(Stage::Signature, Code::SignatureInvalid);
    }
    let patience = exchange.plan.policy.limits.upstream_timeout;
    let mut message = signing.message(head, body, patience, env);
    message.room = exchange.reserved.take();
    exchange.message = Some(Box::new(message));
    Flow::Pass
}

/// The whole body, or what is to be done about it. Its share of the budget is left in the exchange.
fn whole(exchange: &mut Exchange, view: &View<'_>, cap: u64, env: &Env<'_>) -> Result<Bytes, Flow> {
    let most = match view.body {
        BodyHint::Empty => return Ok(Bytes::new()),
        BodyHint::Sized(bytes) => bytes,
        BodyHint::Chunked => cap,
    };
    if most > cap || cap == 0 {
        return Err(Flow::refuse(Stage::Body, Code::BodyTooLarge));
    }
    let Some(gathered) = exchange.gathered.take() else { return Err(more(exchange, FIRST_STEP, most, env)) };
    let read = gathered.read.map_err(|code| Flow::refuse(Stage::Body, code))?;
    if read.len() as u64 > most {
        return Err(Flow::refuse(Stage::Body, Code::BodyTooLarge));
    }
    exchange.reserved = gathered.reserved;
    if gathered.complete {
        return Ok(read);
    }
    let step = (read.len() as u64).saturating_mul(2).max(FIRST_STEP);
    // Released before it is asked for again, or the driver would have to copy it.
    drop(read);
    Err(more(exchange, step, most, env))
}

/// Asks for `step` bytes of the at most `most` that there are.
fn more(exchange: &mut Exchange, step: u64, most: u64, env: &Env<'_>) -> Flow {
    let step = step.min(most);
    let held = match exchange.reserved.as_mut() {
        Some(reserved) => reserved.grow(step),
        None => {
            exchange.reserved = exchange.plan.state.reserve(step).map(Box::new);
            exchange.reserved.is_some()
        }
    };
    let spent = Duration::from_micros(env.now.mono.0.saturating_sub(exchange.started.mono.0));
    let within = WITHIN.saturating_sub(spent);
    // One byte beyond the last step tells a body that ends from one that goes on.
    let limit = usize::try_from(if step == most { step.saturating_add(1) } else { step });
    match limit {
        _ if !held => overloaded(),
        Ok(limit) if !within.is_zero() => Flow::Ask(Query::Collect(Collect { limit, within })),
        _ => Flow::refuse(Stage::Body, Code::BodyMalformed),
    }
}
