//! Which headers cross the gate. Everything a client could use to speak in the gate's name, or to switch the
//! application's view of the request, is dropped.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

/// Fields of one connection, never forwarded (RFC 9110 section 7.6.1), and those that ask for a protocol change.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
];

/// Names under which proxies, frameworks and identity providers take orders.
const RESERVED_PREFIXES: [&str; 11] = [
    "x-palisade-",
    "x-forwarded",
    "x-middleware-",
    "x-clerk-auth-",
    "x-vercel-",
    "x-original-",
    "x-envoy-",
    "x-appengine-",
    "x-azure-",
    "x-remote-",
    // Older Next.js renders any error page, or another path, for whoever sends them.
    "x-invoke-",
];

/// Fields of a response that are the connection's own, tell of the software behind, or were meant for the application;
/// `Server` is another, and so common that it is looked at by itself.
const TELLING: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-powered-by"),
    HeaderName::from_static("x-palisade-csrf-token"),
    HeaderName::from_static("x-palisade-event"),
];

/// What shared caches obey before `Cache-Control`: RFC 9213, nginx, Varnish and Fastly, Cloudflare, Vercel, Akamai.
pub(crate) const TARGETED: [HeaderName; 6] = [
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("cloudflare-cdn-cache-control"),
    HeaderName::from_static("vercel-cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("edge-control"),
    HeaderName::from_static("x-accel-expires"),
];

/// Conditions on a representation: an answer with a nonce or a token in it has no second use.
const CONDITIONAL: [HeaderName; 5] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE, header::IF_RANGE];

