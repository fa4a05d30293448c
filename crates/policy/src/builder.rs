//! A policy built in code. The file's reader comes through here too, so that a policy is checked in one place.

use std::collections::BTreeMap;

use palisade_diag::{Diagnostic, Diagnostics};
use palisade_event::Kind;

use crate::matcher::{Conflict, Matcher};
use crate::model::{
    ActionRule, Alerting, App, Clients, Cors, CspSources, Csrf, CsrfStrength, Environment, Framework, HealthCheck,
    Identity, Limits, Listen, Method, Methods, Mode, Origin, Route, RouteSource, Service, SharedState, Undeclared,
    Upstream,
};
use crate::place::{Place, Problem, Problems};
use crate::policy::{ManifestAction, Policy, RouteId};
use crate::{preset, rules, services, template};

/// The most routes of a policy; indices are 16 bits wide.
const MAX_ROUTES: usize = 10_000;

/// Collects the parts of a [`Policy`]; [`PolicyBuilder::build`] checks them all.
#[derive(Debug, Clone)]
#[must_use]
pub struct PolicyBuilder {
    pub(crate) app: App,
    pub(crate) environment: Environment,
    pub(crate) clients: Clients,
    pub(crate) csrf: Csrf,
    pub(crate) cors: Option<Cors>,
    pub(crate) limits: Limits,
    pub(crate) listen: Listen,
    pub(crate) identity: Option<Identity>,
    pub(crate) state: SharedState,
    pub(crate) undeclared: Undeclared,
    pub(crate) undeclared_kind: Kind,
    pub(crate) required_variables: Vec<String>,
    pub(crate) optional_variables: Vec<String>,
    pub(crate) actions: Vec<ActionRule>,
    pub(crate) manifest: Option<BTreeMap<String, ManifestAction>>,
    pub(crate) csp: CspSources,
    pub(crate) alerting: Alerting,
    pub(crate) routes: Vec<Route>,
}

// === impl Policy ===

impl Policy {
    /// Starts a policy. `public_origins` are those the app is served under; there must be one.
    pub fn builder(name: impl Into<String>, public_origins: Vec<Origin>) -> PolicyBuilder {
        PolicyBuilder {
            app: App {
                name: name.into(),
                upstreams: Vec::new(),
                health: None,
                public_origins,
                services: Vec::new(),
                framework: None,
                mode: Mode::Enforce,
                directory: None,
            },
            environment: Environment::Production,
            clients: Clients::default(),
            csrf: Csrf::default(),
            cors: None,
            limits: Limits::default(),
            listen: Listen::default(),
            identity: None,
            state: SharedState::default(),
            undeclared: Undeclared { deny: false, unsafe_origin: false },
            undeclared_kind: Kind::Page,
            required_variables: Vec::new(),
            optional_variables: Vec::new(),
            actions: Vec::new(),
            manifest: None,
            csp: CspSources::default(),
            alerting: Alerting::default(),
            routes: Vec::new(),
        }
    }

    /// The policy that refuses everything: what holds when no valid policy can be had.
    #[must_use]
    pub fn deny_all() -> Policy {
        let nowhere = Origin { https: true, authority: "invalid.".to_owned() };
        let mut builder = Policy::builder("deny-all", vec![nowhere]);
        builder.undeclared.deny = true;
        builder.finish(Vec::new(), Matcher::default())
    }
}

// === impl PolicyBuilder ===

impl PolicyBuilder {
    /// Where the gate forwards to.
    pub fn upstream(self, upstream: Origin) -> PolicyBuilder {
        self.upstreams([upstream.into()])
    }

    /// The places that serve the app.
    pub fn upstreams(mut self, upstreams: impl IntoIterator<Item = Upstream>) -> PolicyBuilder {
        self.app.upstreams = upstreams.into_iter().collect();
        self
    }

    /// How the upstreams are asked whether they are well.
    pub fn health(mut self, health: HealthCheck) -> PolicyBuilder {
        self.app.health = Some(health);
        self
    }

    /// Presets of services.
    pub fn services(mut self, services: impl IntoIterator<Item = Service>) -> PolicyBuilder {
        self.app.services = services.into_iter().collect();
        self
    }

    /// Preset of the framework.
    pub fn framework(mut self, framework: Framework) -> PolicyBuilder {
        self.app.framework = Some(framework);
        self
    }

    /// Whether refusals are carried out on presets and undeclared paths; routes carry their own mode.
    pub fn mode(mut self, mode: Mode) -> PolicyBuilder {
        self.app.mode = mode;
        self
    }

