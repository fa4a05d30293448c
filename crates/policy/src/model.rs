//! What a policy says, as plain data. Everything here is valid by construction: the builder checks, the guard interprets.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use palisade_diag::Span;
use palisade_event::Kind;

mod alerting;
mod limit;
mod method;
mod names;
mod origin;

pub use alerting::{
    Alerting, Channel, ChannelKind, Datadog, Detect, Export, Notify, Otlp, Pattern, Respond, Silence, Threshold,
};
pub use limit::Limit;
pub use method::{Method, Methods};
pub use origin::Origin;

/// The default cap of bytes the gate holds in memory for all requests together.
pub const DEFAULT_BUFFERED: u64 = 64 << 20;

/// Where the app runs. It switches strictness of checks and what errors show, never a protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// On a developer's machine; errors are shown in detail.
    Development,
    /// A preview; as production, with other variables.
    Staging,
    /// The real thing; also the default where nothing says otherwise.
    Production,
}

/// Whether refusals are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Refuse what must be refused.
    #[default]
    Enforce,
    /// Decide and report, refuse nothing.
    Observe,
}

/// `[app]`.
#[derive(Debug, Clone)]
pub struct App {
    /// The application's name, in events and metrics.
    pub name: String,
    /// Where the gate forwards to. The layer inside an app has none.
    pub upstreams: Vec<Upstream>,
    /// How the upstreams are asked whether they are well; without it, only failing to connect tells.
    pub health: Option<HealthCheck>,
    /// The origins the app is served under; never empty.
    pub public_origins: Vec<Origin>,
    /// Presets of services.
    pub services: Vec<Service>,
    /// Preset of the framework.
    pub framework: Option<Framework>,
    /// Whether refusals are carried out.
    pub mode: Mode,
    /// The project's directory, relative to the policy file; the server-action manifest is read below it.
    pub directory: Option<String>,
}

/// One of the places that serve the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `http://host:port`. Plain http: it belongs on this machine or in its private network.
    pub origin: Origin,
    /// Its share of the requests beside the others', 1 to 1,000.
    pub weight: u16,
}

/// `[app] health`: each upstream is asked again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path that is fetched; a status below 400 is well.
    pub path: String,
    /// The time between two questions.
    pub interval: Duration,
}

/// A service the app uses: env variables, CSP sources, token issuer, webhook schemes come from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Clerk: sign-in.
    Clerk,
    /// Convex: database.
    Convex,
    /// Stripe: payments.
    Stripe,
    /// Svix: webhooks.
    Svix,
}

/// A framework whose static paths, page variants and server actions the gate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framework {
    /// Next.js, App Router and Pages Router.
    NextJs,
}

/// `[clients]`: who is believed about the client's address.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// Peers whose forwarding header is believed; nobody unless named.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header that is read from a trusted peer.
    pub header: ForwardingHeader,
}

/// How a trusted proxy says where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForwardingHeader {
    /// `X-Forwarded-For`: a list, read from the right over all lines.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the `for` parameters, read from the right over all lines.
    Forwarded,
    /// A header with exactly one address, lower-case name: `cf-connecting-ip`, `x-real-ip`.
    Single(String),
}

/// `[csrf]`.
#[derive(Debug, Clone)]
pub struct Csrf {
    /// Where a browser fetches a token.
    pub path: String,
    /// The request header that carries it, lower case.
    pub header: String,
    /// The form field that carries it.
    pub field: String,
    /// Other origins that may send unsafe requests.
    pub trusted_origins: Vec<Origin>,
}

/// `[cors]`: who else may read answers.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Origins, exactly.
    pub origins: Vec<Origin>,
    /// Methods a preflight may be granted, upper case.
    pub methods: Vec<String>,
    /// Request headers a preflight may be granted, lower case.
    pub headers: Vec<String>,
    /// Whether cookies may come along.
    pub credentials: bool,
    /// How long a browser may keep the grant.
    pub max_age: Duration,
}

/// `[limits]`: what the gate spends at most.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes held in memory for all requests together.
    pub buffered: u64,
    /// The largest body of any route, whatever its kind says; none by default.
    pub body: Option<u64>,
    /// Bytes of a request head.
    pub header_bytes: u32,
    /// Connections in total.
    pub connections: u32,
    /// Connections of one client.
    pub connections_per_client: u32,
    /// Time for a request head to arrive.
    pub header_timeout: Duration,
    /// Time that may be spent in waiting for a request's body, and what each further second costs.
    pub body_timeout: Duration,
    /// Bytes of a body that earn it another second.
    pub body_rate: u64,
    /// Requests that wait for the application at a time; webhooks and health checks have an eighth more to themselves.
    pub in_flight: u32,
    /// How many of them may be one client's; an eighth more of webhooks and health checks.
    pub in_flight_per_client: u32,
    /// Bytes a second that a client takes of a response at least, while the gate waits for it.
    pub read_rate: u64,
    /// Time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Time for the upstream's response head.
    pub upstream_timeout: Duration,
    /// Time for in-flight requests after SIGTERM.
    pub drain_timeout: Duration,
    /// Slots of each limiter table (rounded up to a power of two); 8 bytes each.
    pub limiter_slots: u32,
}

