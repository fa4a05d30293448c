//! The response side: every response, whoever made it, leaves with the same protections. An application may be
//! stricter than the gate, never weaker.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode, response};
use palisade_event::{Code, Kind};
use palisade_policy::{CspProfile, Environment, IdentityNeed};

use crate::answer::{self, Text};
use crate::cookie;
use crate::csp::{self, Csp};
use crate::dress;
use crate::env::Env;
use crate::exchange::{CsrfState, Exchange};
use crate::headers::{self, Brought, TARGETED};
use crate::html;
use crate::plan::RatePlan;
use crate::report;
use crate::token::Token;
use crate::written::Written;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// What is told of a limit and differs from request to request.
pub(crate) const COUNTED: [HeaderName; 3] = [RATELIMIT, X_RATELIMIT_REMAINING, X_RATELIMIT_RESET];
const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const DENY: HeaderValue = HeaderValue::from_static("DENY");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const HSTS_AGE: u64 = 31_536_000;
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const REFERRER: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");
/// Referrer policies that tell no more than ours (Referrer Policy, section 3).
const REFERRER_STRICTER: [&str; 4] = ["strict-origin-when-cross-origin", "strict-origin", "same-origin", "no-referrer"];
const FEATURES: &str =
    "camera=(), microphone=(), geolocation=(), usb=(), serial=(), midi=(), display-capture=(), browsing-topics=()";

/// Shapes an application's response. What it returns replaces the body.
pub(crate) fn upstream(exchange: &mut Exchange, head: &mut response::Parts, env: &Env<'_>) -> Option<Text> {
    let upgraded = exchange.asks.upgrade && head.status == StatusCode::SWITCHING_PROTOCOLS;
    let brought = Brought::by(&head.headers);
    let told = if brought.has(Brought::TELLING) { report::read(exchange, &head.headers) } else { None };
    let brought = headers::strip_response(&mut head.headers, upgraded, brought);
    if brought.has(Brought::SET_COOKIE) {
        cookie::strip_admin_set(&mut head.headers);
    }
    if let Some(line) = told {
        head.headers.insert(report::NAME, line);
    }
    // What says nothing of caches is kept by none, so that its limit may be told.
    let told = !brought.has(Brought::LASTING);
    dress::put_on(exchange, &mut head.headers, brought, told);
    // What carries this visitor's nonce is nobody else's, however the application marks it.
    let shared = is_shared(head, brought) && !echoes_nonce(exchange, &head.headers);
    let page = exchange.route().is_some_and(|plan| plan.route.csp == CspProfile::Auto);
    if exchange.asks.prefetch && page && !shared && head.status.is_success() {
        return Some(unfetched(exchange, head));
    }
    if exchange.vouched.is_none() {
        content_security(exchange, &mut head.headers, shared, brought);
    }
    cache(exchange, head, shared, brought);
    if !told && !reusable(head, brought) {
        rate_fields(exchange, &mut head.headers);
    }
    cors_fields(exchange, &mut head.headers);
    next_token(exchange, &mut head.headers, env, brought);
    mask(exchange, head, brought)
}

/// A page rendered for one visitor is not fetched ahead: without a nonce it would not run when it is shown. Browsers that
/// get 503 for a prefetch load the page when it is wanted.
fn unfetched(exchange: &Exchange, head: &mut response::Parts) -> Text {
    head.headers.clear();
    dress::put_on(exchange, &mut head.headers, Brought::NOTHING, false);
    head.headers.insert(header::CONTENT_SECURITY_POLICY, csp::DATA);
    head.headers.insert(header::CACHE_CONTROL, NO_STORE);
    head.status = StatusCode::SERVICE_UNAVAILABLE;
    Text { content_type: HeaderValue::from_static("text/plain"), body: bytes::Bytes::new() }
}

/// The fields that every response carries, beside what it `brought`.
pub(crate) fn harden(exchange: &Exchange, headers: &mut HeaderMap, brought: Brought) {
    headers.insert(X_REQUEST_ID, exchange.id.header());
    protect(headers, brought, exchange.plan.hsts);
}

/// Those of them that are the same for every request.
pub(crate) fn protect(headers: &mut HeaderMap, brought: Brought, hsts: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::X_FRAME_OPTIONS, DENY);
    headers.insert(COOP, SAME_ORIGIN);
    headers.insert(CORP, SAME_ORIGIN);
    referrer(headers, brought);
    permissions(headers, brought);
    transport(headers, brought, hsts);
}

