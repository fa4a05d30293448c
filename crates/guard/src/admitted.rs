//! A request that passed every stage: shaped for the application, and its response for the client.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, request, response};
use palisade_event::{Code, Decision, Tag};
use palisade_policy::CspProfile;

use crate::answer::{self, Text};
use crate::cookie;
use crate::csp::NONCE_CHARS;
use crate::env::Env;
use crate::exchange::{Asks, Exchange};
use crate::finish;
use crate::headers;
use crate::identity::Identity;
use crate::inbox::Settle;
use crate::login;
use crate::record::{self, Record};
use crate::stage::NEXT_ACTION;
use crate::step::Collect;
use crate::token::Token;
use crate::vouched;
use crate::written::Written;

/// Leave to go to the application. Only the stages make one.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    /// It goes through many hands from here on.
    exchange: Box<Exchange>,
}

/// How the body travels, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPlan {
    /// The client's address, behind the trusted proxies.
    pub client: IpAddr,
    /// Bytes at most; the request is broken off beyond.
    pub cap: u64,
    /// Whether trailers pass, through [`crate::trailer_passes`].
    pub trailers: bool,
}

/// What becomes of the application's body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyFate {
    /// It passes.
    Keep,
    /// It tells too much, and this takes its place.
    Replace(Bytes),
}

/// A response ready for the client.
#[derive(Debug)]
pub struct Finish {
    /// What becomes of its body.
    pub body: BodyFate,
    /// What is to be told to whoever answered the claim; nothing waits for it.
    pub settle: Option<Settle>,
    /// What happened.
    pub record: Record,
}

/// Why no response of the application can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It could not be reached, or broke off before it answered.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// The request's body was larger than the route takes.
    BodyTooLarge,
    /// The request's body broke its framing, or did not come.
    BodyBroken,
    /// The gate has no room.
    Overloaded,
    /// The gate failed.
    Internal,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_PALISADE_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-palisade-csrf-token");

// === impl Admitted ===

impl Admitted {
    pub(crate) fn new(mut exchange: Exchange) -> Admitted {
        let documents = exchange.route().is_some_and(|plan| plan.route.csp == CspProfile::Auto);
        exchange.asks.document &= documents;
        Admitted { exchange: Box::new(exchange) }
    }

    /// Shapes the head for the application: strips what a client may not say, and says what the gate has found.
    ///
    /// Adds `X-Forwarded-*` and `X-Request-Id` afresh, the verified caller, and [`crate::Vouched`]; on document navigations also the nonce policy and a CSRF token
    /// for forms that the application renders.
    pub fn forward(&mut self, head: &mut request::Parts, env: &Env<'_>) -> BodyPlan {
        let exchange = &mut self.exchange;
        let upgrade = exchange.asks.upgrade.then(|| head.headers.get(header::UPGRADE).cloned()).flatten();
        let told = exchange.vouched.is_some().then(|| outer(&head.headers));
        headers::strip_request(&mut head.headers);
        if exchange.asks.holds(Asks::OURS) {
            cookie::strip(&mut head.headers);
        }
        if let Some(told) = told {
            head.headers.extend(told);
        }
        login::forward(exchange, &mut head.headers);
        if let Some(upgrade) = upgrade {
            head.headers.insert(header::UPGRADE, upgrade);
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if exchange.asks.holds(Asks::ACTION) && head.method != http::Method::POST {
            head.headers.remove(NEXT_ACTION);
        }
        forwarded(exchange, head);
        identify(exchange, &mut head.headers);
        // Behind a guard inside the app there is only the app, which might echo it.
        if !exchange.plan.inside {
            vouched::sign(exchange, &mut head.headers, env);
        }
        if exchange.vouched.is_some() {
            // The gate before this one gave the document its token and its nonce, and finishes the answer.
        } else if exchange.asks.document {
            document(exchange, &mut head.headers, env);
        } else if is_page_post(exchange) {
            nonce(exchange, &mut head.headers, env);
        }
        let route = exchange.route().map(|plan| (plan.route.body, plan.route.trailers));
        let (cap, trailers) = route.unwrap_or_default();
        BodyPlan { client: exchange.address, cap, trailers }
    }

    /// The verified caller, where the route looks at one.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.exchange.identity.as_ref()
    }