/// Removes from a request what a client may not send on.
///
/// Called before the gate adds its own fields, so that a `Connection` header cannot name them away.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    // Looking a name up costs more than reading it where it stands; most heads have nothing to remove.
    let drops =
        |name: &HeaderName| !is_usual(name.as_str()) && (HOP_BY_HOP.contains(name) || is_reserved(name.as_str()));
    if !headers.keys().any(drops) {
        return;
    }
    strip_nominated(headers);
    let dropped: Vec<HeaderName> = headers.keys().filter(|name| drops(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

pub(crate) fn strip_conditional(headers: &mut HeaderMap) {
    for name in &CONDITIONAL {
        headers.remove(name);
    }
}

/// Removes from a response what is the connection's own, and what tells of the software behind. Says what is left.
pub(crate) fn strip_response(headers: &mut HeaderMap, upgraded: bool, brought: Brought) -> Brought {
    if !upgraded && brought.has(Brought::HOP_BY_HOP) {
        strip_nominated(headers);
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
    }
    if brought.has(Brought::SERVER) {
        headers.remove(header::SERVER);
    }
    if brought.has(Brought::TELLING) {
        for name in &TELLING {
            headers.remove(name);
        }
    }
    // `Connection` may have named any field away.
    if brought.has(Brought::HOP_BY_HOP) { Brought::by(headers) } else { brought }
}

/// What the head of an application's response has that the gate must deal with.
///
/// One pass over the few names that are there, instead of looking up each of the many that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brought(u16);

impl Brought {
    pub(crate) const NOTHING: Brought = Brought(0);
    /// One of [`HOP_BY_HOP`].
    pub(crate) const HOP_BY_HOP: Brought = Brought(1);
    /// One of [`TELLING`].
    pub(crate) const TELLING: Brought = Brought(1 << 1);
    /// One of [`TARGETED`].
    pub(crate) const TARGETED: Brought = Brought(1 << 2);
    pub(crate) const CACHE_CONTROL: Brought = Brought(1 << 3);
    pub(crate) const EXPIRES: Brought = Brought(1 << 4);
    pub(crate) const CONTENT_SECURITY_POLICY: Brought = Brought(1 << 5);
    pub(crate) const REFERRER_POLICY: Brought = Brought(1 << 6);
    pub(crate) const PERMISSIONS_POLICY: Brought = Brought(1 << 7);
    pub(crate) const STRICT_TRANSPORT_SECURITY: Brought = Brought(1 << 8);
    pub(crate) const SET_COOKIE: Brought = Brought(1 << 9);
    /// Next.js rendered it ahead.
    pub(crate) const PRERENDERED: Brought = Brought(1 << 10);
    /// Clerk says that the answer is one visitor's.
    pub(crate) const CLERK: Brought = Brought(1 << 11);
    pub(crate) const SERVER: Brought = Brought(1 << 12);

    /// What is there.
    pub(crate) fn by(headers: &HeaderMap) -> Brought {
        headers.keys().map(Brought::of).fold(Brought::NOTHING, |all, one| Brought(all.0 | one.0))
    }

    /// Whether any of `what` is there.
    pub(crate) const fn has(self, what: Brought) -> bool {
        self.0 & what.0 != 0
    }

    fn of(name: &HeaderName) -> Brought {
        match name.as_str() {
            "cache-control" => Brought::CACHE_CONTROL,
            "expires" => Brought::EXPIRES,
            "set-cookie" => Brought::SET_COOKIE,
            "server" => Brought::SERVER,
            "content-security-policy" => Brought::CONTENT_SECURITY_POLICY,
            "referrer-policy" => Brought::REFERRER_POLICY,
            "permissions-policy" => Brought::PERMISSIONS_POLICY,
            "strict-transport-security" => Brought::STRICT_TRANSPORT_SECURITY,
            "x-nextjs-cache" | "x-nextjs-prerender" => Brought::PRERENDERED,
            "x-clerk-auth-status" => Brought::CLERK,
            // What most answers have, and nothing is to be done about.
            "date" | "content-type" | "content-length" | "etag" | "last-modified" | "vary" => Brought::NOTHING,
            _ if HOP_BY_HOP.contains(name) => Brought::HOP_BY_HOP,
            _ if TELLING.contains(name) => Brought::TELLING,
            _ if TARGETED.contains(name) => Brought::TARGETED,
            _ => Brought::NOTHING,
        }
    }
}

/// Whether a trailer field may pass a route that takes trailers.
#[must_use]
pub fn trailer_passes(name: &HeaderName) -> bool {
    let forbidden = [
        header::AUTHORIZATION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::HOST,
        header::SET_COOKIE,
        header::CACHE_CONTROL,
        header::LOCATION,
        header::ORIGIN,
    ];
    !is_reserved(name.as_str()) && !HOP_BY_HOP.contains(name) && !forbidden.contains(name)
}

fn strip_nominated(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !decides(name.as_str()))
        .collect();
    for name in nominated {
        headers.remove(name);
    }
}

/// What the gate has decided by must reach the application as it was: no `Connection` header takes it away.
fn decides(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "content-type"
            | "content-encoding"
            | "cookie"
            | "authorization"
            | "origin"
            | "next-action"
            | "rsc"
            | "accept"
            | "x-csrf-token"
    ) || name.starts_with("sec-")
        || name.starts_with("next-")
}

/// What browsers and other honest clients send all the time. None of these is dropped for its name.
fn is_usual(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "user-agent"
            | "accept"
            | "accept-language"
            | "accept-encoding"
            | "cookie"
            | "authorization"
            | "content-type"
            | "content-length"
            | "origin"
            | "referer"
            | "cache-control"
            | "if-none-match"
            | "if-modified-since"
            | "priority"
            | "sec-fetch-dest"
            | "sec-fetch-mode"
            | "sec-fetch-site"
            | "sec-fetch-user"
            | "upgrade-insecure-requests"
            | "x-csrf-token"
    )
}