    /// The project's directory, relative to the policy file.
    pub fn directory(mut self, directory: impl Into<String>) -> PolicyBuilder {
        self.app.directory = Some(directory.into());
        self
    }

    /// Where the app runs; production unless said.
    pub fn environment(mut self, environment: Environment) -> PolicyBuilder {
        self.environment = environment;
        self
    }

    /// Who is believed about the client's address.
    pub fn clients(mut self, clients: Clients) -> PolicyBuilder {
        self.clients = clients;
        self
    }

    /// Where tokens are fetched and how they travel.
    pub fn csrf(mut self, csrf: Csrf) -> PolicyBuilder {
        self.csrf = csrf;
        self
    }

    /// Who else may read answers.
    pub fn cors(mut self, cors: Cors) -> PolicyBuilder {
        self.cors = Some(cors);
        self
    }

    /// What the gate spends at most.
    pub fn limits(mut self, limits: Limits) -> PolicyBuilder {
        self.limits = limits;
        self
    }

    /// Where the gate listens.
    pub fn listen(mut self, listen: Listen) -> PolicyBuilder {
        self.listen = listen;
        self
    }

    /// Whose tokens are believed.
    pub fn identity(mut self, identity: Identity) -> PolicyBuilder {
        self.identity = Some(identity);
        self
    }

    /// What several gates share.
    pub fn state(mut self, state: SharedState) -> PolicyBuilder {
        self.state = state;
        self
    }

    /// What holds for paths that no route names.
    pub fn undeclared(mut self, kind: Kind, undeclared: Undeclared) -> PolicyBuilder {
        self.undeclared_kind = kind;
        self.undeclared = undeclared;
        self
    }

    /// A variable the app must have.
    pub fn required_variable(mut self, name: impl Into<String>) -> PolicyBuilder {
        self.required_variables.push(name.into());
        self
    }

    /// A variable the app may have.
    pub fn optional_variable(mut self, name: impl Into<String>) -> PolicyBuilder {
        self.optional_variables.push(name.into());
        self
    }

    /// A server action with rules of its own.
    pub fn action(mut self, action: ActionRule) -> PolicyBuilder {
        self.actions.push(action);
        self
    }

    /// The server actions that the framework's manifest names.
    pub fn manifest(mut self, manifest: BTreeMap<String, ManifestAction>) -> PolicyBuilder {
        self.manifest = Some(manifest);
        self
    }

    /// What documents may load beside the app's own.
    pub fn csp(mut self, csp: CspSources) -> PolicyBuilder {
        self.csp = csp;
        self
    }

    /// Who is told of what was found, and what answers back.
    pub fn alerting(mut self, alerting: Alerting) -> PolicyBuilder {
        self.alerting = alerting;
        self
    }

    /// A route. The order does not matter: the more specific path wins.
    pub fn route(mut self, route: Route) -> PolicyBuilder {
        self.routes.push(route);
        self
    }

    /// Adds what follows from the services, once they and the origins are named: variables the app must have, what
    /// its pages load, and, with Clerk and no identity yet, whose tokens are believed. Values of `variables` name the
    /// app's own hosts at the services; without them the documented wildcards stand.
    pub fn presets(mut self, variables: &BTreeMap<String, String>) -> PolicyBuilder {
        services::apply(&mut self, variables);
        self
    }

    /// Checks everything and builds the policy.
    ///
    /// # Errors
    /// Every problem found, errors and warnings; none hides another.
    pub fn build(self) -> Result<Policy, Diagnostics> {
        let (policy, problems) = self.build_with_places();
        let mut found = Diagnostics::new();
        for problem in problems.items {
            found.push(named(&policy, problem.place, problem.diagnostic));
        }
        if found.has_errors() { Err(found) } else { Ok(policy) }
    }