    /// How long the application has for its response head.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.exchange.plan.policy.limits.upstream_timeout
    }

    /// What of the body must be read before the response can be judged, on a login route whose success a JSON pointer
    /// tells. Hand it to [`Admitted::read`] if that is all of it; the response is finished either way.
    #[must_use]
    pub fn wants(&self, head: &response::Parts) -> Option<Collect> {
        login::wants(&self.exchange, head)
    }

    /// Takes note of a response's whole body.
    pub fn read(&mut self, body: &Bytes) {
        login::read(&mut self.exchange, body);
    }

    /// Shapes the application's response for the client.
    pub fn finish(mut self, head: &mut response::Parts, env: &Env<'_>) -> Finish {
        self.exchange.gathered = None;
        login::settle(&mut self.exchange, Some(head), true, env);
        let failed = head.status.is_server_error();
        let settle = self.settle(head.status.is_success());
        let masked = finish::upstream(&mut self.exchange, head, env);
        let body = match masked {
            None => BodyFate::Keep,
            Some(Text { content_type, body }) => {
                if failed {
                    self.exchange.tag(Tag::ErrorMasked);
                }
                head.headers.insert(header::CONTENT_TYPE, content_type);
                BodyFate::Replace(body)
            }
        };
        if let Some(cookie) = login::remember(&self.exchange, env) {
            finish::set_cookie(&mut head.headers, cookie);
        }
        let status = head.status.as_u16();
        let code = failed.then(|| finish::fault_code(head.status));
        Finish { body, settle, record: self.record(code, status, env) }
    }

    /// Answers in place of the application.
    #[must_use]
    pub fn fail(mut self, fault: Fault, env: &Env<'_>) -> (response::Parts, Bytes, Record, Option<Settle>) {
        // A body that broke off is the client's doing, and the application may have judged what it got of it.
        let fair = !matches!(fault, Fault::BodyTooLarge | Fault::BodyBroken);
        login::settle(&mut self.exchange, None, fair, env);
        let settle = self.settle(false);
        let code = fault.code();
        let (head, body) = answer::fault(&self.exchange, code);
        let status = head.status.as_u16();
        (head, body, self.record(Some(code), status, env), settle)
    }

    /// How a reserved message ends, and gives back the room its body took; or what is owed for an attempt to sign in.
    fn settle(&mut self, accepted: bool) -> Option<Settle> {
        let Some(message) = self.exchange.message.take().filter(|message| message.held) else {
            return login::owed(&mut self.exchange);
        };
        Some(if accepted { Settle::Confirm(message.reserve) } else { Settle::Release(message.reserve) })
    }

    fn record(self, code: Option<Code>, status: u16, env: &Env<'_>) -> Record {
        let would = self.exchange.would;
        Record {
            decision: if would.is_some() { Decision::WouldRefuse } else { Decision::Admit },
            stage: would.map(|(stage, _)| stage),
            code: would.map(|(_, code)| code).or(code),
            status,
            finished: env.now,
            quiet: false,
            fields: record::fields(&self.exchange),
            exchange: self.exchange,
        }
    }
}

/// What a gate before this process has given a document.
fn outer(headers: &HeaderMap) -> HeaderMap {
    let names = [header::CONTENT_SECURITY_POLICY, X_PALISADE_CSRF_TOKEN];
    names.into_iter().filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect()
}

fn forwarded(exchange: &Exchange, head: &mut request::Parts) {
    let https = exchange.origin().is_none_or(|origin| origin.https);
    let proto = HeaderValue::from_static(if https { "https" } else { "http" });
    if let Some(address) = Written::<45>::new().address(exchange.address).header() {
        head.headers.insert(X_FORWARDED_FOR, address);
    }
    if let Some(host) = exchange.plan.authorities.get(usize::from(exchange.host)) {
        if !exchange.asks.holds(Asks::HOST) {
            head.headers.insert(header::HOST, host.clone());
        }
        head.headers.insert(X_FORWARDED_HOST, host.clone());
    }
    head.headers.insert(X_FORWARDED_PROTO, proto);
    head.headers.insert(X_REQUEST_ID, exchange.id.header());
}

/// Who asks: `X-Palisade-User` (the subject), `-Session`, `-Org`, `-Role`, `-Permissions`, `-Plans`, `-Features` (lists
/// joined by commas) and `-Actor` (who acts in the user's name). Without a verified caller there is none of them.
fn identify(exchange: &Exchange, headers: &mut HeaderMap) {
    for (name, value) in exchange.identity.iter().flat_map(Identity::headers) {
        headers.insert(name, value.clone());
    }
}

/// A form sent to a page by navigation: the answer is that page again, with its scripts.
fn is_page_post(exchange: &Exchange) -> bool {
    exchange.asks.navigates
        && exchange.method == http::Method::POST
        && exchange.route().is_some_and(|plan| plan.route.csp == CspProfile::Auto)
}

/// Gives the application a nonce, in the header where frameworks look for it.
fn nonce(exchange: &mut Exchange, headers: &mut HeaderMap, env: &Env<'_>) {
    let mut nonce = [0; NONCE_CHARS];
    if STANDARD_NO_PAD.encode_slice(env.random::<16>(), &mut nonce) != Ok(NONCE_CHARS) {
        return;
    }
    exchange.nonce = Some(nonce);
    if let Some(nonce) = exchange.nonce() {
        let csp = exchange.plan.csp.page(nonce);
        headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    }
}

fn document(exchange: &mut Exchange, headers: &mut HeaderMap, env: &Env<'_>) {
    headers::strip_conditional(headers);
    nonce(exchange, headers, env);
    let session = exchange.renew_session(env);
    exchange.tag(Tag::CsrfTokenIssued);
    let token = Token::mint(&session, exchange.binding(), &exchange.plan.keys, env);
    if let Ok(token) = HeaderValue::from_str(&token) {
        headers.insert(X_PALISADE_CSRF_TOKEN, token);
    }
}

// === impl Fault ===

impl Fault {
    const fn code(self) -> Code {
        match self {
            Fault::Unreachable => Code::UpstreamUnreachable,
            Fault::Timeout => Code::UpstreamTimeout,
            Fault::BodyTooLarge => Code::BodyTooLarge,
            Fault::BodyBroken => Code::BodyMalformed,
            Fault::Overloaded => Code::Overloaded,
            Fault::Internal => Code::Internal,
        }
    }
}

impl From<std::convert::Infallible> for Fault {
    fn from(never: std::convert::Infallible) -> Fault {
        match never {}
    }
}
