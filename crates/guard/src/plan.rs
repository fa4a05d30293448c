//! A policy compiled for deciding: routes with their tables and prerendered header values.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_event::Kind;
use palisade_policy::{
    CsrfStrength, Environment, IdentityNeed, Limit, Method, Methods, Mode, Origin, Policy, Route, RouteId, RouteSource,
};
use siphasher::sip::SipHasher13;

use crate::action::ActionPlan;
use crate::csp::Csp;
use crate::keys::{Keys, Secrets};
use crate::limiter::Limiter;
use crate::schema::{self, Providers, SchemaPlan};
use crate::state::State;
use std::hash::Hasher as _;

/// A policy ready to decide. Immutable: a reload makes another one, and requests finish under the one they began with.
#[derive(Debug)]
pub struct Plan {
    pub(crate) policy: Policy,
    pub(crate) state: Arc<State>,
    pub(crate) keys: Keys,
    pub(crate) hosts: Vec<Origin>,
    pub(crate) routes: Vec<RoutePlan>,
    pub(crate) actions: BTreeMap<String, ActionPlan>,
    pub(crate) csrf_route: u16,
    /// Counts refusals that are cheap to cause, so that they cannot fill the event channel.
    pub(crate) noise: Arc<Limiter>,
    pub(crate) csp: Csp,
    pub(crate) hsts: bool,
    pub(crate) detailed: bool,
}

/// A route of the policy, a server action, or an endpoint of the gate itself.
#[derive(Debug)]
pub(crate) struct RoutePlan {
    pub(crate) route: Route,
    pub(crate) rate: Option<RatePlan>,
    pub(crate) own: bool,
    pub(crate) action: bool,
    pub(crate) schema: Option<Arc<SchemaPlan>>,
}

/// The limit of a route, with its table.
#[derive(Debug)]
pub(crate) struct RatePlan {
    pub(crate) scope: u32,
    pub(crate) limiter: Arc<Limiter>,
    /// Whole /48 networks of IPv6, at sixteen times the limit.
    pub(crate) wide: Arc<Limiter>,
    /// `"public-form";q=5;w=60`
    pub(crate) policy_header: HeaderValue,
    pub(crate) limit_header: HeaderValue,
}

/// How often a client may ask for a CSRF token.
const CSRF_ENDPOINT_LIMIT: Limit = Limit { count: 60, window: std::time::Duration::from_secs(60) };
/// Refusals of paths and blocked clients a minute that are still worth an event of their own.
const NOISE_LIMIT: Limit = Limit { count: 60, window: std::time::Duration::from_secs(60) };
/// How many /64 networks' worth of quota a /48 has.
const WIDE_FACTOR: u32 = 16;

// === impl Plan ===

impl Plan {
    /// Compiles a policy.
    ///
    /// `state` keeps the counters; hand the same one to the next plan and nothing is forgotten.
    ///
    /// # Errors
    /// Every problem at once: secrets that are missing or short, routes beyond 65,000, schemas that do
    /// not compile.
    pub fn compile(
        policy: Policy,
        secrets: &Secrets,
        state: &Arc<State>,
        providers: &Providers<'_>,
    ) -> Result<Arc<Plan>, Diagnostics> {
        let keys = Keys::derive(secrets).map_err(|weak| {
            let fix = "create one with `palisade secrets new`, or 32 random bytes in base64url";
            Diagnostics::from(Diagnostic::error("secret-weak", weak.to_string()).fix(fix))
        })?;
        let schemas = schema::compile_all(&policy, providers.schemas)?;
        let routes = policy.routes().iter().zip(schemas);
        let compile = |(route, schema): (&Route, _)| RoutePlan { schema, ..RoutePlan::compile(route.clone(), state) };
        let mut routes: Vec<RoutePlan> = routes.map(compile).collect();
        let actions = ActionPlan::compile(&policy, &mut routes, state);
        routes.push(RoutePlan::csrf_endpoint(&policy, state));
        let csrf_route = u16::try_from(routes.len() - 1)
            .map_err(|_| Diagnostics::from(Diagnostic::error("routes-too-many", "a policy takes 65,000 routes")))?;
        let https = policy.app.public_origins.iter().all(|origin| origin.https);
        Ok(Arc::new(Plan {
            hosts: hosts(&policy),
            csp: Csp::compile(&policy, https),
            noise: state.limiter(NOISE_LIMIT),
            hsts: https && policy.environment == Environment::Production,
            detailed: policy.environment == Environment::Development,
            state: Arc::clone(state),
            policy,
            keys,
            routes,
            actions,
            csrf_route,
        }))
    }