/// Of several policies the last that a browser knows counts, so all of them must be as strict as ours.
fn referrer(headers: &mut HeaderMap, brought: Brought) {
    if !brought.has(Brought::REFERRER_POLICY) {
        headers.insert(header::REFERRER_POLICY, REFERRER);
        return;
    }
    let mut policies =
        headers.get_all(header::REFERRER_POLICY).iter().flat_map(|line| line.to_str().unwrap_or("").split(','));
    let strict = policies.all(|policy| REFERRER_STRICTER.contains(&policy.trim()));
    if !strict {
        headers.insert(header::REFERRER_POLICY, REFERRER);
    }
}

/// A dictionary's last entry of a name counts (RFC 9651 section 4.2.2), so ours after theirs closes what ours names. One
/// that does not parse is ignored whole by browsers, and must not take ours along.
fn permissions(headers: &mut HeaderMap, brought: Brought) {
    if !brought.has(Brought::PERMISSIONS_POLICY) {
        headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(FEATURES));
        return;
    }
    let lines: Option<Vec<&str>> = headers
        .get_all(PERMISSIONS_POLICY)
        .iter()
        .map(|line| line.to_str().ok().filter(|line| is_features(line)))
        .collect();
    let merged = lines.and_then(|lines| HeaderValue::from_str(&format!("{}, {FEATURES}", lines.join(", "))).ok());
    headers.insert(PERMISSIONS_POLICY, merged.unwrap_or(HeaderValue::from_static(FEATURES)));
}

/// Whether a text is a list of `feature=*`, `feature=self` or `feature=(...)` and nothing else.
fn is_features(text: &str) -> bool {
    let key = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let item = |item: &str| {
        matches!(item, "*" | "self" | "src" | "none")
            || (item.len() > 2 && item.starts_with('"') && item.ends_with('"') && item.matches('"').count() == 2)
    };
    text.split(',').all(|member| {
        let Some((name, value)) = member.trim().split_once('=') else { return false };
        let list = value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        key(name) && list.map_or_else(|| item(value), |list| list.split(' ').filter(|part| !part.is_empty()).all(item))
    })
}

/// HSTS in production over https alone: elsewhere it would lock a developer's machine out of plain http.
fn transport(headers: &mut HeaderMap, brought: Brought, hsts: bool) {
    let theirs = if brought.has(Brought::STRICT_TRANSPORT_SECURITY) {
        headers.remove(header::STRICT_TRANSPORT_SECURITY)
    } else {
        None
    };
    if !hsts {
        return;
    }
    let told = theirs.as_ref().and_then(|value| value.to_str().ok());
    let stricter = told.and_then(transport_age).is_some_and(|age| age >= HSTS_AGE);
    headers.insert(header::STRICT_TRANSPORT_SECURITY, theirs.filter(|_| stricter).unwrap_or(HSTS));
}

/// The seconds of a `Strict-Transport-Security`; `None` for what a browser ignores whole (RFC 6797 section 6.1).
fn transport_age(policy: &str) -> Option<u64> {
    let mut found = None;
    for directive in policy.split(';').map(str::trim).filter(|directive| !directive.is_empty()) {
        match directive.split_once('=') {
            Some((name, age)) if found.is_none() && name.trim().eq_ignore_ascii_case("max-age") => {
                let age = age.trim();
                let bare = age.strip_prefix('"').and_then(|age| age.strip_suffix('"')).unwrap_or(age);
                found = Some(bare.parse().ok().filter(|_| !bare.starts_with('+'))?);
            }
            None if ["includeSubDomains", "preload"].iter().any(|known| directive.eq_ignore_ascii_case(known)) => {}
            _ => return None,
        }
    }
    found
}

/// Whether the application marks the response for caches that many people share: nothing personal may enter it.
fn is_shared(head: &response::Parts, brought: Brought) -> bool {
    let told = || headers::cache_control_has(&head.headers, &["public", "s-maxage"]);
    brought.has(Brought::PRERENDERED) || (brought.has(Brought::CACHE_CONTROL) && told())
}

/// Whether some cache may answer another request with it.
fn reusable(head: &response::Parts, brought: Brought) -> bool {
    // What `cache` took away does not count any more.
    let targeted = || brought.has(Brought::TARGETED) && TARGETED.iter().any(|name| head.headers.contains_key(name));
    let expires = || brought.has(Brought::EXPIRES) && head.headers.contains_key(header::EXPIRES);
    let fresh = || {
        let age = |value: Option<&str>| value.and_then(|age| age.parse::<u64>().ok()).is_some_and(|age| age > 0);
        let mut all = headers::cache_control(&head.headers);
        all.any(|(name, value)| name.eq_ignore_ascii_case("max-age") && age(value))
    };
    let kept = || brought.has(Brought::CACHE_CONTROL) && fresh();
    head.status.is_success() && (is_shared(head, brought) || targeted() || expires() || kept())
}

