//! What the framework built, beside what the policy declares: said at the start, not when the first form is refused.

use std::collections::BTreeSet;

use crate::json;
use crate::model::{CspProfile, Framework, Route, RouteSource};
use crate::place::{Place, Problems};
use crate::policy::{Found, Policy};

/// The most paths that one warning names.
const NAMED: usize = 8;

/// Compares Next.js's `app-path-routes-manifest.json`, if it can be read, with the policy.
///
/// The list names route handlers and pages, not the methods they answer: a handler of GET alone is named too. The Pages
/// Router's API routes are not in it.
pub(crate) fn compare(policy: &Policy, manifest: &str, problems: &mut Problems) {
    let (Some(Framework::NextJs), Some(built)) = (policy.app.framework, json::object(manifest.as_bytes())) else {
        return;
    };
    let of = |kind: &str| {
        let all = built.iter().filter(|(entry, _)| entry.ends_with(kind)).filter_map(|(_, path)| path.as_str());
        // In an order of ours: how the list is kept in memory depends on who else is in the build.
        let mut paths = BTreeSet::new();
        paths.extend(all.filter(|path| !is_own(path)).map(str::to_owned));
        paths
    };
    let place = Place::key("app", "framework");
    let closed: Vec<String> = of("/route").into_iter().filter(|path| is_closed(policy, path)).collect();
    if !closed.is_empty() {
        let what = format!(
            "Next.js serves route handlers that no [[route]] declares, so they answer GET and HEAD at most, and every POST, PUT, \
             PATCH and DELETE is refused: {}",
            listed(&closed)
        );
        problems.warn(
            place,
            "app-route-undeclared",
            what,
            "declare each by its kind; `palisade advise POST PATH` says which",
        );
    }
    let dead: Vec<String> = of("/page").into_iter().filter(|path| has_no_scripts(policy, path)).collect();
    if !dead.is_empty() {
        let what = format!(
            "Next.js serves pages whose routes are declared for data, so browsers will run none of their scripts: {}",
            listed(&dead)
        );
        problems.warn(place, "page-without-csp", what, "add csp = \"auto\" to their routes");
    }
}

/// Next.js's own pages, and files such as `/icon.svg` that are built into handlers.
fn is_own(path: &str) -> bool {
    path.starts_with("/_") || path.rsplit('/').next().is_some_and(|last| last.contains('.') && !last.starts_with('['))
}

fn is_closed(policy: &Policy, path: &str) -> bool {
    let path = example(path);
    let undeclared = |route: &Route| route.source == RouteSource::Undeclared;
    let declared = match policy.find("GET", &path) {
        Found::Route(_, route) => !undeclared(route),
        Found::Method(_) | Found::Misspelled => true,
        Found::Undeclared => false,
    };
    !declared && !matches!(policy.find("POST", &path), Found::Route(..))
}

fn has_no_scripts(policy: &Policy, path: &str) -> bool {
    let found = policy.find("GET", &example(path));
    matches!(found, Found::Route(_, route) if route.csp == CspProfile::Data)
}

/// A path that a template of Next.js takes: `/users/[id]` takes `/users/x`.
fn example(template: &str) -> String {
    let segments = template.split('/').map(|segment| if segment.starts_with('[') { "x" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn listed(paths: &[String]) -> String {
    let named = paths.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if paths.len() > NAMED { format!("{named} and {} more", paths.len() - NAMED) } else { named }
}
