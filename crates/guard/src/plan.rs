//! A policy compiled for deciding: routes with their tables and prerendered header values.

use std::sync::Arc;

use http::HeaderValue;
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_event::Kind;
use palisade_policy::{
    CsrfStrength, Environment, Identity, IdentityNeed, Limit, Method, Methods, Mode, Origin, Outage, Policy, Route,
    RouteId, RouteSource,
};
use siphasher::sip::SipHasher13;

use crate::action::ActionPlan;
use crate::csp::Csp;
use crate::dress::Dress;
use crate::identity::{Issuer, Providers};
use crate::keys::{Keys, Secrets};
use crate::limiter::Limiter;
use crate::login::LoginPlan;
use crate::ordered::Ordered;
use crate::schema::{self, NoSchemas, SchemaPlan};
use crate::state::State;
use crate::vouched;
use crate::webhook::Signing;
use std::hash::Hasher as _;

/// A policy ready to decide. Immutable: a reload makes another one, and requests finish under the one they began with.
#[derive(Debug)]
pub struct Plan {
    pub(crate) policy: Policy,
    pub(crate) state: Arc<State>,
    /// Whether gates share limits and claims, and what holds while they cannot.
    pub(crate) shared: Option<Outage>,
    pub(crate) keys: Keys,
    pub(crate) hosts: Vec<Origin>,
    /// The authority of each host, as `X-Forwarded-Host` says it.
    pub(crate) authorities: Vec<HeaderValue>,
    pub(crate) routes: Vec<RoutePlan>,
    pub(crate) actions: Ordered<String, ActionPlan>,
    pub(crate) csrf_route: u16,
    /// Counts refusals that are cheap to cause, so that they cannot fill the event channel.
    pub(crate) noise: Arc<Limiter>,
    pub(crate) csp: Csp,
    /// Whose tokens are believed; nobody's where no policy or no verifier says so.
    pub(crate) issuer: Option<Issuer>,
    /// Whether a request is refused before its route is known: observed only where every route is.
    pub(crate) unrouted: Mode,
    /// Whether it stands behind another gate, and heeds what that one vouches for.
    pub(crate) inside: bool,
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
    /// The signature it wants, with its keys.
    pub(crate) signing: Option<Signing>,
    pub(crate) schema: Option<Arc<SchemaPlan>>,
    /// How its sign-ins are counted.
    pub(crate) login: Option<LoginPlan>,
    /// What it asks, for a guard behind this one.
    pub(crate) rules: String,
    /// What its responses wear; without it, each field is set by itself.
    pub(crate) dress: Option<Dress>,
}

/// The limit of a route, with its table.
#[derive(Debug)]
pub(crate) struct RatePlan {
    pub(crate) scope: u32,
    pub(crate) limiter: Arc<Limiter>,
    /// Whole /48 networks of IPv6, at sixteen times the limit.
    pub(crate) wide: Arc<Limiter>,
    /// Addresses from which verified callers ask, at ten times the limit: each of them is counted by subject.
    pub(crate) crowd: Option<Crowd>,
    /// `"public-form";q=5;w=60`
    pub(crate) policy_header: HeaderValue,
    pub(crate) limit_header: HeaderValue,
}

/// Where verified callers are counted by where they ask from.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) limiter: Arc<Limiter>,
    /// Whole /48 networks of IPv6, at sixteen times as much.
    pub(crate) wide: Arc<Limiter>,
}

/// How often a client may ask for a CSRF token.
const CSRF_ENDPOINT_LIMIT: Limit = Limit { count: 60, window: std::time::Duration::from_secs(60) };
/// Refusals of paths and blocked clients a minute that are still worth an event of their own.
const NOISE_LIMIT: Limit = Limit { count: 60, window: std::time::Duration::from_secs(60) };
/// How many /64 networks' worth of quota a /48 has.
const WIDE_FACTOR: u32 = 16;
/// How many verified callers' worth of quota an address has.
const CROWD_FACTOR: u32 = 10;

// === impl Plan ===

