//! What the tables beside the routes must satisfy.

use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use palisade_event::Kind;

use crate::builder::PolicyBuilder;
use crate::defaults::KindDefaults;
use crate::model::{
    CspSources, ForwardingHeader, HealthCheck, Identity, IdentityNeed, IdentityProvider, Limits, Listen, Origin,
};
use crate::place::{Place, Problems};
use crate::wording::shortened;
use crate::{secret, template};

/// A rule about the policy as a whole.
type Rule = fn(&PolicyBuilder, &mut Problems);

/// Every rule about a table.
pub(super) const RULES: [Rule; 13] =
    [app, upstreams, clients, csrf, cors, listen, limits, identity, nobody_to_verify, state, undeclared, actions, csp];

fn app(policy: &PolicyBuilder, problems: &mut Problems) {
    if policy.app.public_origins.is_empty() {
        let fix = "add public_origin = \"https://shop.example\", the address that visitors type";
        problems.error(
            Place::key("app", "public_origin"),
            "public-origin-missing",
            "the policy does not say under which origin the app is served",
            fix,
        );
    }
    let name = &policy.app.name;
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        problems.error(
            Place::key("app", "name"),
            "name-malformed",
            "the app's name is empty, too long, or has control characters",
            "write a short name",
        );
    }
}

/// The most upstreams: each is a label of metrics, and a row of every choice.
const MAX_UPSTREAMS: usize = 64;

fn upstreams(policy: &PolicyBuilder, problems: &mut Problems) {
    let place = Place::key("app", "upstream");
    let all = &policy.app.upstreams;
    if all.len() > MAX_UPSTREAMS {
        let what = format!("{} upstreams are more than {MAX_UPSTREAMS}", all.len());
        problems.error(place, "upstreams-too-many", what, "put a balancer between, or a second gate");
    }
    for (index, upstream) in all.iter().enumerate() {
        let origin = &upstream.origin;
        if origin.https {
            let what = format!("{origin}: the gate speaks plain http to its upstreams");
            problems.error(place, "upstream-https", what, "name the app's http address in your private network");
        }
        if all.iter().take(index).any(|other| other.origin == *origin) {
            let what = format!("{origin} is named twice");
            problems.error(place, "upstream-duplicate", what, "keep one, with a weight if it shall get more");
        }
    }
    let Some(HealthCheck { path, interval }) = &policy.app.health else { return };
    let place = Place::key("app", "health");
    let plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !plain || path.len() > 1000 {
        problems.error(place, "health-malformed", "`health` is not a path", "write a path like \"/healthz\"");
    }
    if *interval < Duration::from_millis(100) {
        let what = "upstreams would be asked more than ten times a second";
        problems.error(place, "health-interval", what, "write an interval like \"10s\"");
    }
}

fn clients(policy: &PolicyBuilder, problems: &mut Problems) {
    for net in policy.clients.trusted_proxies.iter().filter(|net| is_wide(net)) {
        problems.error(Place::key("clients", "trusted_proxies"), "trusted-proxies-wide", wide(net), WIDE_FIX);
    }
    if let ForwardingHeader::Single(name) = &policy.clients.header
        && !is_token(name)
    {
        problems.error(
            Place::key("clients", "header"),
            "header-malformed",
            "this is not the name of a header",
            "write a name like \"x-forwarded-for\"",
        );
    }
}

/// What to do about a network that is too wide.
pub(crate) const WIDE_FIX: &str = "name the proxies' own networks; nothing wider than /8 (IPv4) or /16 (IPv6) is taken";

/// What is wrong with a network that is too wide.
pub(crate) fn wide(net: &IpNet) -> String {
    format!("{net} trusts so many addresses that a stranger can forge where requests come from")
}

/// Wider than /8 or /16 (SECURITY.md 12). IPv4 hides in `::ffff:0:0/96`, which is wide whatever its prefix says.
pub(crate) fn is_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(v4) => v4.prefix_len() < 8,
        IpNet::V6(v6) => match mapped(v6) {
            Some(v4) => v4.prefix_len() < 8,
            None => v6.prefix_len() < 16 || v6.contains(&std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()),
        },
    }
}

/// The IPv4 network that an IPv6 network means, if it lies in `::ffff:0:0/96`.
fn mapped(net: &Ipv6Net) -> Option<Ipv4Net> {
    let prefix = net.prefix_len().checked_sub(96)?;
    Ipv4Net::new(net.addr().to_ipv4_mapped()?, prefix).ok()
}

