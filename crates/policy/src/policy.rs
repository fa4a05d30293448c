use std::collections::BTreeMap;

use palisade_event::Kind;

use crate::matcher::Matcher;
use crate::model::{
    ActionRule, Alerting, App, Clients, Cors, CspSources, Csrf, Environment, Identity, Limits, Listen, Method, Methods,
    Route, Schema, SharedState, Undeclared,
};

/// The index of a route in [`Policy::routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u16);

/// A whole, valid policy. Data and its matcher; what enforces it is elsewhere.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `[app]`.
    pub app: App,
    /// The environment it was built for.
    pub environment: Environment,
    /// `[clients]`.
    pub clients: Clients,
    /// `[csrf]`.
    pub csrf: Csrf,
    /// `[cors]`.
    pub cors: Option<Cors>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[listen]`.
    pub listen: Listen,
    /// `[identity]`.
    pub identity: Option<Identity>,
    /// `[state]`.
    pub state: SharedState,
    /// `[undeclared]`.
    pub undeclared: Undeclared,
    /// Variables the app must have in this environment, from presets and `[env.NAME]`.
    pub required_variables: Vec<String>,
    /// Variables the app may have.
    pub optional_variables: Vec<String>,
    /// `[[action]]`.
    pub actions: Vec<ActionRule>,
    /// Server actions of the framework's manifest: id -> (exported name if told, pages that bundle it, canonical).
    /// `None`: there is no manifest.
    pub manifest: Option<BTreeMap<String, ManifestAction>>,
    /// What documents may load, from services and the policy.
    pub csp: CspSources,
    /// `[[channel]]` and what belongs to it: who is told of what was found, and what answers back.
    pub alerting: Alerting,
    pub(crate) routes: Vec<Route>,
    pub(crate) undeclared_route: RouteId,
    pub(crate) matcher: Matcher,
}

/// A server action as the framework's manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManifestAction {
    /// The exported name, when the manifest tells it.
    pub name: Option<String>,
    /// The page paths that bundle it, as route patterns without groups, slots and interception marks:
    /// `/admin`, `/users/[id]`, `/_not-found`.
    pub pages: Vec<String>,
}

/// What the matcher says of a method and a canonical path.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// This route.
    Route(RouteId, &'a Route),
    /// The path is declared, the method is not; these are.
    Method(Methods),
    /// The path spells a declared path in another way: by case, `;params` or a trailing slash.
    Misspelled,
    /// No route names the path, and `[undeclared]` refuses.
    Undeclared,
}

// === impl Policy ===

impl Policy {
    /// The route of a request. `path` is canonical: decoded nowhere, query removed.
    ///
    /// `method` is the method as sent; unknown methods are never declared. Framework variants of a page's path
    /// (`/_next/data/BUILD/x.json`, `/x.rsc`, segment prefetches) find the page's route.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Found<'_> {
        self.matcher.find(self, Method::from_id(method), path)
    }

    /// Has the input of a request's route checked by a schema, if it is not already: which one, knows whoever compiles
    /// schemas. Nothing happens where no route is found.
    pub fn check_input(&mut self, method: &str, path: &str) {
        let Found::Route(id, _) = self.find(method, path) else { return };
        if let Some(route) = self.routes.get_mut(usize::from(id.0)) {
            route.schema.get_or_insert_with(Schema::any);
        }
    }

    /// The methods that `path` answers; empty where nothing is declared and undeclared paths are refused.
    #[must_use]
    pub fn allowed(&self, path: &str) -> Methods {
        self.matcher.allowed(self, path)
    }

    /// Every route: declared ones first, then presets, then the one that stands for undeclared paths.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of that id.
    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(usize::from(id.0))
    }

    /// The route that stands for paths nobody declared.
    #[must_use]
    pub fn undeclared_route(&self) -> RouteId {
        self.undeclared_route
    }

    /// The kind undeclared paths are treated as.
    #[must_use]
    pub fn undeclared_kind(&self) -> Kind {
        self.route(self.undeclared_route).map_or(Kind::Page, |route| route.kind)
    }
}