impl Plan {
    /// Compiles a policy.
    ///
    /// `state` keeps the counters; hand the same one to the next plan and nothing is forgotten.
    ///
    /// # Errors
    /// Every problem at once: secrets that are missing or short or no key of their scheme, routes beyond 65,000, schemas
    /// that do not compile.
    pub fn compile(policy: Policy, secrets: &Secrets, state: &Arc<State>) -> Result<Arc<Plan>, Diagnostics> {
        Plan::compile_with(policy, secrets, state, &Providers::default())
    }

    /// Compiles a policy with what the guard takes from outside. Without a verifier of signatures nobody is ever
    /// verified, and routes that want somebody refuse.
    ///
    /// # Errors
    /// As [`Plan::compile`]; also a publishable key or a public key that cannot be read.
    pub fn compile_with(
        policy: Policy,
        secrets: &Secrets,
        state: &Arc<State>,
        providers: &Providers,
    ) -> Result<Arc<Plan>, Diagnostics> {
        Plan::assemble(policy, secrets, state, providers).map(Arc::new)
    }

    /// Compiles a policy for a guard inside the app, that may stand behind a gate with the same secrets: what such a
    /// gate vouches for is not done again. Alone, it is the gate.
    ///
    /// # Errors
    /// As [`Plan::compile_with`].
    pub fn compile_inside(
        policy: Policy,
        secrets: &Secrets,
        state: &Arc<State>,
        providers: &Providers,
    ) -> Result<Arc<Plan>, Diagnostics> {
        Plan::assemble(policy, secrets, state, providers).map(|plan| Arc::new(Plan { inside: true, ..plan }))
    }

    fn assemble(
        policy: Policy,
        secrets: &Secrets,
        state: &Arc<State>,
        providers: &Providers,
    ) -> Result<Plan, Diagnostics> {
        let keys = Keys::derive(secrets).map_err(|weak| {
            let fix = "create one with `palisade secrets new`, or 32 random bytes in base64url";
            Diagnostics::from(Diagnostic::error("secret-weak", weak.to_string()).fix(fix))
        })?;
        let issuer = Issuer::compile(&policy, providers)?;
        let schemas = schema::compile_all(&policy, providers.schemas.as_deref().unwrap_or(&NoSchemas))?;
        let routes = policy.routes().iter().zip(schemas);
        let compile = |(route, schema): (&Route, _)| RoutePlan { schema, ..RoutePlan::compile(route.clone(), state) };
        let mut routes: Vec<RoutePlan> = routes.map(compile).collect();
        let actions = ActionPlan::compile(&policy, &mut routes, state);
        routes.push(RoutePlan::csrf_endpoint(&policy, state));
        let csrf_route = u16::try_from(routes.len() - 1)
            .map_err(|_| Diagnostics::from(Diagnostic::error("routes-too-many", "a policy takes 65,000 routes")))?;
        sign(&mut routes, secrets)?;
        if issuer.is_some() {
            routes.iter_mut().for_each(|plan| plan.count_subjects(state));
        }
        let https = policy.app.public_origins.iter().all(|origin| origin.https);
        let hosts = hosts(&policy);
        let authority = |origin: &Origin| HeaderValue::from_str(&origin.authority);
        let authorities: Result<_, _> = hosts.iter().map(authority).collect();
        let unwritable =
            |_| Diagnostics::from(Diagnostic::error("origin-malformed", "an authority no header may carry"));
        let claims = policy.identity.as_ref().map(claims).unwrap_or_default();
        let hsts = https && policy.environment == Environment::Production;
        for plan in &mut routes {
            plan.rules = vouched::rules(plan, &claims);
            plan.dress = cfg!(feature = "fast").then(|| Dress::of(plan.rate.as_ref(), hsts));
        }
        Ok(Plan {
            authorities: authorities.map_err(unwritable)?,
            hosts,
            csp: Csp::compile(&policy, https),
            noise: state.limiter(NOISE_LIMIT),
            unrouted: unrouted(&policy),
            inside: false,
            hsts,
            detailed: policy.environment == Environment::Development,
            state: Arc::clone(state),
            shared: policy.state.redis.is_some().then_some(policy.state.outage),
            policy,
            issuer,
            keys,
            routes,
            actions,
            csrf_route,
        })
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

    /// Where a browser signs in.
    pub(crate) fn sign_in_url(&self) -> Option<&str> {
        self.policy.identity.as_ref()?.sign_in_url.as_deref()
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
        let login = LoginPlan::of(&route, &scope, state);
        RoutePlan {
            route,
            rate,
            own: false,
            action: false,
            signing: None,
            schema: None,
            login,
            rules: String::new(),
            dress: None,
        }
    }

    /// A server action: its limit key is the action, never the path it was sent to.
    pub(crate) fn action(route: Route, id: &str, state: &State) -> RoutePlan {
        let rate = route.limit.map(|limit| RatePlan::new(limit, &format!("action {id}"), route.kind, state));
        // The status of an action's answer proves neither success nor failure.
        RoutePlan {
            route,
            rate,
            own: false,
            action: true,
            signing: None,
            schema: None,
            login: None,
            rules: String::new(),
            dress: None,
        }
    }

    fn csrf_endpoint(policy: &Policy, state: &State) -> RoutePlan {
        let route = Route {
            methods: Methods::READ,
            limit: Some(CSRF_ENDPOINT_LIMIT),
            csrf: CsrfStrength::None,
            // A token is bound to whoever fetches it.
            identity: IdentityNeed::Optional,
            mode: policy.app.mode,
            source: RouteSource::Preset,
            ..Route::new(&policy.csrf.path, Kind::PublicRead)
        };
        RoutePlan { own: true, ..RoutePlan::compile(route, state) }
    }

    /// Counts verified callers by subject. Sign-ins stay counted by address alone: many accounts are not many people.
    fn count_subjects(&mut self, state: &State) {
        let (Some(rate), Some(limit)) = (&mut self.rate, self.route.limit) else { return };
        if self.route.kind != Kind::Login {
            let count = limit.count.saturating_mul(CROWD_FACTOR);
            let wide = Limit { count: count.saturating_mul(WIDE_FACTOR), ..limit };
            rate.crowd = Some(Crowd { limiter: state.limiter(Limit { count, ..limit }), wide: state.limiter(wide) });
        }
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
            crowd: None,
            policy_header: HeaderValue::from_str(&policy_header).unwrap_or(HeaderValue::from_static("")),
            limit_header: HeaderValue::from(limit.count),
        }
    }
}