fn csrf(policy: &PolicyBuilder, problems: &mut Problems) {
    let csrf = &policy.csrf;
    let place = |key| Place::key("csrf", key);
    let plain = template::parameters(&csrf.path).next().is_none() && !template::has_other_spelling(&csrf.path);
    match template::problem(&csrf.path) {
        Some((what, fix)) => problems.error(place("path"), "path-malformed", what, fix),
        None if !plain => {
            problems.error(
                place("path"),
                "path-malformed",
                "the token's path is one plain path in lower case",
                "write a path like /api/csrf",
            );
        }
        None => {}
    }
    if !is_token(&csrf.header) || csrf.header.starts_with("x-palisade-") || STANDARD.contains(&csrf.header.as_str()) {
        problems.error(
            place("header"),
            "header-malformed",
            "this is not a header that can carry the token",
            "write a name of its own, like \"x-csrf-token\"",
        );
    }
    let field = !csrf.field.is_empty() && csrf.field.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !field {
        problems.error(
            place("field"),
            "field-malformed",
            "a form field's name has letters, digits, `_`, `-` and `.`",
            "write a name like \"_csrf\"",
        );
    }
    plain_text(&csrf.trusted_origins, policy, place("trusted_origins"), problems);
}

/// Headers with a meaning of their own, which a token would disturb.
const STANDARD: [&str; 8] =
    ["authorization", "cookie", "host", "origin", "content-type", "content-length", "transfer-encoding", "connection"];

fn cors(policy: &PolicyBuilder, problems: &mut Problems) {
    let Some(cors) = &policy.cors else { return };
    let place = |key| Place::key("cors", key);
    if cors.origins.is_empty() {
        problems.error(
            place("origins"),
            "cors-origins-missing",
            "[cors] names no origin",
            "add origins = [\"https://partner.example\"], or remove [cors]",
        );
    }
    for name in cors.headers.iter().filter(|name| !is_token(name)) {
        let what = format!("`{}` is not the name of a header", shortened(name));
        problems.error(place("headers"), "header-malformed", what, "name each header in lower case; `*` is not taken");
    }
    for name in cors.methods.iter().filter(|name| !is_method(name)) {
        let what = format!("`{}` is not a method", shortened(name));
        problems.error(place("methods"), "method-unknown", what, "name each method in capitals; `*` is not taken");
    }
    plain_text(&cors.origins, policy, place("origins"), problems);
}

/// A page fetched without TLS can be rewritten on the way, and then acts with the trust of its origin.
fn plain_text(origins: &[Origin], policy: &PolicyBuilder, place: Place, problems: &mut Problems) {
    let secure = policy.app.public_origins.iter().any(|origin| origin.https);
    for origin in origins.iter().filter(|origin| secure && !origin.https && !origin.is_loopback()) {
        let what = format!("{origin} is trusted although anyone on the way can rewrite its pages");
        problems.warn(place, "origin-plain-http", what, "use its https origin");
    }
}

/// What `[listen]` says must fit together.
fn listen(policy: &PolicyBuilder, problems: &mut Problems) {
    let Listen { tls: _, redirect, proxy_protocol, address: _, admin: _, intake: _ } = &policy.listen;
    if redirect.is_some() && !policy.app.public_origins.iter().any(|origin| origin.https) {
        let what = "plain http would be sent on to https, and no public_origin is https";
        let place = Place::key("listen", "redirect");
        problems.error(place, "redirect-nowhere", what, "remove `redirect`, or make a public_origin https");
    }
    if *proxy_protocol && policy.clients.trusted_proxies.is_empty() {
        let what = "nobody may connect: a PROXY header is believed from trusted proxies alone, and none is named";
        let place = Place::key("listen", "proxy_protocol");
        problems.error(place, "proxy-unnamed", what, "name the balancer in [clients] trusted_proxies");
    }
}

