//! Everything the gate says by itself: refusals, faults, tokens, preflights. The one place where a response is made.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode, response};
use palisade_event::{Code, Decision, Stage, Tag};
use palisade_policy::Methods;

use crate::dress;
use crate::env::Env;
use crate::exchange::Exchange;
use crate::finish;
use crate::headers::Brought;
use crate::html;
use crate::inbox::Settle;
use crate::login;
use crate::record::{self, Record};
use crate::schema::Violation;
use crate::stage::noteworthy;
use crate::step::Denial;
use crate::token::{Session, Token};

/// An answer of the gate, not yet written.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    exchange: Exchange,
    say: Say,
}

/// What is said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Say {
    /// No.
    Refuse(Denial),
    /// A fresh CSRF token.
    CsrfToken,
    /// What a path answers.
    Options(Methods),
    /// Yes, another origin may ask that.
    Preflight,
    /// The message came before, and was accepted.
    Acknowledge,
    /// The same, over https.
    ToHttps,
    /// No, before any stage has looked; try again after so many seconds.
    TurnAway(Code, Option<u32>),
    /// Sign in first: a browser is sent there.
    SignIn(Denial),
}

/// A text in the shape the asker reads, and its type.
pub(crate) struct Text {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The answer depends on all of these; caches must know.
const VARY: HeaderValue = HeaderValue::from_static("Accept, Sec-Fetch-Mode, Sec-Fetch-Site, Cookie");
const PREFLIGHT_VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
/// A problem is seldom longer, in bytes.
const PROBLEM_ROOM: usize = 512;
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

// === impl Answer ===

impl Answer {
    pub(crate) fn new(exchange: Exchange, say: Say) -> Answer {
        Answer { exchange, say }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn denial(&self) -> Option<Denial> {
        match self.say {
            Say::Refuse(denial) | Say::SignIn(denial) => Some(denial),
            Say::ToHttps | Say::TurnAway(..) | Say::CsrfToken | Say::Options(_) | Say::Preflight | Say::Acknowledge => {
                None
            }
        }
    }

    /// What is to be told to whoever answered a claim of the refused request, once; nothing waits for it.
    pub fn settle(&mut self) -> Option<Settle> {
        login::owed(&mut self.exchange)
    }

    /// Writes the answer, and the record of it.
    #[must_use]
    pub fn into_response(mut self, env: &Env<'_>) -> (Response<Bytes>, Record) {
        let (mut head, body) = match self.say {
            Say::Refuse(denial) => refusal(&self.exchange, &denial),
            Say::TurnAway(code, retry_after) => {
                refusal(&self.exchange, &Denial { retry_after, ..Denial::new(Stage::Target, code) })
            }
            Say::ToHttps => (to_https(&self.exchange), Bytes::new()),
            Say::CsrfToken => token(&mut self.exchange, env),
            Say::Options(methods) => (options(&self.exchange, methods), Bytes::new()),
            Say::Preflight => (preflight(&self.exchange), Bytes::new()),
            Say::Acknowledge => acknowledgement(&self.exchange),
            Say::SignIn(denial) => sign_in(&self.exchange, &denial),
        };
        let quiet = self.denial().is_some_and(|denial| {
            matches!(denial.stage, Stage::Target | Stage::Block) && !noteworthy(&self.exchange, env)
        });
        if quiet {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let denial = self.denial();
        let turned = if let Say::TurnAway(code, _) = self.say { Some(code) } else { None };
        let code = denial.map(|denial| denial.code).or(turned);
        let record = Record {
            decision: if code.is_some() { Decision::Refuse } else { Decision::Answer },
            stage: denial.map(|denial| denial.stage),
            code,
            status: head.status.as_u16(),
            finished: env.now,
            quiet,
            fields: record::fields(&self.exchange),
            exchange: Box::new(self.exchange),
        };
        (Response::from_parts(head, body), record)
    }
}

fn refusal(exchange: &Exchange, denial: &Denial) -> (response::Parts, Bytes) {
    let text = text(exchange, denial.code, denial.retry_after);
    let mut head = own(exchange, denial.code.status(), true);
    head.headers.insert(header::CONTENT_TYPE, text.content_type);
    if let Some(seconds) = denial.retry_after {
        head.headers.insert(header::RETRY_AFTER, finish::number(seconds.into()));
    }
    if denial.code == Code::MethodNotAllowed {
        head.headers.insert(header::ALLOW, allow(denial.allow));
    }
    finish::cors_fields(exchange, &mut head.headers);
    (head, text.body)
}

/// Sends a browser to sign in, and tells that page where to come back to: under the app's own origin, by the canonical
/// path without its query, so that nobody can write another site into it (SECURITY.md 9).
fn sign_in(exchange: &Exchange, denial: &Denial) -> (response::Parts, Bytes) {
    let (mut head, body) = refusal(exchange, denial);
    let (Some(origin), Some(url)) = (exchange.origin(), exchange.plan.sign_in_url()) else { return (head, body) };
    let url = url.split('#').next().unwrap_or_default();
    let base = if url.starts_with('/') { origin.to_string() } else { String::new() };
    let back = percent(&format!("{origin}{}", exchange.target.path()));
    let joint = if url.contains('?') { '&' } else { '?' };
    let location = format!("{base}{url}{joint}redirect_url={back}");
    if let Ok(location) = HeaderValue::from_str(&location) {
        head.status = StatusCode::FOUND;
        head.headers.insert(header::LOCATION, location);
    }
    (head, body)
}

/// The same target under https, on the host that was asked for if it is one of ours, else on the first: never one that
/// a stranger wrote. Over plain http a promise of https (HSTS) means nothing (RFC 6797 section 7.2).
fn to_https(exchange: &Exchange) -> response::Parts {
    let mut head = own(exchange, 308, false);
    head.headers.remove(header::STRICT_TRANSPORT_SECURITY);
    let origins = &exchange.plan.hosts;
    let asked = exchange.origin().filter(|origin| origin.https);
    if let Some(origin) = asked.or_else(|| origins.iter().find(|origin| origin.https)) {
        let target = exchange.target.as_str();
        let target = if target.starts_with('/') && !target.starts_with("//") { target } else { "/" };
        if let Ok(location) = HeaderValue::from_str(&format!("{origin}{target}")) {
            head.headers.insert(header::LOCATION, location);
        }
    }
    head
}

/// Everything but unreserved characters, encoded (RFC 3986 section 2.3).
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The head of every answer of ours: hardened, and never kept by a cache. Where a limit counts it, that is told if `told`.
fn own(exchange: &Exchange, status: u16, told: bool) -> response::Parts {
    let mut head = empty_head(status);
    dress::put_on(exchange, &mut head.headers, Brought::NOTHING, told);
    head.headers.insert(header::CACHE_CONTROL, NO_STORE);
    head.headers.insert(header::VARY, VARY);
    head.headers.insert(header::CONTENT_SECURITY_POLICY, html::csp(exchange.asks.navigates));
    head
}

#[expect(clippy::disallowed_methods, reason = "the one place where a response is made")]
fn empty_head(status: u16) -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    head
}

/// The head of an answer to a fault, after the request was admitted.
pub(crate) fn fault(exchange: &Exchange, code: Code) -> (response::Parts, Bytes) {
    refusal(exchange, &Denial::new(Stage::Claim, code))
}

/// What a code says: JSON, or a page when a browser navigates.
pub(crate) fn text(exchange: &Exchange, code: Code, retry_after: Option<u32>) -> Text {
    let message = message(exchange, code, retry_after);
    if exchange.asks.navigates {
        let body = html::page(code.status(), code.title(), &message, exchange.id.as_str());
        return Text { content_type: HeaderValue::from_static("text/html; charset=utf-8"), body: body.into() };
    }
    Text { content_type: PROBLEM, body: problem(exchange, code, &message, retry_after).into() }
}

/// RFC 9457, with the operations guide's own fields beside.
fn problem(exchange: &Exchange, code: Code, message: &str, retry_after: Option<u32>) -> String {
    let kind = if code == Code::RateLimited { QUOTA_EXCEEDED } else { "about:blank" };
    // In one piece: refusals must be cheap, and `format!` costs more than the text is long.
    let mut json = String::with_capacity(PROBLEM_ROOM);
    json.extend(["{\"type\":\"", kind, "\",\"title\":\"", code.title(), "\",\"status\":"]);
    let _ = write!(json, "{}", code.status());
    json.extend([",\"code\":\"", code.id(), "\",\"error\":\"", code.error(), "\",\"message\":"]);
    quote(&mut json, message);
    json.extend([",\"requestId\":\"", exchange.id.as_str(), "\""]);
    if let Some(seconds) = retry_after {
        let _ = write!(json, ",\"retryAfter\":{seconds}");
    }
    if let (Code::RateLimited, Some(plan)) = (code, exchange.route()) {
        json.extend([",\"violated-policies\":[\"", plan.route.kind.id(), "\"]"]);
    }
    if let (Code::ValidationFailed, Some(violations)) = (code, &exchange.violations) {
        details(&mut json, violations);
    }
    json.push('}');
    json
}

/// JSON pointer -> what is wrong there; of several things in one place the first.
fn details(json: &mut String, violations: &[Violation]) {
    json.push_str(",\"details\":{");
    for (index, violation) in violations.iter().enumerate() {
        let before = violations.get(..index).unwrap_or_default();
        if before.iter().any(|earlier| earlier.pointer == violation.pointer) {
            continue;
        }
        if index > 0 {
            json.push(',');
        }
        quote(json, &violation.pointer);
        json.push(':');
        quote(json, &violation.text);
    }
    json.push('}');
}

fn message(exchange: &Exchange, code: Code, retry_after: Option<u32>) -> Cow<'static, str> {
    let csrf = &exchange.plan.policy.csrf;
    let text = match code {
        Code::CsrfTokenMissing => format!(
            "This request needs a CSRF token: fetch one from {} and send it in the {} header or the {} form field.",
            csrf.path, csrf.header, csrf.field
        ),
        Code::CsrfTokenReused | Code::CsrfTokenExpired | Code::CsrfTokenInvalid => {
            format!("{}: fetch a fresh one from {}.", sentence(code), csrf.path)
        }
        Code::RateLimited => {
            format!("Too many requests. Try again in {} seconds.", retry_after.unwrap_or(1))
        }
        Code::HostUnknown if exchange.plan.detailed => {
            let known: Vec<String> = exchange.plan.hosts.iter().map(ToString::to_string).collect();
            format!("{} This gate answers for {}.", sentence(code), known.join(", "))
        }
        _ => return Cow::Borrowed(sentence(code)),
    };
    Cow::Owned(text)
}

/// What a person is told. It says nothing of how the gate or the application is built.
pub(crate) fn sentence(code: Code) -> &'static str {
    match code {
        Code::FramingMalformed => "The request is not written as HTTP wants it, or could be read in two ways.",
        Code::TargetTooLong => "The address is longer than any that is served here.",
        Code::HeadTooLarge => "The request carries more headers than are read here; fewer cookies may help.",
        Code::PathMalformed => "The path is not written in its one canonical form.",
        Code::HostUnknown => "No site of that name is served here.",
        Code::HeaderMalformed => "A header is repeated, contradicts another, or cannot be read.",
        Code::BodyMalformed => "The body cannot be read as what it says it is.",
        Code::ValidationFailed => "The input does not match what this route takes.",
        Code::SignatureMissing | Code::SignatureInvalid => "The message is not signed as this route wants it.",
        Code::SignatureStale => "The message was signed too long ago, or in the future.",
        Code::SignatureReplayed => "This very message was accepted before.",
        Code::AuthRequired => "Sign in first.",
        Code::TokenInvalid => "The session cannot be verified. Sign in again.",
        Code::TokenExpired => "The session is over. Sign in again.",
        Code::CsrfTokenMissing => "A CSRF token is missing.",
        Code::CsrfTokenInvalid => "The CSRF token is not one of this session",
        Code::CsrfTokenExpired => "The CSRF token is too old",
        Code::CsrfTokenReused => "The CSRF token was used before",
        Code::CsrfCrossOrigin => "The request comes from another site.",
        Code::ForbiddenRole
        | Code::ForbiddenPermission
        | Code::ForbiddenPlan
        | Code::ForbiddenFeature
        | Code::ForbiddenOwner => "This account may not do that.",
        Code::LoginLocked => "Too many failed sign-ins. Try again later.",
        Code::Blocked => "This address is blocked for now.",
        Code::RouteUndeclared => "There is nothing here.",
        Code::MethodNotAllowed => "This path does not answer that method.",
        Code::InFlight => "This message is being handled right now.",
        Code::LengthRequired => "The request must say how long its body is.",
        Code::BodyTooLarge => "The body is larger than this route takes.",
        Code::MediaType => "This route does not take that media type, encoding or charset.",
        Code::RateLimited => "Too many requests.",
        Code::Internal => "Something went wrong.",
        Code::UpstreamUnreachable => "The application cannot be reached right now.",
        Code::Overloaded | Code::StateUnavailable => "The service is busy. Try again in a moment.",
        Code::UpstreamTimeout => "The application did not answer in time.",
    }
}