/// Gives each webhook its keys.
fn sign(routes: &mut [RoutePlan], secrets: &Secrets) -> Result<(), Diagnostics> {
    let mut found = Diagnostics::new();
    for plan in routes {
        match Signing::compile(&plan.route, secrets) {
            Ok(signing) => plan.signing = signing,
            Err(problem) => found.push(problem),
        }
    }
    if found.has_errors() { Err(found) } else { Ok(()) }
}

/// What is wrong with the webhooks' secrets: each is read as the scheme of its route reads it.
#[must_use]
pub fn signing_problems(policy: &Policy, secrets: &Secrets) -> Diagnostics {
    let mut found = Diagnostics::new();
    for problem in policy.routes().iter().filter_map(|route| Signing::compile(route, secrets).err()) {
        found.push(problem);
    }
    found
}

/// A number for a route that stays the same over reloads and over nodes, so that counts survive both.
pub(crate) fn scope_number(scope: &str) -> u32 {
    let mut hasher = SipHasher13::new();
    hasher.write(scope.as_bytes());
    (hasher.finish() >> 32) as u32
}

/// Texts as one, each behind its length: equal for the same texts alone. What `Debug` would write takes a tenth more of the
/// WebAssembly module.
pub(crate) fn counted<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    texts.into_iter().map(|text| format!("{}:{text}", text.len())).collect()
}

/// The claims that a policy names, for [`counted`].
pub(crate) fn claims(identity: &Identity) -> String {
    counted(identity.claims.iter().flat_map(|(name, place)| [name.as_str(), place]))
}

fn unrouted(policy: &Policy) -> Mode {
    let enforced = policy.routes().iter().any(|route| route.mode == Mode::Enforce);
    if enforced { Mode::Enforce } else { policy.app.mode }
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