fn content_security(exchange: &Exchange, headers: &mut HeaderMap, shared: bool, brought: Brought) {
    let profile = exchange.route().map_or(CspProfile::Data, |plan| plan.route.csp);
    let csp: &Csp = &exchange.plan.csp;
    let ours = match (profile, exchange.nonce()) {
        // A form's answer that a person looks at is a document too, and has no business with inline scripts.
        (CspProfile::Data, _) if exchange.asks.navigates => csp.plain(),
        (CspProfile::Data, _) => csp::DATA,
        (CspProfile::Auto, Some(nonce)) if !shared => csp.page(nonce),
        // Without a nonce, what is rendered for one visitor may be shown later all the same: a prefetch is.
        (CspProfile::Auto, _) if !shared => csp.plain(),
        (CspProfile::Auto | CspProfile::Static, _) => csp.fixed(),
    };
    if !brought.has(Brought::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, ours);
        return;
    }
    // Two policies intersect. Beside one with nonces of its own, ours would stop every script: what is added then is
    // only what takes nothing from scripts.
    let mut lines = headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
    let own_nonces = lines.any(|line| line.to_str().is_ok_and(names_scripts));
    let added = if own_nonces && !echoes_nonce(exchange, headers) { csp::BASELINE } else { ours };
    headers.append(header::CONTENT_SECURITY_POLICY, added);
}

/// Whether a policy lets scripts run by nonce or hash alone.
fn names_scripts(policy: &str) -> bool {
    let directive = |name: &str| {
        let mut all = policy.split(';').map(|directive| directive.trim().split_once(' ').unwrap_or_default());
        all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, sources)| sources)
    };
    let scripts = directive("script-src").or_else(|| directive("default-src"));
    scripts.is_some_and(|sources| ["'nonce-", "'sha256-", "'sha384-", "'sha512-"].iter().any(|it| sources.contains(it)))
}

/// Whether the application's policy is made of the nonce it was given.
fn echoes_nonce(exchange: &Exchange, headers: &HeaderMap) -> bool {
    exchange.nonce().is_some_and(|nonce| {
        let mut lines = headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
        lines.any(|line| line.to_str().is_ok_and(|line| line.contains(nonce)))
    })
}

fn cache(exchange: &Exchange, head: &mut response::Parts, shared: bool, brought: Brought) {
    let headers = &mut head.headers;
    let plan = exchange.route();
    let kind = plan.map_or(Kind::Page, |plan| plan.route.kind);
    let personal = plan.is_some_and(|plan| plan.route.identity == IdentityNeed::Required);
    let sets_cookie = brought.has(Brought::SET_COOKIE);
    if personal {
        keep_from_caches(headers, NO_STORE, brought);
    }
    if kind == Kind::ProtectedRead {
        headers.insert(X_ROBOTS_TAG, HeaderValue::from_static("noindex"));
    }
    // A cookie in a response that caches share would be everybody's cookie.
    let loose = sets_cookie && is_kept(headers);
    let failed_file = kind == Kind::Static && head.status != StatusCode::OK && head.status != StatusCode::NOT_MODIFIED;
    if loose || failed_file || brought.has(Brought::CLERK) {
        keep_from_caches(headers, PRIVATE, brought);
    }
    // A nonce, a token or a session cookie is in it, or in the page the application made of it.
    if exchange.nonce.is_some() && !shared {
        keep_from_caches(headers, PRIVATE, brought);
        headers.remove(header::ETAG);
        headers.remove(header::LAST_MODIFIED);
        if let (true, Some(session)) = (exchange.asks.fresh_session, &exchange.session) {
            headers.append(header::SET_COOKIE, answer::session_cookie(exchange, session));
        }
    }
}

/// Whether some cache that many people share may keep the response.
fn is_kept(headers: &HeaderMap) -> bool {
    let fresh = headers::cache_control_has(headers, &["public", "s-maxage", "max-age", "immutable"])
        || headers.contains_key(header::EXPIRES)
        // From a page's age alone caches guess how long it is good (RFC 9111 section 4.2.2).
        || headers.contains_key(header::LAST_MODIFIED);
    let own = headers::cache_control_has(headers, &["private", "no-store"]);
    let targeted = TARGETED.iter().any(|name| headers.contains_key(name));
    targeted || (fresh && !own)
}