    /// The policy it was compiled from.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The state it counts in.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub(crate) fn undeclared(&self) -> RouteId {
        self.policy.undeclared_route()
    }

    /// The name of the session cookie under `origin`.
    pub(crate) fn cookie_name(origin: &Origin) -> &'static str {
        if origin.https { "__Host-palisade-sid" } else { "palisade-sid" }
    }
}

// === impl RoutePlan ===

impl RoutePlan {
    pub(crate) fn compile(route: Route, state: &State) -> RoutePlan {
        let scope = format!("{} {}", route.methods, route.path);
        let rate = route.limit.map(|limit| RatePlan::new(limit, &scope, route.kind, state));
        RoutePlan { route, rate, own: false, action: false, schema: None }
    }

    /// A server action: its limit key is the action, never the path it was sent to.
    pub(crate) fn action(route: Route, id: &str, state: &State) -> RoutePlan {
        let rate = route.limit.map(|limit| RatePlan::new(limit, &format!("action {id}"), route.kind, state));
        RoutePlan { route, rate, own: false, action: true, schema: None }
    }

    fn csrf_endpoint(policy: &Policy, state: &State) -> RoutePlan {
        let route = Route {
            methods: Methods::READ,
            limit: Some(CSRF_ENDPOINT_LIMIT),
            csrf: CsrfStrength::None,
            identity: IdentityNeed::None,
            mode: Mode::Enforce,
            source: RouteSource::Preset,
            ..Route::new(&policy.csrf.path, Kind::PublicRead)
        };
        RoutePlan { own: true, ..RoutePlan::compile(route, state) }
    }

    pub(crate) fn takes(&self, method: &str) -> bool {
        Method::from_id(method).is_some_and(|method| self.route.methods.has(method))
    }
}

impl RatePlan {
    fn new(limit: Limit, scope: &str, kind: Kind, state: &State) -> RatePlan {
        let wide = Limit { count: limit.count.saturating_mul(WIDE_FACTOR), ..limit };
        let seconds = limit.window.as_secs();
        let policy_header = format!("\"{kind}\";q={};w={seconds}", limit.count);
        RatePlan {
            scope: scope_number(scope),
            limiter: state.limiter(limit),
            wide: state.limiter(wide),
            policy_header: HeaderValue::from_str(&policy_header).unwrap_or(HeaderValue::from_static("")),
            limit_header: HeaderValue::from(limit.count),
        }
    }
}

/// A number for a route that stays the same over reloads and over nodes, so that counts survive both.
fn scope_number(scope: &str) -> u32 {
    let mut hasher = SipHasher13::new();
    hasher.write(scope.as_bytes());
    (hasher.finish() >> 32) as u32
}

/// The origins the gate answers for. Development adds this machine's names at the listening port.
fn hosts(policy: &Policy) -> Vec<Origin> {
    let mut hosts = policy.app.public_origins.clone();
    let port = policy.listen.address.as_deref().and_then(|address| address.rsplit_once(':')).map(|(_, port)| port);
    if let (Environment::Development, Some(port)) = (policy.environment, port) {
        let names = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("http://{name}:{port}"));
        let known = |origin: &Origin, hosts: &[Origin]| hosts.iter().any(|host| host.authority == origin.authority);
        for origin in names.iter().filter_map(|name| Origin::parse(name)) {
            if !known(&origin, &hosts) {
                hosts.push(origin);
            }
        }
    }
    hosts
}