fn limits(policy: &PolicyBuilder, problems: &mut Problems) {
    let Limits {
        buffered,
        body,
        header_bytes,
        connections,
        connections_per_client,
        header_timeout,
        body_timeout,
        body_rate,
        in_flight,
        in_flight_per_client,
        read_rate,
        idle_timeout,
        upstream_timeout,
        drain_timeout: _,
        limiter_slots,
    } = &policy.limits;
    let zero = [
        ("buffered", *buffered == 0),
        ("body", *body == Some(0)),
        ("header_bytes", *header_bytes < 1024),
        ("connections", *connections == 0),
        ("connections_per_client", *connections_per_client == 0),
        ("header_timeout", header_timeout.is_zero()),
        ("body_timeout", body_timeout.is_zero()),
        ("body_rate", *body_rate == 0),
        ("in_flight", *in_flight == 0),
        ("in_flight_per_client", *in_flight_per_client == 0),
        ("read_rate", *read_rate == 0),
        ("idle_timeout", idle_timeout.is_zero()),
        ("upstream_timeout", upstream_timeout.is_zero()),
        ("limiter_slots", *limiter_slots < 1024),
    ];
    for (key, _) in zero.into_iter().filter(|(_, bad)| *bad) {
        let what = format!("`{key}` is so small that the gate could serve nothing");
        problems.error(Place::key("limits", key), "limits-too-small", what, "remove the key to use the default");
    }
    if *limiter_slots > 1 << 26 {
        problems.error(
            Place::key("limits", "limiter_slots"),
            "limits-too-large",
            "each table would take more than 512 MiB",
            "write at most 67108864",
        );
    }
}

fn identity(policy: &PolicyBuilder, problems: &mut Problems) {
    let Some(identity) = &policy.identity else { return };
    let Identity { provider, issuer, jwks, audience, authorized_parties, sign_in_url, claims: _ } = identity;
    let place = |key| Place::key("identity", key);
    let open = *provider == IdentityProvider::Oidc;
    provider_url("issuer", issuer.as_deref(), open, problems);
    provider_url("jwks", jwks.as_deref(), open, problems);
    if open && audience.is_empty() && authorized_parties.is_empty() {
        let what = "tokens that the issuer made for any other app would be accepted";
        let fix = "add audience = [\"...\"], the value of `aud` in your tokens";
        problems.warn(place("audience"), "identity-audience", what, fix);
    }
    for party in authorized_parties.iter().filter(|party| !open && Origin::parse(party).is_none()) {
        let what = format!("`{}` is not an origin", shortened(party));
        let fix = "write scheme://host[:port] and nothing else";
        problems.error(place("authorized_parties"), "origin-malformed", what, fix);
    }
    let local = |url: &str| url.starts_with('/') && !url.starts_with("//") && !url.contains(['\\', '\r', '\n']);
    if sign_in_url.as_deref().is_some_and(|url| !local(url) && !is_safe_url(url)) {
        let what = "`sign_in_url` is neither a path nor an https URL";
        problems.error(place("sign_in_url"), "url-malformed", what, "write a path like \"/sign-in\"");
    }
}

/// `issuer` and `jwks`: https, and there where nothing else tells them.
fn provider_url(key: &'static str, url: Option<&str>, needed: bool, problems: &mut Problems) {
    let place = Place::key("identity", key);
    match url {
        Some(url) if !is_safe_url(url) => {
            let what = format!("`{key}` is not an https URL");
            let fix = "write the provider's https URL; http is taken on loopback only";
            problems.error(place, "url-malformed", what, fix);
        }
        None if needed => {
            let what = format!("provider `oidc` needs `{key}`");
            problems.error(place, "identity-incomplete", what, format!("add {key} = \"https://...\""));
        }
        _ => {}
    }
}

/// Without an identity provider those routes answer 401 to everyone, which is safe but surely not meant.
fn nobody_to_verify(policy: &PolicyBuilder, problems: &mut Problems) {
    if policy.identity.is_some() {
        return;
    }
    if let Some((index, route)) =
        policy.routes.iter().enumerate().find(|(_, route)| route.identity == IdentityNeed::Required)
    {
        let what = format!(
            "`{}` wants a verified caller, and no [identity] says whose tokens are believed: every request is refused",
            route.kind
        );
        problems.warn(
            Place::route(index, "kind"),
            "identity-missing",
            what,
            "add [identity] provider = \"clerk\", or \"oidc\" with issuer, jwks and audience",
        );
    }
}

fn state(policy: &PolicyBuilder, problems: &mut Problems) {
    if policy.state.redis.as_deref().is_some_and(|name| !secret::is_variable_name(name)) {
        let what = "`redis` holds something that is not the name of a variable";
        problems.error(
            Place::key("state", "redis"),
            "secret-in-file",
            what,
            "put the URL into a variable and name it: redis = \"REDIS_URL\"",
        );
    }
    if policy.state.timeout.is_zero() {
        problems.error(
            Place::key("state", "timeout"),
            "limits-too-small",
            "a timeout of zero means that the server is always out",
            "write a duration like \"50ms\"",
        );
    }
}

