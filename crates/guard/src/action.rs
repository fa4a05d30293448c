//! Next.js server actions: decided by the action, never by the path it was sent to.
//!
//! Next runs an action for a POST to any path, existing or not, so a route's rules cannot protect it. The gate reads the
//! framework's manifest: an action takes the strictest rules of the pages that bundle it, or those of its own
//! `[[action]]` entry, and is accepted only on paths of those pages.

use palisade_event::Kind;
use palisade_policy::{
    ActionRule, CsrfStrength, Found, IdentityNeed, ManifestAction, Method, Methods, Mode, Policy, Route,
};

use crate::ordered::Ordered;
use crate::plan::RoutePlan;
use crate::state::State;

/// What is known of one action.
#[derive(Debug)]
pub(crate) struct ActionPlan {
    /// Its rules, an index into the plan's routes.
    pub(crate) route: u16,
    /// The pages that bundle it; `None` accepts any path.
    pages: Option<Vec<String>>,
}

/// The body an action takes where its pages take none: Next's own default cap.
const ACTION_BODY: u64 = 1 << 20;

// === impl ActionPlan ===

impl ActionPlan {
    pub(crate) fn compile(policy: &Policy, routes: &mut Vec<RoutePlan>, state: &State) -> Ordered<String, ActionPlan> {
        let mut plans = Ordered::default();
        for (id, action) in policy.manifest.iter().flatten() {
            let rule = policy.actions.iter().find(|rule| rule.name == *id || Some(&rule.name) == action.name.as_ref());
            let route = rule.map_or_else(|| strictest(policy, action), |rule| from_rule(policy, rule));
            let Ok(index) = u16::try_from(routes.len()) else { break };
            routes.push(RoutePlan::action(route, id, state));
            let everywhere = action.pages.iter().any(|page| page == "/_not-found");
            let pages = (!everywhere).then(|| action.pages.clone());
            plans.insert(id.clone(), ActionPlan { route: index, pages });
        }
        plans
    }

    /// Whether a page at `path` may send it.
    pub(crate) fn accepts(&self, path: &str) -> bool {
        self.pages.as_ref().is_none_or(|pages| pages.iter().any(|page| page_matches(page, path)))
    }
}

/// Actions carry no CSRF token: the `Next-Action` header and the Origin that browsers send with every POST take its
/// place, so the origin check is the strength, and for actions it wants proof (see the Origin stage).
fn base(path: &str, kind: Kind, policy: &Policy) -> Route {
    let route = Route::new(path, kind);
    Route {
        methods: Methods::default().with(Method::Post),
        csrf: CsrfStrength::Origin,
        body: route.body.max(ACTION_BODY),
        mode: policy.app.mode,
        ..route
    }
}

fn from_rule(policy: &Policy, rule: &ActionRule) -> Route {
    Route { access: rule.access.clone(), ..base(&format!("(action {})", rule.name), rule.kind, policy) }
}

fn strictest(policy: &Policy, action: &ManifestAction) -> Route {
    let mut strict = base("(action)", policy.undeclared_kind(), policy);
    let mut first = true;
    for page in action.pages.iter().filter(|page| *page != "/_not-found") {
        let Found::Route(_, route) = policy.find("GET", &sample(page)) else { continue };
        if first {
            strict =
                Route { kind: route.kind, limit: route.limit, identity: route.identity, mode: route.mode, ..strict };
            strict.access = route.access.clone();
            strict.path = format!("(action) {}", route.path);
            first = false;
            continue;
        }
        if route.identity > strict.identity {
            strict.kind = route.kind;
            strict.access = route.access.clone();
            strict.path = format!("(action) {}", route.path);
        }
        strict.identity = strict.identity.max(route.identity);
        strict.limit = tighter(strict.limit, route.limit);
        strict.mode = if route.mode == Mode::Enforce { Mode::Enforce } else { strict.mode };
    }
    debug_assert!(strict.identity >= IdentityNeed::None);
    strict
}

fn tighter(one: Option<palisade_policy::Limit>, two: Option<palisade_policy::Limit>) -> Option<palisade_policy::Limit> {
    let rate = |limit: &palisade_policy::Limit| u64::from(limit.count) * 86_400 / limit.window.as_secs().max(1);
    one.into_iter().chain(two).min_by_key(rate)
}

/// A path of the page: `/users/[id]` -> `/users/x`.
fn sample(page: &str) -> String {
    let segments = page.split('/').filter(|segment| !segment.is_empty() && !segment.starts_with("[[..."));
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(if segment.starts_with('[') { "x" } else { segment });
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

/// Whether `path` is one of the page's: `[id]` takes a segment, `[...rest]` at least one, `[[...rest]]` any number.
fn page_matches(page: &str, path: &str) -> bool {
    let mut parts = page.split('/').filter(|part| !part.is_empty());
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    loop {
        match (parts.next(), segments.next()) {
            (None, None) => return true,
            (Some(part), _) if part.starts_with("[[...") => return true,
            (Some(part), Some(_)) if part.starts_with("[...") => return true,
            (Some(part), Some(segment)) if part == segment || part.starts_with('[') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_pattern_takes_its_own_paths_and_no_others() {
        for (page, path, expect) in [
            ("/", "/", true),
            ("/", "/x", false),
            ("/admin", "/admin", true),
            ("/admin", "/", false),
            ("/admin", "/admin/x", false),
            ("/users/[id]", "/users/7", true),
            ("/users/[id]", "/users", false),
            ("/docs/[...rest]", "/docs/a/b", true),
            ("/docs/[...rest]", "/docs", false),
            ("/docs/[[...rest]]", "/docs", true),
        ] {
            assert_eq!(page_matches(page, path), expect, "{page} {path}");
        }
        assert_eq!(sample("/users/[id]/[[...rest]]"), "/users/x");
        assert_eq!(sample("/"), "/");
    }
}
