//! The keys themselves, in the order of the example file.

use palisade_event::Kind;

use super::Absent::{Demanded, Is};
use super::Shape::{Any, Duration, Flag, Limit, List, Named, Number, Size, Text, Texts, Word, Words};
use super::{Key, Shape, Table};
use crate::model::{
    CspProfile, CsrfStrength, Framework, IdentityProvider, Method, Mode, Outage, Service, Signals, SignatureScheme,
};

macro_rules! ids {
    ($type:ty) => {
        || <$type>::ALL.map(|one| one.id()).to_vec()
    };
}

const fn key(name: &'static str, shape: Shape, absent: &'static str, what: &'static str) -> Key {
    Key { name, shape, absent: Is(absent), what }
}

const fn demanded(name: &'static str, shape: Shape, what: &'static str) -> Key {
    Key { name, shape, absent: Demanded, what }
}

const fn one(name: &'static str, what: &'static str, keys: &'static [Key]) -> Table {
    Table { name, many: false, what, keys }
}

const fn many(name: &'static str, what: &'static str, keys: &'static [Key]) -> Table {
    Table { name, many: true, what, keys }
}

const ACCESS: &[Key] = &[
    key("role", Texts, "-", "one of these roles"),
    key("permission", Texts, "-", "one of these permissions"),
    key("plan", Texts, "-", "one of these plans"),
    key("feature", Texts, "-", "one of these features"),
    key("owner", Text, "-", "the path parameter that must be the caller's own id"),
];

const UPSTREAM: &[Key] =
    &[demanded("url", Text, "its origin"), key("weight", Number, "`1`", "its share of the requests, 1 to 1000")];

const CERTIFICATE: &[Key] = &[
    demanded("cert", Text, "a file with the certificate and its chain, PEM"),
    demanded("key", Text, "a file with the private key, PEM"),
];

const SIGNATURE: &[Key] = &[
    demanded("scheme", Word(ids!(SignatureScheme)), "how the provider signs"),
    key("secrets", Texts, "those of the service's preset", "names of variables; two while one is rotated"),
];

const SUCCESS: &[Key] = &[
    key("status", Number, "-", "this status"),
    key("location", Text, "-", "a redirect to this path"),
    key("pointer", Text, "-", "a JSON pointer to something true in the answer"),
];

const CSRF: &[Key] = &[
    demanded("strength", Word(strengths), "what is asked for"),
    key("because", Text, "-", "why it is weaker than the kind's"),
];

const HEALTH: &[Key] =
    &[demanded("path", Text, "asked with GET; 2xx is well"), key("interval", Duration, "`\"10s\"`", "how often")];

const VARIABLES: &[Key] = &[
    key("required", Texts, "`[]`", "the gate does not start without them"),
    key("optional", Texts, "`[]`", "known, and not missed"),
];

fn strengths() -> Vec<&'static str> {
    CsrfStrength::ALL.map(CsrfStrength::id).to_vec()
}

fn kinds() -> Vec<&'static str> {
    Kind::ALL.map(Kind::id).into_iter().chain(["ai"]).collect()
}

fn messages() -> Vec<&'static str> {
    vec!["P1", "P2"]
}