/// `[listen]`: overridden by flags and `PALISADE_*`.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// `address`: the gate.
    pub address: Option<String>,
    /// `admin`: dashboard, metrics, health.
    pub admin: Option<String>,
    /// `intake`: events and log drains.
    pub intake: Option<String>,
    /// `tls`: the gate speaks TLS itself, with these certificates; the first serves whoever names none of the others.
    pub tls: Vec<Tls>,
    /// `redirect`: a second address, where plain http is answered with the way to https.
    pub redirect: Option<String>,
    /// `proxy_protocol`: connections of trusted proxies begin with a PROXY header that names the client, and others
    /// are closed.
    pub proxy_protocol: bool,
}

/// `[listen] tls`: files, relative to the policy's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `cert`: the certificate chain, PEM.
    pub cert: String,
    /// `key`: the private key, PEM.
    pub key: String,
}

/// `[state]`: what several gates share.
#[derive(Debug, Clone)]
pub struct SharedState {
    /// `redis`: the name of the variable with the server's URL; without it, state lives in this process.
    pub redis: Option<String>,
    /// `timeout`: how long a question may take before the server counts as out.
    pub timeout: Duration,
    /// `outage`: what holds while the server is out.
    pub outage: Outage,
}

/// What holds while the shared state cannot be reached. Neither choice lets more through than the limits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Outage {
    /// Webhooks are refused (the provider retries); every other kind is counted by each gate alone.
    #[default]
    ByKind,
    /// Whatever needs the shared state is refused.
    Closed,
}

/// `[identity]`: whose tokens are believed. Data only; the checks are the guard's.
#[derive(Debug, Clone)]
pub struct Identity {
    /// `clerk` or `oidc`.
    pub provider: IdentityProvider,
    /// The token's `iss`; of Clerk it follows from the publishable key.
    pub issuer: Option<String>,
    /// Where the keys are; of Clerk it follows from the publishable key.
    pub jwks: Option<String>,
    /// Accepted `aud` values.
    pub audience: Vec<String>,
    /// Accepted `azp` values.
    pub authorized_parties: Vec<String>,
    /// Where a browser is sent whose session is over.
    pub sign_in_url: Option<String>,
    /// Which claim holds `role`, `permission`, `plan`, `feature`, by JSON pointer or name, where it is not the
    /// provider's own.
    pub claims: BTreeMap<String, String>,
}

/// Who signs session tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityProvider {
    /// Clerk.
    Clerk,
    /// Any issuer with a JWKS.
    Oidc,
}

/// `[undeclared]`: what holds for paths that no route names.
#[derive(Debug, Clone)]
pub struct Undeclared {
    /// 404 for all of them.
    pub deny: bool,
    /// Unsafe methods pass by the origin check alone.
    pub unsafe_origin: bool,
}

/// What proves that a request was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CsrfStrength {
    /// Nothing: the route changes nothing, or a signature proves more.
    None,
    /// Fetch metadata or Origin; a token where both are missing and a cookie is present.
    Origin,
    /// The origin check and a single-use token, on unsafe methods.
    Token,
}

/// Whether a route wants to know who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityNeed {
    /// Never looked at.
    None,
    /// Used where present.
    Optional,
    /// 401 without.
    Required,
}

/// Which Content-Security-Policy a route's documents carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CspProfile {
    /// Nonce for what is rendered per request, the no-nonce profile for what the upstream marks prerendered or public.
    Auto,
    /// The no-nonce profile always: prerendered pages and static files.
    Static,
    /// Nothing may load: data, not documents.
    Data,
}

/// A scheme of webhook signatures, and the variables that hold its secrets.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The scheme.
    pub scheme: SignatureScheme,
    /// Names of variables; each may hold a live secret.
    pub secrets: Vec<String>,
}

/// How a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// Standard Webhooks (`webhook-*` headers).
    Standard,
    /// Svix (`svix-*` headers); Clerk signs so.
    Svix,
    /// Stripe.
    Stripe,
    /// GitHub.
    GitHub,
    /// Slack.
    Slack,
    /// Vercel.
    Vercel,
}

