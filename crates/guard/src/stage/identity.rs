//! Who is asking. A token is looked for, verified once, and remembered; a CSRF token that came along must have been made
//! for the same session.
//!
//! Where the route only takes an identity along, whoever shows a bad token is nobody, and the token is left to the
//! application. Two cookies of one name are refused everywhere: one of them was tossed by somebody else.

use std::sync::Arc;

use palisade_event::{Code, Stage};
use palisade_policy::{IdentityNeed, Mode};

use crate::answer::Say;
use crate::env::Env;
use crate::exchange::{CsrfState, Exchange};
use crate::identity::{Identity, Issuer, KeySet, Verified};
use crate::step::{Denial, Flow, Keyset, Query};
use crate::view::View;
use crate::vouched;

/// What a request's token came to.
enum Who {
    Known(Identity),
    Nobody,
    /// Why the token is not believed.
    Bad(Code),
    /// The keys that are known do not do.
    Ask(Keyset),
    /// The issuer's keys cannot be had.
    Unavailable,
    /// Two tokens where one belongs.
    Tossed,
}

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Identity, Code::Internal) };
    let required = plan.route.identity == IdentityNeed::Required;
    if plan.route.identity == IdentityNeed::None {
        return Flow::Pass;
    }
    match who(exchange, view, env) {
        Who::Known(identity) => {
            exchange.identity = Some(identity);
            if exchange.csrf == CsrfState::Bearer {
                exchange.csrf = CsrfState::Unneeded;
            }
            compare(exchange)
        }
        Who::Tossed => Flow::refuse(Stage::Identity, Code::HeaderMalformed),
        Who::Ask(question) if wants_claims(exchange) => Flow::Ask(Query::Keys(question)),
        _ if take_over(exchange) => compare(exchange),
        Who::Ask(question) => Flow::Ask(Query::Keys(question)),
        _ if !required => compare(exchange),
        Who::Nobody => refuse(exchange, Code::AuthRequired),
        Who::Bad(code) => refuse(exchange, code),
        Who::Unavailable => refuse(exchange, Code::StateUnavailable),
    }
}

/// Takes over the caller that a gate before this process has verified, where this guard cannot verify it by itself: the
/// subject, which is all that is proven. Its token may be over by now, or its issuer unknown here.
fn take_over(exchange: &mut Exchange) -> bool {
    let vouched = exchange.vouched.as_ref().filter(|vouched| vouched.passed(Stage::Identity));
    let Some(subject) = vouched.and_then(|vouched| vouched.subject()) else { return false };
    // A bearer token stands in for a CSRF token only where it was verified here.
    if exchange.csrf == CsrfState::Bearer {
        return false;
    }
    let own_claims = exchange.plan.policy.identity.as_ref().is_some_and(|identity| !identity.claims.is_empty());
    exchange.identity = Some(Identity::vouched(subject, own_claims));
    true
}

/// Whether the subject alone does not do.
fn wants_claims(exchange: &Exchange) -> bool {
    let open = exchange.route().is_some_and(|plan| plan.route.access.is_empty());
    !open && !vouched::covers(exchange, Stage::Access)
}

/// A CSRF token serves the session it was made for, and no other: neither one that began later, nor nobody's.
pub(crate) fn compare(exchange: &Exchange) -> Flow {
    let looked_at = exchange.route().is_some_and(|plan| plan.route.identity != IdentityNeed::None);
    match exchange.csrf {
        CsrfState::Verified(token) if looked_at && !exchange.is_bound(token.identity) => {
            Flow::refuse(Stage::Identity, Code::CsrfTokenInvalid)
        }
        _ => Flow::Pass,
    }
}

/// The caller of a token that was verified before. Nothing is verified here: the limiter asks before anything costly.
pub(crate) fn remembered(exchange: &Exchange, view: &View<'_>, env: &Env<'_>) -> Option<Identity> {
    let issuer = exchange.plan.issuer.as_ref()?;
    let keys = keys(exchange, issuer)?;
    let token = issuer.shown(view.headers, env.now.wall).ok()??;
    exchange.plan.state.verified.find(&Verified::hash(token), issuer.epoch(&keys), env.now.wall)
}

fn who(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Who {
    if let Some(identity) = exchange.identity.take() {
        return Who::Known(identity);
    }
    let plan = Arc::clone(&exchange.plan);
    let Some(issuer) = &plan.issuer else { return Who::Nobody };
    let token = match issuer.shown(view.headers, env.now.wall) {
        Err(_) => return Who::Tossed,
        Ok(None) => return Who::Nobody,
        Ok(Some(token)) => token,
    };
    let asked = exchange.asks.asked_keys;
    let keys = keys(exchange, issuer);
    let hash = Verified::hash(token);
    let known = keys.as_ref().and_then(|keys| plan.state.verified.find(&hash, issuer.epoch(keys), env.now.wall));
    if let Some(identity) = known {
        return Who::Known(identity);
    }
    let (parts, claims) = match issuer.read(token) {
        Ok(read) => read,
        Err(fault) => return Who::Bad(fault.code()),
    };
    let Some(keys) = keys else {
        return if asked { Who::Unavailable } else { Who::Ask(Keyset { known: None }) };
    };
    if !asked && issuer.fixed.is_none() && !keys.knows(parts.kid.as_deref()) {
        return Who::Ask(Keyset { known: Some(keys.digest()) });
    }
    match issuer.verify(&parts, claims, &keys, env.now.wall) {
        Ok(identity) => {
            plan.state.verified.insert(hash, issuer.epoch(&keys), &identity);
            Who::Known(identity)
        }
        Err(fault) => Who::Bad(fault.code()),
    }
}

fn keys(exchange: &Exchange, issuer: &Issuer) -> Option<Arc<KeySet>> {
    issuer.fixed.clone().or_else(|| exchange.plan.state.keyring.current())
}

/// A browser that loads a document is sent to sign in, where the policy says where; everybody else is told.
fn refuse(exchange: &Exchange, code: Code) -> Flow {
    let denial = Denial::new(Stage::Identity, code);
    let over = matches!(code, Code::AuthRequired | Code::TokenExpired);
    let there =
        exchange.plan.sign_in_url().is_some_and(|url| url.split(['?', '#']).next() != Some(exchange.target.path()));
    if over && there && exchange.asks.document && exchange.mode() == Mode::Enforce {
        return Flow::Say(Say::SignIn(denial));
    }
    Flow::Refuse(denial)
}
