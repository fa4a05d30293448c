//! The decision matrix: what follows from a route's kind, and why. The one place where defaults live.

use std::fmt;
use std::time::Duration;

use palisade_event::Kind;

use crate::model::{
    Access, CspProfile, Csrf, CsrfStrength, DEFAULT_BUFFERED, IdentityNeed, Limit, Limits, Method, Methods, Mode,
    Outage, Route, RouteSource, SharedState, Signals,
};

/// Why a default is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// One clause.
    pub text: &'static str,
    /// Where it comes from: OWASP, an RFC, the operations guide.
    pub source: &'static str,
}

/// A row of the decision matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindDefaults {
    /// The kind.
    pub kind: Kind,
    /// What a route of this kind is, for people.
    pub meaning: &'static str,
    /// Its methods, when the kind fixes them; else the route declares them.
    pub methods: Option<Methods>,
    /// How often a client may ask.
    pub limit: Option<Limit>,
    /// What proves that an unsafe request was meant.
    pub csrf: CsrfStrength,
    /// Whether it wants to know who asks.
    pub identity: IdentityNeed,
    /// The largest body in bytes.
    pub body: u64,
    /// Which CSP its answers carry.
    pub csp: CspProfile,
    /// Why these methods.
    pub because_methods: Reason,
    /// Why this limit.
    pub because_limit: Reason,
    /// Why this CSRF strength.
    pub because_csrf: Reason,
    /// Why this identity need.
    pub because_identity: Reason,
    /// Why this body cap.
    pub because_body: Reason,
}

/// How failed sign-ins are counted, on every `login` route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignIn {
    /// Failures of one account and one client, or of one client where the route names no account.
    pub lock: Limit,
    /// Failures of one account, wherever they come from.
    pub slow: Limit,
    /// How long an attempt beyond [`SignIn::slow`] waits.
    pub pause: Duration,
    /// How long a browser that signed in stays known to the account.
    pub remembered: Duration,
    /// Why this lock.
    pub because_lock: Reason,
    /// Why this limit of an account, and why it only slows.
    pub because_slow: Reason,
}

/// How failed sign-ins are counted.
pub const SIGN_IN: SignIn = SignIn {
    lock: Limit { count: 10, window: Duration::from_secs(3600) },
    slow: Limit { count: 20, window: Duration::from_secs(3600) },
    // Long for a machine, short for a person; a browser waits that long without a word.
    pause: Duration::from_secs(5),
    remembered: Duration::from_secs(90 * 86_400),
    because_lock: reason(
        "people mistype a few times, machines guess; a lock by account alone would lock its owner out",
        "OWASP Authentication Cheat Sheet, account lockout; ASVS 4.0 2.2.1; NIST SP 800-63B 5.2.2",
    ),
    because_slow: reason(
        "guesses from many addresses are slowed, and the owner's own browser is not",
        "OWASP Slow Down Online Guessing Attacks with Device Cookies; OWASP API2:2023",
    ),
};

// === impl Reason ===

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.source)
    }
}

// === impl KindDefaults ===

impl KindDefaults {
    /// The row of a kind.
    #[must_use]
    pub const fn of(kind: Kind) -> &'static KindDefaults {
        match kind {
            Kind::Page => &PAGE,
            Kind::Static => &STATIC,
            Kind::Health => &HEALTH,
            Kind::PublicRead => &PUBLIC_READ,
            Kind::ProtectedRead => &PROTECTED_READ,
            Kind::PublicForm => &PUBLIC_FORM,
            Kind::ProtectedWrite => &PROTECTED_WRITE,
            Kind::Bulk => &BULK,
            Kind::Account => &ACCOUNT,
            Kind::Payment => &PAYMENT,
            Kind::Login => &LOGIN,
            Kind::Search => &SEARCH,
            Kind::Export => &EXPORT,
            Kind::Report => &REPORT,
            Kind::Expensive => &EXPENSIVE,
            Kind::Upload => &UPLOAD,
            Kind::Webhook => &WEBHOOK,
            Kind::Delegated => &DELEGATED,
        }
    }

    /// Whether routes of this kind answer GET and HEAD and can never declare more.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.methods == Some(Methods::READ) && self.kind != Kind::Page
    }
}

// === impl Route ===

impl Route {
    /// A route with everything that follows from its kind. Kinds without fixed methods start with none.
    #[must_use]
    pub fn new(path: impl Into<String>, kind: Kind) -> Route {
        let row = KindDefaults::of(kind);
        Route {
            path: path.into(),
            methods: row.methods.unwrap_or_default(),
            methods_because: None,
            kind,
            limit: row.limit,
            cost: 1,
            mode: Mode::Enforce,
            csrf: row.csrf,
            csrf_because: None,
            identity: row.identity,
            body: row.body,
            schema: None,
            signals: Signals::Observe,
            access: Access::default(),
            signature: None,
            media_types: Vec::new(),
            websocket: false,
            trailers: false,
            csp: row.csp,
            success: None,
            identifier: None,
            source: RouteSource::Declared,
        }
    }
}