fn token(exchange: &mut Exchange, env: &Env<'_>) -> (response::Parts, Bytes) {
    let session = exchange.renew_session(env);
    exchange.tag(Tag::CsrfTokenIssued);
    let token = Token::mint(&session, exchange.binding(), &exchange.plan.keys, env);
    let mut head = own(exchange, 200, true);
    head.headers.insert(header::CONTENT_TYPE, JSON);
    head.headers.insert(header::SET_COOKIE, session_cookie(exchange, &session));
    (head, format!("{{\"csrfToken\":\"{token}\"}}").into())
}

/// What a provider hears that sends a message again whose answer it missed: nothing is left to do.
fn acknowledgement(exchange: &Exchange) -> (response::Parts, Bytes) {
    let mut head = own(exchange, 200, true);
    head.headers.insert(header::CONTENT_TYPE, JSON);
    (head, Bytes::from_static(b"{\"received\":true}"))
}

/// RFC 6265 with the `__Host-` prefix under https: no Domain, path `/`, Secure.
pub(crate) fn session_cookie(exchange: &Exchange, session: &Session) -> HeaderValue {
    let secure = if exchange.origin().is_some_and(|origin| !origin.https) { "" } else { "; Secure" };
    let value = session.write(&exchange.plan.keys);
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", exchange.cookie_name());
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

fn options(exchange: &Exchange, methods: Methods) -> response::Parts {
    let mut head = own(exchange, 204, false);
    head.headers.insert(header::ALLOW, allow(methods));
    head
}

fn preflight(exchange: &Exchange) -> response::Parts {
    let mut head = own(exchange, 204, false);
    finish::cors_fields(exchange, &mut head.headers);
    if let Some(cors) = &exchange.plan.policy.cors {
        let mut insert = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                head.headers.insert(name, value);
            }
        };
        insert(header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(", "));
        insert(header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(", "));
        insert(header::ACCESS_CONTROL_MAX_AGE, &cors.max_age.as_secs().to_string());
    }
    head.headers.append(header::VARY, PREFLIGHT_VARY);
    head
}

fn allow(methods: Methods) -> HeaderValue {
    let text = if methods.is_empty() { "OPTIONS".to_owned() } else { format!("{methods}, OPTIONS") };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// Appends a JSON string.
fn quote(json: &mut String, text: &str) {
    json.push('"');
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(plain) {
        json.extend([text, "\""]);
        return;
    }
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            ' '..='\u{7e}' => json.push(char),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
        }
    }
    json.push('"');
}
