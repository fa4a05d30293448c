//! What the checks of routes share: which routes there are, and what the gate does for each.

use palisade_policy::{Found, Policy, Route, RouteSource};

use crate::check::{Case, Ruled};
use crate::facts::routes::{Endpoint, Routes, Surface};
use crate::facts::{Place, Unknown};

/// What the gate does with a request to an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gate<'p> {
    /// It is declared so.
    Declared(&'p Route),
    /// Nobody declared it, and the gate refuses it.
    Refuses,
    /// There is no policy, or the request never passes the gate.
    Absent,
}

/// The routes, where there are any.
///
/// # Errors
/// Nothing was read, so nothing is known.
pub(super) fn routes<'a>(case: &Case<'a>) -> Result<&'a Routes, Unknown> {
    let routes = match &case.facts.routes {
        crate::facts::Fact::Known(routes) => routes,
        crate::facts::Fact::Unknown(unknown) => return Err(unknown.clone()),
    };
    if routes.endpoints.is_empty() {
        let why = match routes.unread.first() {
            Some(unread) => {
                format!("no route was found in the source, and {} was not read: {}", unread.file, unread.why)
            }
            None => "no route was found in the source".to_owned(),
        };
        return Err(Unknown::new(
            why,
            "run it in the app's own folder; for another framework add an openapi.json, or confirm it with `palisade check attest`",
        ));
    }
    Ok(routes)
}

/// Judges each endpoint that `wanted` takes. Files that were not read are unknown; none that is wanted is not applicable.
pub(super) fn each<'a>(
    case: &Case<'a>,
    check: &str,
    none: &str,
    judge: impl Fn(&'a Endpoint) -> Option<Ruled>,
) -> Result<Vec<Ruled>, Unknown> {
    let routes = routes(case)?;
    let mut ruled: Vec<Ruled> = routes
        .endpoints
        .iter()
        .filter_map(|endpoint| {
            let place = Place::line(endpoint.file.clone(), endpoint.line);
            let ruled = judge(endpoint)?;
            let excused = endpoint.excused(check).filter(|_| ruled.outcome != crate::check::Outcome::Pass);
            let ruled = excused.map_or(ruled, |allowance| {
                Ruled::pass(format!("{} is excused in its source: {}", named(endpoint), allowance.reason))
            });
            Some(ruled.at(Some(place)))
        })
        .collect();
    ruled.extend(routes.unread.iter().map(|unread| {
        let why = format!("{} was not read: {}", unread.file, unread.why);
        Ruled::unknown(Unknown::new(why, "look at it by hand, then allow this check"))
            .at(Some(Place::file(unread.file.clone())))
    }));
    if ruled.is_empty() {
        ruled.push(Ruled::not_applicable(none));
    }
    Ok(ruled)
}

/// `POST /api/contact`, or the name of what has no path.
pub(super) fn named(endpoint: &Endpoint) -> String {
    let method = endpoint.methods.iter().find(|method| !is_safe(method)).or(endpoint.methods.first());
    method.map_or_else(|| endpoint.path.clone(), |method| format!("{method} {}", endpoint.path))
}

pub(super) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Whether it answers data, by a path, behind the gate.
pub(super) fn is_api(endpoint: &Endpoint) -> bool {
    matches!(endpoint.surface, Surface::RouteHandler | Surface::ApiRoute | Surface::Axum | Surface::OpenApi)
}

/// What the gate does for the endpoint, by its most telling method: one that changes something, else its first.
///
/// Of several such methods the least protected counts, so that one forgotten PUT shows.
pub(super) fn gate<'p>(policy: Option<&'p Policy>, endpoint: &Endpoint) -> Gate<'p> {
    let Some(policy) = policy.filter(|_| endpoint.surface.behind_gate() && endpoint.surface.has_path()) else {
        return Gate::Absent;
    };
    let path = example(&endpoint.path);
    let telling = endpoint.methods.iter().filter(|method| !is_safe(method));
    let telling: Vec<&String> =
        if endpoint.is_unsafe() { telling.collect() } else { endpoint.methods.iter().take(1).collect() };
    let mut least: Option<&Route> = None;
    for method in telling {
        match policy.find(method, &path) {
            Found::Route(_, route) if route.source != RouteSource::Undeclared || is_safe(method) => {
                let weaker = least.is_none_or(|known| strength(route) < strength(known));
                least = if weaker { Some(route) } else { least };
            }
            Found::Route(_, route) => least = Some(route),
            // What is refused reaches nobody; what else is declared says how the rest is protected.
            Found::Method(_) | Found::Misspelled | Found::Undeclared => {}
        }
    }
    least.map_or(Gate::Refuses, Gate::Declared)
}

fn strength(route: &Route) -> (bool, bool, bool) {
    (
        route.signature.is_some() || route.csrf != palisade_policy::CsrfStrength::None,
        route.limit.is_some(),
        route.schema.is_some(),
    )
}

/// A path that the template takes.
fn example(template: &str) -> String {
    let segments = template.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether the innermost of the two wrappers is the limit: tokens are then checked for requests that a limit would refuse.
pub(super) fn limit_comes_late(endpoint: &Endpoint) -> bool {
    let at = |name: &Option<String>| {
        name.as_ref().and_then(|name| endpoint.shown.wrappers.iter().position(|wrapper| wrapper == name))
    };
    matches!((at(&endpoint.shown.csrf), at(&endpoint.shown.rate_limit)), (Some(csrf), Some(limit)) if csrf < limit)
}