fn undeclared(policy: &PolicyBuilder, problems: &mut Problems) {
    let kind = policy.undeclared_kind;
    let row = KindDefaults::of(kind);
    let place = Place::key("undeclared", "kind");
    let reads = row.methods.is_some() || matches!(kind, Kind::Search | Kind::Delegated);
    if kind == Kind::Webhook || !reads {
        let what = format!("`{kind}` is a kind for routes that are named");
        problems.error(
            place,
            "undeclared-kind",
            what,
            "use \"page\", \"protected-read\", \"public-read\", \"static\", \"search\" or \"delegated\"",
        );
    } else if policy.undeclared.unsafe_origin && row.is_read_only() {
        let what = format!("`{kind}` only reads, so unsafe methods cannot be opened for it");
        problems.error(
            Place::key("undeclared", "unsafe"),
            "undeclared-unsafe",
            what,
            "use kind = \"page\", or remove `unsafe`",
        );
    }
    if policy.undeclared.deny && policy.undeclared.unsafe_origin {
        problems.error(
            Place::key("undeclared", "unsafe"),
            "undeclared-contradiction",
            "`deny` closes what `unsafe` opens",
            "keep one of the two",
        );
    }
}

fn actions(policy: &PolicyBuilder, problems: &mut Problems) {
    for (index, action) in policy.actions.iter().enumerate() {
        let place = |key| Place { table: "action", index, key };
        let row = KindDefaults::of(action.kind);
        if row.is_read_only() || action.kind == Kind::Webhook {
            let what = format!("a server action is a POST, and `{}` answers none", action.kind);
            problems.error(
                place("kind"),
                "action-kind",
                what,
                "use \"protected-write\", \"public-form\" or another kind that changes something",
            );
        }
        if !action.access.is_empty() && row.identity == IdentityNeed::None {
            let what = format!("`access` is asked of a verified caller, and `{}` verifies none", action.kind);
            problems.error(place("access"), "access-without-identity", what, "use a kind that wants an identity");
        }
        if action.access.owner.is_some() {
            problems.error(
                place("access"),
                "access-owner",
                "an action has no path whose parameter `owner` could compare",
                "check the owner in the action itself",
            );
        }
        if policy.actions.iter().take(index).any(|other| other.name == action.name) {
            problems.error(
                place("name"),
                "action-duplicate",
                format!("`{}` has two entries", shortened(&action.name)),
                "keep one",
            );
        }
    }
}

fn csp(policy: &PolicyBuilder, problems: &mut Problems) {
    let CspSources { script, style, connect, img, font, frame, worker, form } = &policy.csp;
    let directives = [
        ("script", script),
        ("style", style),
        ("connect", connect),
        ("img", img),
        ("font", font),
        ("frame", frame),
        ("worker", worker),
        ("form", form),
    ];
    for (key, sources) in directives {
        for source in sources.iter().filter(|source| !is_source(key, source)) {
            let what = format!("`{}` would open `{key}` to more than one place, or is no source", shortened(source));
            problems.error(
                Place::key("csp", key),
                "csp-source",
                what,
                "name hosts: \"https://cdn.example\" or \"https://*.cdn.example\"",
            );
        }
    }
}

/// A host with its scheme, perhaps with `*.` before it and `:*` behind; `data:` and `blob:` where nothing runs;
/// `'unsafe-inline'` for styles only, which Clerk needs.
fn is_source(directive: &str, source: &str) -> bool {
    match source {
        "'unsafe-inline'" => return directive == "style",
        "data:" => return matches!(directive, "img" | "font"),
        "blob:" => return matches!(directive, "img" | "worker" | "connect"),
        "'self'" => return true,
        _ => {}
    }
    let Some((scheme, rest)) = source.split_once("://") else { return false };
    let scheme = match scheme {
        "https" | "wss" => "https",
        "http" | "ws" => "http",
        _ => return false,
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let path_fits = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b));
    let bare = host.strip_prefix("*.").unwrap_or(host);
    let bare = bare.strip_suffix(":*").unwrap_or(bare);
    let Some(origin) = Origin::parse(&format!("{scheme}://{bare}")) else { return false };
    let wildcard_fits = bare.len() == host.len() || bare.contains('.') || origin.is_loopback();
    path_fits && wildcard_fits && (origin.https || origin.is_loopback())
}

/// A token of RFC 9110 in lower case.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_method(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase())
}

/// An https URL without user, quotes or spaces; http on loopback.
fn is_safe_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let origin = Origin::parse(&format!("{scheme}://{authority}"));
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    plain && origin.is_some_and(|origin| origin.https || origin.is_loopback())
}
