//! The gate within an axum app.

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath};
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_event::Event;
use palisade_guard::{Entropy, Env, Now, Peer, Plan, Providers, Record, Secrets, State};
use palisade_policy::{Policy, PolicyBuilder, Route};
use palisade_tower::{Alert, Ambient, Gate, GateLayer, PeerOf, SecurityEvent};

use crate::jwks::Jwks;
use crate::local::Local;
use crate::schemas::providers;
use crate::shared::{Address, Linked, Notice, Shared};
use crate::system::{SystemEntropy, now};

/// A whole gate in an app's own process. Behind `palisade serve` with the same secrets it does not do again what that one
/// has done (`X-Palisade-Admitted`).
///
/// ```no_run
/// # use axum::{Router, routing::{get, post}};
/// # use palisade_backend::Inside;
/// # async fn example(policy: palisade_policy::PolicyBuilder, secrets: palisade_guard::Secrets) -> Result<(), Box<dyn std::error::Error>> {
/// let gate = Inside::new(policy, secrets)?;
/// let app: Router = Router::new().route("/api/items", get(|| async { "items" })).layer(gate.layer());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Inside {
    builder: PolicyBuilder,
    secrets: Secrets,
    providers: Providers,
    state: Arc<State>,
    plan: Arc<Plan>,
    backend: Linked,
    ambient: InsideAmbient,
}

/// The system's time and randomness, and events as JSON lines on standard output unless told otherwise.
#[derive(Clone)]
pub struct InsideAmbient {
    events: Arc<dyn Fn(&Event<'_>) + Send + Sync>,
    reports: Arc<dyn Fn(&str) + Send + Sync>,
}

// === impl Inside ===

impl Inside {
    /// Compiles a policy built in code.
    ///
    /// # Errors
    /// Every problem of the policy and the secrets at once.
    pub fn new(builder: PolicyBuilder, secrets: Secrets) -> Result<Inside, Diagnostics> {
        Inside::with_providers(builder, secrets, providers())
    }

    /// Compiles a policy built in code that needs more than it says itself: Clerk's publishable key, or the issuer's
    /// public key. Without the latter the issuer's keys are fetched.
    ///
    /// # Errors
    /// Every problem of the policy, the secrets and the keys at once; or that no thread can be started to fetch keys.
    pub fn with_providers(
        builder: PolicyBuilder,
        secrets: Secrets,
        providers: Providers,
    ) -> Result<Inside, Diagnostics> {
        let policy: Policy = builder.clone().build()?;
        let state = State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy });
        let jwks = Jwks::of(&policy, &providers, &state)
            .map_err(|error| Diagnostics::from(Diagnostic::error("identity-jwks", error.to_string())))?;
        let plan = Plan::compile_inside(policy, &secrets, &state, &providers)?;
        let backend = Linked::open(Local::new(Arc::clone(&state)).with_jwks(jwks), None);
        Ok(Inside {
            builder,
            secrets,
            providers,
            state,
            plan,
            backend,
            ambient: InsideAmbient { events: Arc::new(print), reports: Arc::new(print_line) },
        })
    }

    /// Shares limits, tokens, webhooks, failed sign-ins and blocks with other gates, by the server at `address` that
    /// `[state]` names. Without it a policy with `[state] redis` behaves as if the server were out. `tell` is called on a
    /// thread of its own, and may block. All requests ask over one connection, which belongs to the runtime of the first.
    ///
    /// # Errors
    /// If the policy shares nothing, or no thread can be started.
    pub fn sharing(mut self, address: Address, tell: impl Fn(&Notice) + Send + 'static) -> io::Result<Inside> {
        let policy = self.plan.policy();
        if policy.state.redis.is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the policy has no [state] redis"));
        }
        let shared = Shared::start(address, policy, &self.state, tell)?;
        self.backend = self.backend.with_shared(&shared);
        Ok(self)
    }

    /// Hands each event to `events` instead of printing it. It is called on the request's task and must not block.
    #[must_use]
    pub fn on_event(mut self, events: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Inside {
        self.ambient.events = Arc::new(events);
        self
    }

    /// Hands each line of [`Inside::log`] and [`Inside::alert`] to `reports` instead of printing it.
    #[must_use]
    pub fn on_report(mut self, reports: impl Fn(&str) + Send + Sync + 'static) -> Inside {
        self.ambient.reports = Arc::new(reports);
        self
    }

    /// Reports what the app has noticed by itself, where its events go.
    pub fn log(&self, event: &SecurityEvent<'_>) {
        self.ambient.report(&event.line(now().wall, self.plan.policy().environment));
    }

    /// Asks whoever watches to tell people: an event, which `palisade watch` delivers.
    pub fn alert(&self, alert: &Alert<'_>) {
        self.ambient.report(&alert.line(now().wall, self.plan.policy().environment));
    }

    /// The layer for a router: every route of the policy, and the token endpoint. Add it last, so that it stands
    /// outside of every other layer.
    #[must_use]
    pub fn layer(&self) -> GateLayer<Linked, InsideAmbient> {
        self.over(Arc::clone(&self.plan))
    }

    /// The layer for one handler: declares its route right where it is served.
    ///
    /// It is the whole gate in its one order, rate limit before token before handler; there is no way to write it the
    /// wrong way round. Counts and tokens are shared with [`Inside::layer`] and with every other handler's.
    ///
    /// # Errors
    /// What is wrong with the route.
    pub fn protect(&self, route: Route) -> Result<GateLayer<Linked, InsideAmbient>, Diagnostics> {
        let policy = self.builder.clone().route(route).build()?;
        Ok(self.over(Plan::compile_inside(policy, &self.secrets, &self.state, &self.providers)?))
    }

    fn over(&self, plan: Arc<Plan>) -> GateLayer<Linked, InsideAmbient> {
        // Where axum keeps what its server and its router know.
        let peer: PeerOf = |extensions| {
            let info = extensions.get::<ConnectInfo<SocketAddr>>()?;
            Some(Peer { address: info.0.ip() })
        };
        let gate = Gate::new(plan, self.backend.clone(), self.ambient.clone());
        GateLayer::new(gate, peer, |extensions| Some(extensions.get::<MatchedPath>()?.as_str()))
    }
}

// === impl InsideAmbient ===

impl Ambient for InsideAmbient {
    type Sleep = tokio::time::Sleep;

    fn now(&self) -> Now {
        now()
    }

    fn entropy(&self) -> &dyn Entropy {
        &SystemEntropy
    }

    fn sleep(&self, time: Duration) -> tokio::time::Sleep {
        tokio::time::sleep(time)
    }

    fn record(&self, record: Record) {
        (self.events)(&record.event());
    }

    fn report(&self, line: &str) {
        (self.reports)(line);
    }

    fn undeclared(&self, route: &str) {
        // Said once a route, so a lock on standard error is no burden.
        let _ = writeln!(
            std::io::stderr(),
            "palisade: the app serves {route}, which the policy does not declare; it is treated as [undeclared]"
        );
    }
}

impl fmt::Debug for InsideAmbient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InsideAmbient(..)")
    }
}

fn print(event: &Event<'_>) {
    let mut line = Vec::with_capacity(512);
    event.encode(&mut line);
    // A closed standard output must not stop the app.
    let _ = std::io::stdout().write_all(&line);
}

fn print_line(line: &str) {
    let _ = std::io::stdout().write_all(line.as_bytes());
}
