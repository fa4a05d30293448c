//! The body: its size and media type by the head, and the form field that may carry the token.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use palisade_event::{Code, Stage};

use crate::env::Env;
use crate::exchange::{CsrfState, Exchange, Gathered};
use crate::form::{self, Encoding};
use crate::stage::{csrf_token, identity};
use crate::step::{Collect, Denial, Flow, Query};
use crate::view::{BodyHint, View};

/// How far into a form its token may stand, in bytes.
pub(crate) const FIELD_WITHIN: usize = 16 << 10;
/// How long those bytes may take.
const FIELD_TIME: Duration = Duration::from_secs(5);
/// When a client may try again whose body found no room, in seconds.
const OVERLOADED_RETRY: u32 = 1;

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    if let Some(gathered) = exchange.gathered.take() {
        let flow = field(exchange, view, env, &gathered);
        exchange.gathered = Some(gathered);
        return flow;
    }
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Body, Code::Internal) };
    let fits = match view.body {
        BodyHint::Empty => true,
        BodyHint::Sized(bytes) => bytes <= plan.route.body,
        BodyHint::Chunked => plan.route.body > 0,
    };
    if !fits {
        return Flow::refuse(Stage::Body, Code::BodyTooLarge);
    }
    if plan.route.schema.is_some() {
        // Fails closed until schemas are compiled: unchecked input never counts as valid.
        return Flow::refuse(Stage::Body, Code::ValidationFailed);
    }
    let wanted = &plan.route.media_types;
    let unsuited = !wanted.is_empty() && !wanted.iter().any(|kind| form::essence(view.headers) == Some(kind.as_str()));
    if unsuited && view.body != BodyHint::Empty {
        return Flow::refuse(Stage::Body, Code::MediaType);
    }
    if exchange.csrf == CsrfState::Needed {
        return ask_for_field(exchange, view);
    }
    Flow::Pass
}

fn ask_for_field(exchange: &mut Exchange, view: &View<'_>) -> Flow {
    if Encoding::of(view.headers).is_none() || view.body == BodyHint::Empty {
        // Only observe mode comes here without a form: the token stage has noted the refusal.
        return Flow::refuse(Stage::CsrfToken, Code::CsrfTokenMissing);
    }
    if !plain_utf8(view) {
        return Flow::refuse(Stage::Body, Code::MediaType);
    }
    let Some(reserved) = exchange.plan.state.reserve(FIELD_WITHIN as u64) else {
        return overloaded();
    };
    exchange.reserved = Some(Box::new(reserved));
    Flow::Ask(Query::Collect(Collect { limit: FIELD_WITHIN, within: FIELD_TIME }))
}

/// The memory budget is spent.
pub(crate) fn overloaded() -> Flow {
    let denial = Denial::new(Stage::Body, Code::Overloaded);
    Flow::Refuse(Denial { retry_after: Some(OVERLOADED_RETRY), ..denial })
}

/// What is compressed or in another charset would be read by the application as other text than by the gate.
fn plain_utf8(view: &View<'_>) -> bool {
    let identity = view.headers.get_all(header::CONTENT_ENCODING).iter().all(|value| value == "identity");
    identity && form::charset(view.headers).is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

/// The token stands in the beginning of the form that was asked for.
fn field(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>, gathered: &Gathered) -> Flow {
    let bytes = match &gathered.read {
        Ok(bytes) => bytes,
        Err(code) => return Flow::refuse(Stage::Body, *code),
    };
    let plan = Arc::clone(&exchange.plan);
    let encoding = Encoding::of(view.headers);
    match encoding.and_then(|encoding| encoding.field(bytes, &plan.policy.csrf.field, gathered.complete)) {
        Some(token) => match csrf_token::verify(exchange, &token, env) {
            // The identity is known by now, so what it compares for tokens in a header is compared here.
            Flow::Pass => identity::compare(exchange),
            other => other,
        },
        None => Flow::refuse(Stage::CsrfToken, Code::CsrfTokenMissing),
    }
}