/// Writes `Cache-Control`, and takes away what caches obey before it.
fn keep_from_caches(headers: &mut HeaderMap, control: HeaderValue, brought: Brought) {
    headers.insert(header::CACHE_CONTROL, control);
    if brought.has(Brought::EXPIRES) {
        headers.remove(header::EXPIRES);
    }
    if brought.has(Brought::TARGETED) {
        for name in &TARGETED {
            headers.remove(name);
        }
    }
}

/// Adds a cookie of the gate's own to an answer that is one visitor's.
pub(crate) fn set_cookie(headers: &mut HeaderMap, cookie: HeaderValue) {
    headers.append(header::SET_COOKIE, cookie);
    keep_from_caches(headers, NO_STORE, Brought::by(headers));
}

/// IETF draft-ietf-httpapi-ratelimit-headers-11, and the three older fields many clients read.
pub(crate) fn rate_fields(exchange: &Exchange, headers: &mut HeaderMap) {
    let rate = exchange.route().and_then(|plan| plan.rate.as_ref());
    if let (Some(counted), Some(rate)) = (counted(exchange), rate) {
        limit_fields(headers, rate);
        for (name, value) in counted {
            headers.insert(name, value);
        }
    }
}

/// The fields of a limit that are the same for every request.
pub(crate) fn limit_fields(headers: &mut HeaderMap, rate: &RatePlan) {
    headers.insert(RATELIMIT_POLICY, rate.policy_header.clone());
    headers.insert(X_RATELIMIT_LIMIT, rate.limit_header.clone());
}

/// The fields of [`COUNTED`], if the request was counted.
pub(crate) fn counted(exchange: &Exchange) -> Option<[(HeaderName, HeaderValue); 3]> {
    let (charge, plan) = (exchange.charge?, exchange.route()?);
    plan.rate.as_ref()?;
    let (remaining, reset) = (u64::from(charge.remaining), u64::from(charge.reset_seconds));
    let when = exchange.started.wall.seconds() + reset + u64::from(reset > 0);
    let mut left = Written::<64>::new();
    left.text("\"").text(plan.route.kind.id()).text("\";r=").decimal(remaining).text(";t=").decimal(reset);
    let [ratelimit, left_over, back_at] = COUNTED;
    Some([(ratelimit, left.header()?), (left_over, number(remaining)), (back_at, number(when))])
}

/// `HeaderValue::from` takes twice as long.
pub(crate) fn number(value: u64) -> HeaderValue {
    Written::<20>::new().decimal(value).header().unwrap_or_else(|| HeaderValue::from(value))
}

/// Lets a configured origin read the answer; removes what would let others.
pub(crate) fn cors_fields(exchange: &Exchange, headers: &mut HeaderMap) {
    let Some(cors) = &exchange.plan.policy.cors else { return };
    // The gate's own endpoint is for this site's pages alone.
    if exchange.route().is_some_and(|plan| plan.own) {
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    let origin = exchange.cors.and_then(|index| cors.origins.get(usize::from(index)));
    let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(&origin.to_string()).ok()) else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if cors.credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// An accepted unsafe request brings the next token, so that a page need not fetch one before each write.
fn next_token(exchange: &Exchange, headers: &mut HeaderMap, env: &Env<'_>, brought: Brought) {
    let (CsrfState::Spent(identity), Some(session)) = (exchange.csrf, &exchange.session) else { return };
    // For whom the spent one was made: routes that anyone may use do not look at the identity.
    let token = Token::mint(session, identity, &exchange.plan.keys, env);
    let name = HeaderName::from_bytes(exchange.plan.policy.csrf.header.as_bytes());
    if let (Ok(name), Ok(token)) = (name, HeaderValue::from_str(&token)) {
        headers.insert(name, token);
        keep_from_caches(headers, NO_STORE, brought);
    }
}

/// Stack traces, SQL text and paths in an error's body are for the log, not for the client. Development shows them.
fn mask(exchange: &Exchange, head: &mut response::Parts, brought: Brought) -> Option<Text> {
    if !head.status.is_server_error() || exchange.plan.policy.environment == Environment::Development {
        return None;
    }
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::CONTENT_DISPOSITION,
        header::ETAG,
        header::LAST_MODIFIED,
        header::TRAILER,
    ] {
        head.headers.remove(name);
    }
    keep_from_caches(&mut head.headers, NO_STORE, brought);
    head.headers.insert(header::CONTENT_SECURITY_POLICY, html::csp(exchange.asks.navigates));
    let code = fault_code(head.status);
    head.status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Some(answer::text(exchange, code, None))
}

/// The code of an application's own 5xx; those that have none count as 500.
pub(crate) fn fault_code(status: StatusCode) -> Code {
    Code::ALL.iter().copied().find(|code| code.status() == status.as_u16()).unwrap_or(Code::Internal)
}