impl Default for Csrf {
    /// The guide's own names: `/api/csrf`, `X-CSRF-Token`; `_csrf` is the field name that most form libraries use.
    fn default() -> Csrf {
        Csrf {
            path: "/api/csrf".to_owned(),
            header: "x-csrf-token".to_owned(),
            field: "_csrf".to_owned(),
            trusted_origins: Vec::new(),
        }
    }
}

impl Default for Limits {
    /// Bounds that a small server holds with room to spare; each is a key of `[limits]`.
    fn default() -> Limits {
        Limits {
            buffered: DEFAULT_BUFFERED,
            body: None,
            // Node, the usual upstream, refuses heads over 16 KiB; what it would refuse needs no forwarding.
            header_bytes: 16 << 10,
            // Measured by `memory` of bench: 27 KiB for one that has asked nothing, 31 KiB between requests (16 KiB of them
            // hyper's two buffers), 74 KiB while it waits for the application, with its own connection there; of these there
            // are `in_flight` at most. So 300 MiB of idle ones, and 44 MiB more.
            connections: 10_000,
            // A browser opens six over HTTP/1.1; an office behind one address has many browsers.
            connections_per_client: 256,
            // Slow heads hold a connection (CWE-400); ten seconds is enough for a phone on a bad line.
            header_timeout: Duration::from_secs(10),
            // Apache's mod_reqtimeout: 20 s and 500 bytes a second. Phones on bad lines send more.
            body_timeout: Duration::from_secs(30),
            body_rate: 512,
            // More than an application of some cores answers at once; beyond, everyone only waits longer (Little's law).
            in_flight: 1024,
            // A quarter: an office behind one address has it, four hostile clients are needed to take all.
            in_flight_per_client: 256,
            // As slow as a body may come. Slow readers keep a connection to the application open (CWE-400).
            read_rate: 512,
            idle_timeout: Duration::from_secs(75),
            // Server-side rendering and AI calls take long; a dead upstream is found by connecting, not by this.
            upstream_timeout: Duration::from_secs(60),
            // Hosting platforms kill after 30 s.
            drain_timeout: Duration::from_secs(25),
            // 2^16 slots of 8 bytes: 512 KiB a table.
            limiter_slots: 1 << 16,
        }
    }
}

/// Between two health checks of an upstream: two failures take it out, so a sick one is found within twenty seconds; one
/// that refuses connections is found by the next request.
pub(crate) const DEFAULT_HEALTH_INTERVAL: Duration = Duration::from_secs(10);

impl Default for SharedState {
    /// State in this process.
    fn default() -> SharedState {
        // A question to a server in the same data centre takes about a millisecond; fifty mean that it is out.
        SharedState { redis: None, timeout: Duration::from_millis(50), outage: Outage::ByKind }
    }
}

// === the matrix ===

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn per_minute(count: u32) -> Option<Limit> {
    Some(Limit { count, window: Duration::from_secs(60) })
}

const POST_ONLY: Methods = Methods::NONE.with(Method::Post);

const fn reason(text: &'static str, source: &'static str) -> Reason {
    Reason { text, source }
}

const RFC_SAFE: &str = "RFC 9110 section 9.2.1";
const GUIDE_LIMIT: &str = "operations guide, withRateLimit(): apply to; OWASP API4:2023";
const GUIDE_NO_LIMIT: &str = "operations guide, withRateLimit(): usually not needed for";
const GUIDE_CSRF: &str = "operations guide, withCsrf(): apply to; OWASP CSRF Prevention Cheat Sheet";
const GUIDE_NO_CSRF: &str = "operations guide, withCsrf(): skip for";
const GUIDE_MATRIX: &str = "operations guide, decision matrix";
const REST_SIZES: &str = "OWASP REST Security Cheat Sheet, 413; CWE-770";

const READS_ONLY: Reason = reason("it only reads, so GET and HEAD are all it answers", RFC_SAFE);
const DECLARES: Reason = reason("what it changes depends on the app, so the route names its methods", RFC_SAFE);
const NO_BODY: Reason = reason("a read carries no content", "RFC 9110 section 9.3.1");
const JSON_BODY: Reason = reason("one JSON document of an app; files belong to `upload`", REST_SIZES);
const FORM_BODY: Reason = reason("a form typed by a person", REST_SIZES);
const READS_NO_CSRF: Reason = reason("a read changes nothing, so a forged one gains nothing", GUIDE_NO_CSRF);
const TOKEN: Reason =
    reason("it changes state in a visitor's name, so the origin check and a single-use token must hold", GUIDE_CSRF);