/// Names with a byte outside `[a-z0-9-]` are dropped whole: servers behind CGI-like interfaces read `X_Forwarded_For`
/// as `X-Forwarded-For`.
fn is_reserved(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    !plain
        || is_reserved_name(name)
        || (name.starts_with("x-") && RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Single names with the power of [`RESERVED_PREFIXES`], and what the gate sets afresh.
fn is_reserved_name(name: &str) -> bool {
    matches!(
        name,
        "cf-connecting-ip"
            | "cf-connecting-ipv6"
            | "cf-pseudo-ipv4"
            | "client-ip"
            | "cloudfront-viewer-address"
            | "x-originating-ip"
            | "content-security-policy"
            | "content-security-policy-report-only"
            | "expect"
            | "fastly-client-ip"
            | "fly-client-ip"
            | "forwarded"
            | "forwarded-for"
            | "http2-settings"
            | "keep-alive"
            | "next-resume"
            | "proxy"
            | "proxy-connection"
            | "remote-addr"
            | "remote-user"
            | "true-client-ip"
            | "x-action-forwarded"
            | "x-arr-log-id"
            | "x-clerk-clerk-url"
            | "x-clerk-request-data"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-host"
            | "x-http-method"
            | "x-http-method-override"
            | "x-matched-path"
            | "x-method-override"
            | "x-next-resume-state-length"
            | "x-nextjs-data"
            | "x-nonce"
            | "x-now-route-matches"
            | "x-real-ip"
            | "x-request-id"
            | "x-rewrite-url"
    )
}

/// Whether any `Cache-Control` line has one of the directives.
pub(crate) fn cache_control_has(headers: &HeaderMap, directives: &[&str]) -> bool {
    cache_control(headers).any(|(name, _)| directives.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)))
}

/// The `Cache-Control` directives with their arguments.
pub(crate) fn cache_control(headers: &HeaderMap) -> impl Iterator<Item = (&str, Option<&str>)> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line: &HeaderValue| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|directive| match directive.trim().split_once('=') {
        Some((name, value)) => (name, Some(value.trim_matches('"'))),
        None => (directive.trim(), None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_bytes(name.as_bytes()).expect("name"), value.parse().expect("value"));
        }
        headers
    }

    #[test]
    fn aliases_overrides_and_nominated_names_are_dropped() {
        let mut headers = request(&[
            ("host", "shop.example"),
            ("accept", "*/*"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x.real.ip", "1.1.1.1"),
            ("x-palisade-user", "root"),
            ("x-forwarded-host", "evil.example"),
            ("x-middleware-subrequest", "middleware"),
            ("x-original-url", "/admin"),
            ("x-http-method-override", "DELETE"),
            ("x-clerk-auth-status", "signed-in"),
            ("x-matched-path", "/admin"),
            ("x-invoke-status", "404"),
            ("x-invoke-path", "/admin"),
            ("remote-user", "root"),
            ("forwarded", "for=1.1.1.1"),
            ("connection", "keep-alive, x-secret, host"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ("cookie", "a=1"),
            ("next-router-state-tree", "x"),
        ]);
        strip_request(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "cookie", "host", "next-router-state-tree"]);
    }

    #[test]
    fn what_is_usual_is_nothing_that_is_dropped() {
        let all = include_str!("headers.rs").split('"').map(str::trim).collect::<std::collections::BTreeSet<_>>();
        let usual: Vec<_> = all.into_iter().filter(|name| is_usual(name)).collect();
        assert!(usual.len() > 15, "{usual:?}");
        for name in usual {
            let parsed = HeaderName::from_bytes(name.as_bytes()).expect("name");
            assert!(!HOP_BY_HOP.contains(&parsed) && !is_reserved(name), "{name}");
        }
        let mut nominated = request(&[("host", "a"), ("connection", "x-secret"), ("x-secret", "1")]);
        strip_request(&mut nominated);
        assert_eq!(nominated.len(), 1);
    }

    #[test]
    fn trailers_never_carry_what_a_head_decides() {
        for name in ["authorization", "x-palisade-user", "content-length", "transfer-encoding", "x_y", "set-cookie"] {
            assert!(!trailer_passes(&HeaderName::from_bytes(name.as_bytes()).expect("name")), "{name}");
        }
        assert!(trailer_passes(&HeaderName::from_static("server-timing")));
    }

    #[test]
    fn cache_control_is_read_over_lines_and_by_case() {
        let headers = request(&[("cache-control", "Public, max-age=\"60\""), ("cache-control", "s-maxage=5")]);
        assert!(cache_control_has(&headers, &["public"]) && cache_control_has(&headers, &["s-maxage"]));
        assert_eq!(cache_control(&headers).nth(1), Some(("max-age", Some("60"))));
    }
}