    /// Builds the policy and says what is wrong where. With an error among the problems the policy must not be used.
    pub(crate) fn build_with_places(mut self) -> (Policy, Problems) {
        let mut problems = Problems::default();
        rules::check(&mut self, &mut problems);
        if self.routes.len() > MAX_ROUTES {
            let text = format!("the policy has {} routes; at most {MAX_ROUTES} are taken", self.routes.len());
            let fix = "join routes of one kind by a parameter: `/api/items/{id}`";
            problems.error(Place::route(MAX_ROUTES, ""), "routes-too-many", text, fix);
            self.routes.truncate(MAX_ROUTES);
        }
        let mut matcher = Matcher::default();
        let mut routes = std::mem::take(&mut self.routes);
        for (index, route) in routes.iter().enumerate() {
            if template::problem(&route.path).is_some() {
                continue; // named by the rules already
            }
            if let Err(conflict) = matcher.insert(id(index), route) {
                problems.items.push(conflicting(&routes, index, route, &conflict));
            }
        }
        let presets = preset::routes(self.app.framework).into_iter().chain(preset::service_routes(&self.app.services));
        for mut route in presets {
            // The app's own route of that path wins, in whatever spelling and with whatever methods.
            let named = routes.iter().any(|own| template::fold(&own.path) == template::fold(&route.path));
            if !named && matcher.insert(id(routes.len()), &route).is_ok() {
                route.mode = self.app.mode;
                routes.push(route);
            }
        }
        (self.finish(routes, matcher), problems)
    }

    /// Puts the policy together; the route for undeclared paths comes last.
    fn finish(self, mut routes: Vec<Route>, matcher: Matcher) -> Policy {
        let undeclared_route = id(routes.len());
        routes.push(undeclared_route_of(&self.app, self.undeclared_kind, &self.undeclared));
        if let Some(most) = self.limits.body {
            for route in &mut routes {
                route.body = route.body.min(most);
            }
        }
        Policy {
            app: self.app,
            environment: self.environment,
            clients: self.clients,
            csrf: self.csrf,
            cors: self.cors,
            limits: self.limits,
            listen: self.listen,
            identity: self.identity,
            state: self.state,
            undeclared: self.undeclared,
            required_variables: self.required_variables,
            optional_variables: self.optional_variables,
            actions: self.actions,
            manifest: self.manifest,
            csp: self.csp,
            alerting: self.alerting,
            routes,
            undeclared_route,
            matcher,
        }
    }
}

/// The route that stands for paths nobody declared.
fn undeclared_route_of(app: &App, kind: Kind, undeclared: &Undeclared) -> Route {
    let mut route = Route::new("(undeclared)", kind);
    route.source = RouteSource::Undeclared;
    route.mode = app.mode;
    route.methods = Methods::READ;
    if undeclared.unsafe_origin {
        route.methods = Method::ALL.into_iter().collect();
        route.csrf = CsrfStrength::Origin;
    }
    route
}

/// The id of the route at `index`, which [`MAX_ROUTES`] keeps small.
fn id(index: usize) -> RouteId {
    RouteId(u16::try_from(index).unwrap_or(u16::MAX))
}

/// Says which earlier route stands in the way.
fn conflicting(routes: &[Route], index: usize, route: &Route, conflict: &Conflict) -> Problem {
    let path = &route.path;
    let (first, diagnostic) = match conflict {
        Conflict::Duplicate(first, methods) => {
            let text = format!("{methods} {path} is declared twice");
            let fix = "remove one of the two, or give each its own methods";
            (Some(usize::from(first.0)), Diagnostic::error("route-duplicate", text).fix(fix))
        }
        Conflict::ParameterNames(with) => {
            let text = format!("`{path}` and `{with}` match the same paths; they differ by parameter names only");
            let fix = "use one name for the parameter in both routes";
            let first = routes.iter().position(|route| route.path == *with);
            (first, Diagnostic::error("route-parameter-names", text).fix(fix))
        }
        Conflict::Spelling(with) => {
            let first = routes.iter().position(|route| route.path == *with);
            let text = format!("`{path}` and `{with}` are one path but for case or a trailing slash");
            let fix = "keep the spelling that the app serves; the gate refuses the others";
            (first, Diagnostic::error("route-spelling", text).fix(fix))
        }
        Conflict::Full => (None, Diagnostic::error("routes-too-many", "the policy has too many paths")),
    };
    let related =
        first.filter(|first| *first != index).map(|first| (Place::route(first, "path"), "first declared here"));
    Problem { place: Place::route(index, "path"), related, diagnostic }
}

/// Names the place in the message, for policies that have no text to point at.
pub(crate) fn named(policy: &Policy, place: Place, mut diagnostic: Diagnostic) -> Diagnostic {
    let name = match (place.table, policy.routes.get(place.index)) {
        ("route", Some(route)) => format!("route {}", route.path),
        (table, _) => format!("[{table}]"),
    };
    let key = if place.key.is_empty() { String::new() } else { format!(" {}", place.key) };
    diagnostic.message = format!("{name}{key}: {}", diagnostic.message);
    diagnostic
}