const ORIGIN: Reason = reason(
    "what it can change is little, so fetch metadata or Origin is proof enough",
    "OWASP CSRF Prevention Cheat Sheet, Fetch Metadata",
);
const NOBODY: Reason = reason("anyone may ask", GUIDE_MATRIX);
const ANYBODY: Reason = reason("signed-in visitors may be shown more", "OWASP ASVS 5.0 V8");
const SOMEBODY: Reason =
    reason("only a verified caller may do this", "operations guide, decision matrix; OWASP API5:2023");

const PAGE: KindDefaults = KindDefaults {
    kind: Kind::Page,
    meaning: "an HTML page",
    methods: Some(Methods::READ),
    limit: per_minute(300),
    csrf: CsrfStrength::Origin,
    identity: IdentityNeed::Optional,
    body: MIB,
    csp: CspProfile::Auto,
    because_methods: reason("a page is read; forms that post to it are declared", RFC_SAFE),
    because_limit: reason("far above what a reader does, below what a scraper does", "OWASP API4:2023"),
    because_csrf: ORIGIN,
    because_identity: ANYBODY,
    because_body: reason("the body limit of a Next.js server action", "Next.js serverActions.bodySizeLimit"),
};

const STATIC: KindDefaults = KindDefaults {
    kind: Kind::Static,
    meaning: "a file that never depends on who asks",
    methods: Some(Methods::READ),
    limit: None,
    csrf: CsrfStrength::None,
    identity: IdentityNeed::None,
    body: 0,
    csp: CspProfile::Static,
    because_methods: READS_ONLY,
    because_limit: reason("one page asks for many files, and a cache answers", GUIDE_NO_LIMIT),
    because_csrf: READS_NO_CSRF,
    because_identity: NOBODY,
    because_body: NO_BODY,
};

const HEALTH: KindDefaults = KindDefaults {
    kind: Kind::Health,
    meaning: "a liveness or readiness answer",
    csp: CspProfile::Data,
    because_limit: reason("a refused health check takes a healthy server out of service", GUIDE_NO_LIMIT),
    ..STATIC
};

const PUBLIC_READ: KindDefaults = KindDefaults {
    kind: Kind::PublicRead,
    meaning: "data anyone may read",
    csp: CspProfile::Data,
    because_limit: reason("a simple read of public data; a `limit` can be set where it is not simple", GUIDE_NO_LIMIT),
    ..STATIC
};

const PROTECTED_READ: KindDefaults = KindDefaults {
    kind: Kind::ProtectedRead,
    meaning: "data only a signed-in caller may read",
    limit: per_minute(120),
    identity: IdentityNeed::Required,
    csp: CspProfile::Data,
    because_limit: reason(
        "two a second leaves room for a busy page and slows enumeration",
        "operations guide, decision matrix; OWASP API1:2023",
    ),
    because_identity: SOMEBODY,
    ..STATIC
};

const PUBLIC_FORM: KindDefaults = KindDefaults {
    kind: Kind::PublicForm,
    meaning: "a form anyone may send: contact, newsletter, support",
    methods: None,
    limit: per_minute(5),
    csrf: CsrfStrength::Token,
    identity: IdentityNeed::None,
    body: 64 * KIB,
    csp: CspProfile::Data,
    because_methods: DECLARES,
    because_limit: reason("a person sends a form once or twice; a bot sends it all day", GUIDE_LIMIT),
    because_csrf: TOKEN,
    because_identity: NOBODY,
    because_body: FORM_BODY,
};

const PROTECTED_WRITE: KindDefaults = KindDefaults {
    kind: Kind::ProtectedWrite,
    meaning: "a change made by a signed-in caller",
    limit: per_minute(60),
    identity: IdentityNeed::Required,
    body: MIB,
    because_limit: reason("one change a second is more than a person makes", GUIDE_LIMIT),
    because_identity: SOMEBODY,
    because_body: JSON_BODY,
    ..PUBLIC_FORM
};

const BULK: KindDefaults = KindDefaults {
    kind: Kind::Bulk,
    meaning: "a change of many things at once",
    limit: per_minute(5),
    because_limit: reason("one request stands for many changes", GUIDE_LIMIT),
    ..PROTECTED_WRITE
};

const ACCOUNT: KindDefaults = KindDefaults {
    kind: Kind::Account,
    meaning: "a change of the account itself: password, e-mail, deletion",
    limit: per_minute(10),
    body: 64 * KIB,
    because_limit: reason(
        "an account changes seldom; guessing a current password is not seldom",
        "OWASP API2:2023; OWASP Authentication Cheat Sheet",
    ),
    because_body: FORM_BODY,
    ..PROTECTED_WRITE
};