pub(super) const TABLES: &[Table] = &[
    one(
        "app",
        "The app behind the gate.",
        &[
            key("name", Text, "`\"app\"`", "its name in events, metrics and reports"),
            key(
                "upstream",
                List(&Any(&[Text, Shape::Table(UPSTREAM)])),
                "--upstream",
                "where the app listens: an http origin, or several; `--upstream` and `PALISADE_UPSTREAM` override it",
            ),
            key(
                "health",
                Any(&[Text, Shape::Table(HEALTH)]),
                "not asked",
                "the path at which each upstream is checked; without it none is",
            ),
            key(
                "public_origin",
                Texts,
                "on Vercel what its variables say; elsewhere **demanded**",
                "every origin that visitors type, or the name of a variable with one; `VERCEL_URL` is the address of a deployment, not your domain, and may be missing beside others",
            ),
            key(
                "services",
                Words(ids!(Service)),
                "`[]`",
                "services that the app uses: their variables, CSP sources, token issuer and webhook secrets follow",
            ),
            key("framework", Word(ids!(Framework)), "none", "preset: static paths, page variants, server actions"),
            key("mode", Word(ids!(Mode)), "`\"enforce\"`", "`observe` decides and reports, and refuses nothing"),
            key("directory", Text, "the policy's folder", "the project, for the manifest of server actions"),
        ],
    ),
    one(
        "clients",
        "Who is asking, behind proxies.",
        &[
            key(
                "trusted_proxies",
                Texts,
                "`[]`",
                "networks or addresses of proxies whose forwarding header is believed; without it every visitor behind a proxy shares its address and its limits",
            ),
            key(
                "header",
                Text,
                "`\"x-forwarded-for\"`",
                "`forwarded`, or a header with one address, such as `cf-connecting-ip`",
            ),
        ],
    ),
    one(
        "csrf",
        "Where tokens are fetched and how they travel.",
        &[
            key("path", Text, "`\"/api/csrf\"`", "where a browser fetches a token"),
            key("header", Text, "`\"x-csrf-token\"`", "the header that carries it"),
            key("field", Text, "`\"_csrf\"`", "or this form field"),
            key("trusted_origins", Texts, "`[]`", "other origins that may send unsafe requests"),
        ],
    ),
    one(
        "cors",
        "Which other sites may read answers. Without this table, none.",
        &[
            key("origins", Texts, "`[]`", "origins, exactly"),
            key("methods", Words(ids!(Method)), "`[]`", "methods beside GET, HEAD and POST"),
            key("headers", Texts, "`[]`", "request headers they may send"),
            key("credentials", Flag, "`false`", "whether cookies may come along"),
            key("max_age", Duration, "`\"10min\"`", "how long a browser keeps the grant"),
        ],
    ),
    one(
        "identity",
        "Whose session tokens are believed.",
        &[
            demanded("provider", Word(ids!(IdentityProvider)), "`clerk` takes the rest from its own variables"),
            key("issuer", Text, "Clerk's, from its key", "the exact `iss`"),
            key("jwks", Text, "below the issuer", "where its keys are, https"),
            key("audience", Texts, "not compared", "accepted `aud` values"),
            key("authorized_parties", Texts, "not compared", "accepted `azp` values"),
            key("sign_in_url", Text, "a 401 page", "where a browser goes whose session is over"),
            key(
                "claims",
                Named(&Text),
                "where the provider puts them",
                "JSON pointers to `role`, `permission`, `plan`, `feature`",
            ),
        ],
    ),
    many(
        "route",
        "A route of the app.",
        &[
            demanded("path", Text, "`{id}` is one segment, `{*rest}` all that follow"),
            demanded("kind", Word(kinds), "what it is for: limit, CSRF, identity and body cap follow from it"),
            key("methods", Words(ids!(Method)), "what the kind fixes", "GET brings HEAD"),
            key("limit", Limit, "the kind's", "how often a client may ask: `/s`, `/min`, `/h`, `/d`, at most 1,000/s"),
            key("cost", Number, "`1`", "units of the limit that a request takes"),
            key("mode", Word(ids!(Mode)), "`[app] mode`", "for this route alone"),
            key("body", Size, "the kind's", "the largest body"),
            key("media_types", Texts, "any", "accepted content types"),
            key("websocket", Flag, "`false`", "whether it may become a WebSocket"),
            key("trailers", Flag, "`false`", "whether trailers pass"),
            key("csp", Word(ids!(CspProfile)), "`\"auto\"`", "`static` for prerendered pages: no nonce"),
            key(
                "csrf",
                Any(&[Flag, Word(strengths), Shape::Table(CSRF)]),
                "the kind's",
                "weaker than the kind's wants `because`",
            ),
            key("because", Text, "-", "the reason for what is weaker than the kind's default"),
            key("access", Shape::Table(ACCESS), "any verified caller", "who may"),
            key(
                "signature",
                Any(&[Word(ids!(SignatureScheme)), Text, Shape::Table(SIGNATURE)]),
                "-",
                "webhook: who signs, or a service's name",
            ),
            key(
                "signals",
                Word(ids!(Signals)),
                "`\"observe\"`",
                "`block` refuses input that looks like an attack; `observe` only reports it",
            ),
            key("schema", Text, "none", "a file with a JSON Schema, inside the policy's folder"),
            key(
                "success",
                Shape::Table(SUCCESS),
                "-",
                "login: how a successful sign-in is told from a failed one; one of these three",
            ),
            key("identifier", Text, "none", "login: where the account is named: a JSON pointer or a form field"),
        ],
    ),
    one(
        "undeclared",
        "Paths that no route names.",
        &[
            key("kind", Word(kinds), "`\"page\"`", "how they are treated"),
            key("deny", Flag, "`false`", "`true`: they do not exist"),
            key(
                "unsafe",
                Word(|| vec!["origin"]),
                "refused",
                "`origin` opens unsafe methods by the origin check alone",
            ),
        ],
    ),
    many(
        "action",
        "A Next.js server action with rules of its own.",
        &[
            key("name", Text, "-", "the exported function; or `id`"),
            key("id", Text, "-", "its id in the manifest"),
            demanded("kind", Word(kinds), "what it is for"),
            key("access", Shape::Table(ACCESS), "any verified caller", "who may"),
        ],
    ),
    one(
        "csp",
        "What pages load, beside what the services bring.",
        &[
            key("script", Texts, "`[]`", "script sources"),
            key("style", Texts, "`[]`", "style sources"),
            key("connect", Texts, "`[]`", "where scripts may connect to"),
            key("img", Texts, "`[]`", "image sources"),
            key("font", Texts, "`[]`", "font sources"),
            key("frame", Texts, "`[]`", "frame sources"),
            key("worker", Texts, "`[]`", "worker sources"),
            key("form", Texts, "`[]`", "where forms may post to"),
        ],
    ),
    one(
        "limits",
        "What the gate spends.",
        &[
            key("buffered", Size, "`\"64MiB\"`", "bodies held in memory for all requests together"),
            key("body", Size, "the kinds' caps", "the largest body of any route"),
            key("header_bytes", Size, "`\"16KiB\"`", "the largest head"),
            key("connections", Number, "`10000`", "open at once"),
            key("connections_per_client", Number, "`256`", "open at once, of one client"),
            key("header_timeout", Duration, "`\"10s\"`", "for a whole head"),
            key("body_timeout", Duration, "`\"30s\"`", "for a whole request body, waiting for the app not counted"),
            key("body_rate", Size, "`512`", "body bytes that add a second to `body_timeout`"),
            key("read_rate", Size, "`512`", "the slowest that a client may read a response, in bytes a second"),
            key(
                "in_flight",
                Number,
                "`1024`",
                "requests that wait for the app's answer; more are answered 503 at once",
            ),
            key("in_flight_per_client", Number, "`256`", "of one client"),
            key("idle_timeout", Duration, "`\"75s\"`", "between two requests of a connection"),
            key("upstream_timeout", Duration, "`\"60s\"`", "for the head of the app's response"),
            key("drain_timeout", Duration, "`\"25s\"`", "for what was begun before a stop"),
            key("limiter_slots", Number, "`65536`", "of each limiter table, 8 bytes a slot"),
        ],
    ),
    one(
        "listen",
        "Where things are.",
        &[
            key("address", Text, "`\"127.0.0.1:8080\"`", "the gate; `--listen` and `PALISADE_LISTEN` override it"),
            key("admin", Text, "`\"127.0.0.1:9180\"`", "operators; `off` for none"),
            key("intake", Text, "off", "reports and log drains"),
            key("redirect", Text, "off", "plain http, answered with the way to https"),
            key("proxy_protocol", Flag, "`false`", "connections of trusted proxies begin with a PROXY header"),
            key(
                "tls",
                List(&Shape::Table(CERTIFICATE)),
                "plain http",
                "certificates; the first for names that none is for",
            ),
        ],
    ),
    one(
        "state",
        "What several gates share.",
        &[
            key("redis", Text, "each process has its own", "the name of the variable with the server's URL"),
            key("timeout", Duration, "`\"50ms\"`", "the longest a request waits for it"),
            key("outage", Word(ids!(Outage)), "`\"by-kind\"`", "`closed`: nothing passes that it should have decided"),
        ],
    ),
    one(
        "env",
        "Variables beside those of the services: `[env.production]` and its siblings.",
        &[
            key("development", Shape::Table(VARIABLES), "-", "on a developer's machine"),
            key("staging", Shape::Table(VARIABLES), "-", "previews"),
            key("production", Shape::Table(VARIABLES), "-", "the real thing"),
        ],
    ),
    many(
        "channel",
        "Who is told of incidents. Addresses and secrets are names of variables.",
        &[
            demanded("name", Text, "a short name, unique"),
            demanded(
                "kind",
                Word(|| vec!["slack", "discord", "teams", "pagerduty", "webhook", "email"]),
                "what it speaks",
            ),
            key(
                "priority",
                Word(messages),
                "`\"P2\"`",
                "the least urgent incidents it is sent; P3 waits for the weekly report",
            ),
            key("rules", Texts, "all", "ids of rules, or how they begin: `login-*`"),
            key("resolved", Flag, "`true`", "also when it is over"),
            key("url", Text, "demanded but for email", "the variable with the URL"),
            key("key", Text, "-", "pagerduty: the variable with the routing key"),
            key("secret", Text, "-", "webhook: the variable with `whsec_...`"),
            key(
                "server",
                Text,
                "-",
                "email: the variable with `smtp://...` or `smtps://...`, user and password included",
            ),
            key("from", Text, "-", "email: the sender"),
            key("to", Texts, "-", "email: who gets it"),
        ],
    ),
    many(
        "silence",
        "What nobody is told of for a time; it is kept all the same.",
        &[
            key("rule", Text, "every rule", "a rule's id, or how it begins"),
            key("client", Text, "every client", "`203.0.113.7` or `2001:db8::/64`"),
            demanded("until", Text, "its end, RFC 3339"),
            demanded("because", Text, "the reason"),
        ],
    ),
    one(
        "notify",
        "How messages are grouped and repeated.",
        &[
            key(
                "wait",
                Duration,
                "`\"30s\"`",
                "how long the first message of a group waits for others; P1 does not wait",
            ),
            key("interval", Duration, "`\"5m\"`", "between two messages about a group"),
            key("repeat", Duration, "`\"4h\"`", "for what stays open and nobody acknowledged"),
            key("quiet", Duration, "never", "send a message when no event has come for so long"),
            key("link", Text, "none", "where the dashboard is"),
        ],
    ),
    one(
        "respond",
        "Incidents that answer with a block. Without this table nobody is ever blocked.",
        &[
            key("block", Duration, "none", "for how long; this or `by_rule` must be there"),
            key("by_rule", Flag, "`false`", "rules that carry `respond: {block: 10m}` answer so, by their own time"),
            key("rules", Texts, "all", "ids of rules, or how they begin"),
            key("priority", Word(messages), "`\"P2\"`", "the least urgent that blocks"),
        ],
    ),
    one(
        "detect",
        "What is looked for.",
        &[
            key("rules", Texts, "the built-in ones", "files and folders of rules beside them"),
            key(
                "thresholds",
                Named(&Any(&[Number, Text])),
                "those of the rules",
                "by a rule's id: a count, or a share such as `\"5%\"`",
            ),
        ],
    ),
    one(
        "export",
        "Where events and metrics are sent on to.",
        &[
            key("otlp", Text, "-", "the variable with the endpoint of an OTLP/HTTP collector"),
            key("otlp_headers", Text, "-", "the variable with its headers"),
            key("datadog", Text, "-", "the variable with Datadog's API key"),
            key("datadog_site", Text, "`\"datadoghq.com\"`", "where the account lives"),
            key("datadog_url", Text, "the site's", "the variable with another address of the intake"),
        ],
    ),
];
