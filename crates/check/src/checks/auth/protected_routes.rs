//! Protected routes ask who is there.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, is_api, named};
use crate::facts::Unknown;
use crate::facts::routes::{Endpoint, Surface};
use palisade_policy::IdentityNeed;

pub(super) const CHECK: Check = Check {
    id: "auth/protected-routes",
    title: "Protected routes ask who is there",
    item: Item::Box(1),
    section: Section::Authentication,
    severity: Severity::Critical,
    reference: "A01:2021; ASVS 8.3.1",
    judge,
};

/// Whoever may call what changes something is asked for, at the gate or in the code, or it is declared for anyone.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    each(case, "auth", "no route changes anything", |endpoint| match endpoint.surface {
        Surface::Page => None,
        Surface::ServerAction => Some(action(case, endpoint)),
        Surface::ConvexFunction | Surface::ConvexHttp => Some(beside(endpoint)),
        _ if is_api(endpoint) => route(case, endpoint),
        _ => None,
    })
}

fn route(case: &Case<'_>, endpoint: &Endpoint) -> Option<Ruled> {
    let (name, shown) = (named(endpoint), &endpoint.shown);
    let known = [&shown.identity, &shown.signature, &shown.shared_secret].into_iter().find_map(Option::as_ref);
    Some(match (gate(case.policy, endpoint), known) {
        (Gate::Declared(route), _) if route.identity == IdentityNeed::Required => {
            Ruled::pass(format!("{name} wants a verified caller at the gate, as {}", route.kind))
        }
        (Gate::Declared(route), _) if route.signature.is_some() => {
            Ruled::pass(format!("{name} wants a signature at the gate"))
        }
        (_, Some(call)) => Ruled::pass(format!("{name} asks who is calling in its source (`{call}`)")),
        (Gate::Declared(route), None) if route.source == palisade_policy::RouteSource::Declared => {
            Ruled::pass(format!("{name} is declared for anyone, as {}", route.kind))
        }
        (Gate::Refuses, None) => Ruled::pass(format!("{name} is refused at the gate, as nobody declared it")),
        _ if endpoint.is_unsafe() => Ruled::fail(
            format!("anyone may call {name}: nothing asks who is calling, and nothing declares it public"),
            "declare its kind in palisade.toml, or ask in its source: `await auth()`",
        ),
        _ => return None,
    })
}

/// Next.js runs an action from any path, so that its page protects nothing.
fn action(case: &Case<'_>, endpoint: &Endpoint) -> Ruled {
    let function = endpoint.path.rsplit('#').next().unwrap_or(&endpoint.path);
    let declared = case.policy.is_some_and(|policy| policy.actions.iter().any(|action| action.name == function));
    match &endpoint.shown.identity {
        Some(call) => Ruled::pass(format!("the action {} asks who is calling (`{call}`)", endpoint.path)),
        None if declared => Ruled::pass(format!("the action {} has an [[action]] of its own", endpoint.path)),
        None => Ruled::warn(
            format!("the action {} asks nobody who is calling, and runs from any path", endpoint.path),
            "ask in the action itself, give it an [[action]], or `// palisade-ok(auth): reason`",
        ),
    }
}

/// Convex's own address: the gate never sees these.
fn beside(endpoint: &Endpoint) -> Ruled {
    let shown = &endpoint.shown;
    let known = [&shown.identity, &shown.signature, &shown.shared_secret].into_iter().find_map(Option::as_ref);
    let fix = "ask for `ctx.auth.getUserIdentity()`, make it internal, or `// palisade-ok(auth): reason`";
    let what = format!("{} is called from any browser, past the gate, and asks nobody who is calling", endpoint.path);
    match known {
        Some(call) => Ruled::pass(format!("{} asks who is calling (`{call}`)", endpoint.path)),
        None if shown.writes || endpoint.is_unsafe() => Ruled::fail(what, fix),
        None => Ruled::warn(what, fix),
    }
}