/// `access`: what the verified caller must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// One of these roles.
    pub role: Vec<String>,
    /// All of these permissions.
    pub permission: Vec<String>,
    /// One of these plans.
    pub plan: Vec<String>,
    /// All of these features.
    pub feature: Vec<String>,
    /// The path parameter that must equal the subject.
    pub owner: Option<String>,
}

/// How a login's success is told from its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Success {
    /// This status.
    Status(u16),
    /// A redirect to this path.
    Location(String),
    /// This JSON pointer is true in the answer.
    Pointer(String),
}

/// What is done about attack signals in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Signals {
    /// They become event fields.
    #[default]
    Observe,
    /// They refuse.
    Block,
}

/// Where a route's schema comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// The text of a JSON Schema, read from this file below the policy's folder.
    File {
        /// The path as written.
        path: String,
        /// The text.
        text: String,
        /// Where the policy names it.
        span: Option<Span>,
    },
    /// The text of a JSON Schema, written into the policy.
    Inline {
        /// The text.
        text: String,
        /// Where it stands.
        span: Option<Span>,
    },
    /// A schema that ships with Palisade, by a name of [`PRESET_SCHEMAS`](crate::PRESET_SCHEMAS).
    Preset(String),
}

/// One route: its kind, and what follows from it or overrides it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The template: `/api/users/{user}`, `/docs/{*rest}`. For undeclared paths: `(undeclared)`.
    pub path: String,
    /// The methods it answers. GET implies HEAD.
    pub methods: Methods,
    /// Why a kind that changes something answers GET too.
    pub methods_because: Option<String>,
    /// What it is for.
    pub kind: Kind,
    /// How often a client may ask.
    pub limit: Option<Limit>,
    /// How many units of the limit a request takes; at least one.
    pub cost: u32,
    /// Whether refusals are carried out.
    pub mode: Mode,
    /// What proves that an unsafe request was meant.
    pub csrf: CsrfStrength,
    /// Why CSRF is weaker than the kind's default.
    pub csrf_because: Option<String>,
    /// Whether it wants to know who asks.
    pub identity: IdentityNeed,
    /// The largest body in bytes; 0 takes none.
    pub body: u64,
    /// The schema of its input.
    pub schema: Option<Schema>,
    /// What is done about attack signals.
    pub signals: Signals,
    /// What the caller must have.
    pub access: Access,
    /// The signature it wants.
    pub signature: Option<Signature>,
    /// Media types it takes; empty takes any.
    pub media_types: Vec<String>,
    /// Whether it may become a WebSocket.
    pub websocket: bool,
    /// Whether trailers pass.
    pub trailers: bool,
    /// Which CSP its answers carry.
    pub csp: CspProfile,
    /// How a login's success is told.
    pub success: Option<Success>,
    /// Where a login names its account: a JSON pointer or a field.
    pub identifier: Option<String>,
    /// Whether it comes from the file, a preset, or stands for undeclared paths.
    pub source: RouteSource,
}

/// Where a route comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteSource {
    /// A `[[route]]` of the file, or of the code.
    Declared,
    /// A preset of the framework.
    Preset,
    /// `[undeclared]`.
    Undeclared,
}

/// `[[action]]`: a Next.js server action with rules of its own.
#[derive(Debug, Clone)]
pub struct ActionRule {
    /// The id, or the exported name, as written.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What the caller must have.
    pub access: Access,
}

/// Sources a Content-Security-Policy allows beside `'self'`, by directive, from services and the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CspSources {
    /// `script-src`.
    pub script: Vec<String>,
    /// `style-src`.
    pub style: Vec<String>,
    /// `connect-src`.
    pub connect: Vec<String>,
    /// `img-src`.
    pub img: Vec<String>,
    /// `font-src`.
    pub font: Vec<String>,
    /// `frame-src`.
    pub frame: Vec<String>,
    /// `worker-src`.
    pub worker: Vec<String>,
    /// `form-action`.
    pub form: Vec<String>,
}

// === impl Upstream ===

impl From<Origin> for Upstream {
    /// With an equal share.
    fn from(origin: Origin) -> Upstream {
        Upstream { origin, weight: 1 }
    }
}

// === impl Schema ===

impl Schema {
    /// The schema that takes everything.
    #[must_use]
    pub fn any() -> Schema {
        Schema::Inline { text: "{}".to_owned(), span: None }
    }
}

// === impl Access ===

impl Access {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Access { role, permission, plan, feature, owner } = self;
        [role, permission, plan, feature].into_iter().all(Vec::is_empty) && owner.is_none()
    }
}
