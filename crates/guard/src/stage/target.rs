//! What is asked for: one host, one canonical path, one method, and the route they name.

use http::{HeaderMap, header, uri::Authority};
use palisade_event::{Code, Kind, Stage, Tag};
use palisade_policy::{Environment, Found, Framework, Methods, Policy, Route};

use crate::cookie::{Cookie, cookie};
use crate::env::Env;
use crate::exchange::{Asks, Exchange};
use crate::signals;
use crate::step::{Denial, Flow};
use crate::target;
use crate::token::Session;
use crate::view::View;
use crate::vouched;

pub(crate) const NEXT_ACTION: &str = "next-action";

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    // Before the first refusal: a request that names no route may still tell what it tried.
    exchange.signals = signals::of_head(view, exchange.asks.holds(Asks::EXPLOIT));
    match find(exchange, view) {
        Ok(()) => {
            vouched::heed(exchange, view, env);
            Flow::Pass
        }
        Err(denial) => Flow::Refuse(denial),
    }
}

fn find(exchange: &mut Exchange, view: &View<'_>) -> Result<(), Denial> {
    exchange.host = host(exchange, view)?;
    let path = view.uri.path();
    target::canonical(path).map_err(|_| deny(Code::PathMalformed))?;
    session(exchange, view.headers)?;
    if path == exchange.plan.policy.csrf.path {
        return csrf_endpoint(exchange, view);
    }
    if let Some(route) = action(exchange, view, path)? {
        exchange.route = Some(route);
        return Ok(());
    }
    let found = declared(exchange, view.method.as_str(), path);
    // What is refused on a path that nobody declared is refused, or observed, as `[undeclared]` is.
    let undeclared = exchange.plan.undeclared();
    let stray = || matches!(exchange.plan.policy.find("GET", path), Found::Route(id, _) if id == undeclared);
    exchange.route = found.ok().or_else(|| stray().then_some(undeclared.0));
    found.map(|_| ())
}

fn declared(exchange: &Exchange, method: &str, path: &str) -> Result<u16, Denial> {
    let policy = &exchange.plan.policy;
    // OPTIONS asks about the path, whatever its methods; the answer comes later, from the gate.
    if method == "OPTIONS" {
        let allowed = policy.allowed(path);
        let about = allowed.iter().next().map(|method| policy.find(method.id(), path));
        return match about {
            Some(found) => route_of(found, allowed),
            None => route_of(policy.find("GET", path), allowed),
        };
    }
    route_of(policy.find(method, path), Methods::NONE)
}

fn route_of(found: Found<'_>, allowed: Methods) -> Result<u16, Denial> {
    match found {
        Found::Route(id, _) => Ok(id.0),
        Found::Method(methods) => {
            let allow = methods.union(allowed);
            Err(Denial { allow, ..deny(Code::MethodNotAllowed) })
        }
        Found::Misspelled => Err(deny(Code::PathMalformed)),
        Found::Undeclared => Err(deny(Code::RouteUndeclared)),
    }
}

fn csrf_endpoint(exchange: &mut Exchange, view: &View<'_>) -> Result<(), Denial> {
    exchange.route = Some(exchange.plan.csrf_route);
    let takes = exchange.route().is_some_and(|plan| plan.takes(view.method.as_str()));
    if takes || view.method == http::Method::OPTIONS {
        return Ok(());
    }
    Err(Denial { allow: Methods::READ, ..deny(Code::MethodNotAllowed) })
}

/// The action a request runs, if it runs one. Next looks at the header on POST alone; everywhere else it is dropped on
/// the way up.
fn action(exchange: &mut Exchange, view: &View<'_>, path: &str) -> Result<Option<u16>, Denial> {
    let plan = &exchange.plan;
    if plan.policy.app.framework != Some(Framework::NextJs) || view.method != http::Method::POST {
        return Ok(None);
    }
    let mut ids = view.headers.get_all(NEXT_ACTION).iter();
    let (Some(id), None) = (ids.next(), ids.next()) else {
        return if view.headers.contains_key(NEXT_ACTION) { Err(deny(Code::HeaderMalformed)) } else { Ok(None) };
    };
    let known = id.to_str().ok().and_then(|id| plan.actions.get(id));
    if let Some(action) = known {
        let accepted = action.accepts(path) && is_page(&plan.policy, path);
        return if accepted { Ok(Some(action.route)) } else { Err(deny(Code::RouteUndeclared)) };
    }
    // The development server makes ids up as it compiles, and writes no manifest that could be read in time.
    let unlisted = plan.policy.environment == Environment::Development && plan.policy.manifest.is_none();
    if unlisted && is_page(&plan.policy, path) {
        exchange.tag(Tag::ActionUnknown);
        return Ok(Some(exchange.plan.policy.undeclared_route().0));
    }
    Err(deny(Code::RouteUndeclared))
}

/// Whether a page may be served there. Next runs a route handler without looking at the action's header, so an action
/// must not decide for one: not for a path whose POST is declared as anything but a page.
fn is_page(policy: &Policy, path: &str) -> bool {
    let page = |route: &Route| matches!(route.kind, Kind::Page | Kind::ProtectedRead);
    let shown = matches!(policy.find("GET", path), Found::Route(_, route) if page(route));
    let handled = matches!(policy.find("POST", path), Found::Route(_, route) if route.kind != Kind::Page);
    shown && !handled
}

/// The public origin the request is addressed to. Host and an absolute target must agree (RFC 9112 section 3.2.2).
fn host(exchange: &Exchange, view: &View<'_>) -> Result<u16, Denial> {
    let mut lines = view.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(deny(Code::HeaderMalformed));
    }
    let line = line.map(|line| line.to_str()).transpose().map_err(|_| deny(Code::HeaderMalformed))?;
    let target = view.uri.authority().map(Authority::as_str);
    let named = match (target, line) {
        (Some(target), Some(line)) if !target.eq_ignore_ascii_case(line) => return Err(deny(Code::HeaderMalformed)),
        (Some(named), _) | (None, Some(named)) => named,
        (None, None) => return Err(deny(Code::HostUnknown)),
    };
    let known = exchange.plan.hosts.iter().position(|origin| {
        let bare = named.strip_suffix(if origin.https { ":443" } else { ":80" }).unwrap_or(named);
        bare.eq_ignore_ascii_case(&origin.authority)
    });
    known.and_then(|index| u16::try_from(index).ok()).ok_or(deny(Code::HostUnknown))
}

/// Two session cookies of one name cannot be told apart: a sibling domain tossed one.
fn session(exchange: &mut Exchange, headers: &HeaderMap) -> Result<(), Denial> {
    if !exchange.asks.holds(Asks::OURS) {
        return Ok(());
    }
    match cookie(headers, exchange.cookie_name()) {
        Cookie::Absent => {}
        Cookie::Ambiguous => return Err(deny(Code::HeaderMalformed)),
        Cookie::One(value) => exchange.session = Session::read(value, &exchange.plan.keys),
    }
    Ok(())
}

const fn deny(code: Code) -> Denial {
    Denial::new(Stage::Target, code)
}