const PAYMENT: KindDefaults = KindDefaults {
    kind: Kind::Payment,
    meaning: "money moves",
    because_limit: reason("card testing sends many small payments", "OWASP OAT-001 Carding; OWASP API6:2023"),
    ..ACCOUNT
};

const LOGIN: KindDefaults = KindDefaults {
    kind: Kind::Login,
    meaning: "a sign-in attempt",
    limit: per_minute(5),
    body: 16 * KIB,
    because_limit: reason(
        "guessing must be slow, over many accounts too; failures are counted apart",
        "operations guide, withRateLimit(): login-like operations; OWASP API2:2023",
    ),
    because_csrf: reason(
        "a forged sign-in puts the visitor into the attacker's account",
        "OWASP CSRF Prevention Cheat Sheet, login CSRF",
    ),
    because_identity: reason("nobody is signed in yet", GUIDE_MATRIX),
    because_body: reason("a name and a password", REST_SIZES),
    ..PUBLIC_FORM
};

const SEARCH: KindDefaults = KindDefaults {
    kind: Kind::Search,
    meaning: "a search over data",
    limit: per_minute(30),
    csrf: CsrfStrength::Origin,
    identity: IdentityNeed::Optional,
    body: 16 * KIB,
    because_limit: reason("a search costs the database more than a read", GUIDE_LIMIT),
    because_csrf: reason("a search reads even when it is a POST", "OWASP CSRF Prevention Cheat Sheet, Fetch Metadata"),
    because_identity: ANYBODY,
    because_body: reason("a query, not a document", REST_SIZES),
    ..PUBLIC_FORM
};

const EXPORT: KindDefaults = KindDefaults {
    kind: Kind::Export,
    meaning: "a download of much data",
    limit: per_minute(5),
    because_limit: reason("one request carries much data out", GUIDE_LIMIT),
    because_csrf: reason("unsafe methods start work in a visitor's name; a GET only reads", GUIDE_CSRF),
    ..PROTECTED_WRITE
};

const REPORT: KindDefaults = KindDefaults {
    kind: Kind::Report,
    meaning: "a report that is computed on request",
    because_limit: reason("one request is much work for the server", GUIDE_LIMIT),
    ..EXPORT
};

const EXPENSIVE: KindDefaults = KindDefaults {
    kind: Kind::Expensive,
    meaning: "a call that costs much: AI models, paid interfaces",
    limit: per_minute(5),
    body: 256 * KIB,
    because_limit: reason("each request costs money", GUIDE_LIMIT),
    because_body: reason("a long prompt, not a file", REST_SIZES),
    ..PROTECTED_WRITE
};

const UPLOAD: KindDefaults = KindDefaults {
    kind: Kind::Upload,
    meaning: "a file sent by a signed-in caller",
    limit: per_minute(10),
    body: 10 * MIB,
    because_limit: reason("files fill disks and keep scanners busy", GUIDE_LIMIT),
    because_body: reason(
        "a photograph or a document; media types are named by the route",
        "OWASP File Upload Cheat Sheet",
    ),
    ..PROTECTED_WRITE
};

const WEBHOOK: KindDefaults = KindDefaults {
    kind: Kind::Webhook,
    meaning: "a call by a provider that signs what it sends",
    methods: Some(POST_ONLY),
    limit: per_minute(120),
    csrf: CsrfStrength::None,
    identity: IdentityNeed::None,
    body: MIB,
    because_methods: reason("every provider posts", "Standard Webhooks 1.0.0"),
    because_limit: reason(
        "above a provider's bursts, and it bounds what unsigned requests cost",
        "operations guide, withRateLimit(): webhooks (to prevent DoS)",
    ),
    because_csrf: reason("a provider has no browser; the signature proves more than a token", GUIDE_NO_CSRF),
    because_identity: reason("the signature says who sends", GUIDE_MATRIX),
    because_body: reason("one event as JSON", REST_SIZES),
    ..PUBLIC_FORM
};

const DELEGATED: KindDefaults = KindDefaults {
    kind: Kind::Delegated,
    meaning: "a route whose limits are kept by another provider",
    limit: None,
    csrf: CsrfStrength::Origin,
    identity: IdentityNeed::None,
    body: MIB,
    because_limit: reason("its provider limits it", GUIDE_NO_LIMIT),
    because_csrf: ORIGIN,
    because_identity: reason("its provider asks who calls", GUIDE_NO_LIMIT),
    because_body: JSON_BODY,
    ..PUBLIC_FORM
};
