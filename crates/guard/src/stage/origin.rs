//! Where a request comes from: fetch metadata and Origin, as Go's `CrossOriginProtection` reads them, and stricter.
//!
//! Stricter in that the scheme counts, that the two headers may not contradict each other, and that a request with a
//! cookie and neither header proves nothing and needs a token. Also decided here: WebSocket handshakes, which no
//! preflight guards, and OPTIONS, which the gate answers.

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Version};
use palisade_event::{Code, Kind, Stage};
use palisade_policy::{Cors, CsrfStrength, IdentityNeed, Methods};

use crate::answer::Say;
use crate::exchange::{Asks, CsrfState, Exchange};
use crate::identity::is_bearer;
use crate::step::{Denial, Flow};
use crate::view::{BodyHint, View};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the headers prove about a request's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provenance {
    /// It comes from this very origin, or from one the policy trusts.
    Ours,
    /// It says nothing of its origin.
    Silent,
    /// A person typed it or opened a bookmark.
    Typed,
    /// It comes from elsewhere, or contradicts itself.
    Foreign,
    /// A header came twice, or is unreadable.
    Malformed,
}

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>) -> Flow {
    cors(exchange, view.headers);
    if *view.method == Method::OPTIONS {
        return options(exchange, view);
    }
    let provenance =
        if exchange.asks.holds(Asks::PLACED) { provenance(exchange, view.headers) } else { Provenance::Silent };
    if provenance == Provenance::Malformed {
        return Flow::refuse(Stage::Origin, Code::HeaderMalformed);
    }
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Origin, Code::Internal) };
    if plan.own {
        // A token is for pages of this origin alone, though another site could not read it.
        return if exchange.asks.foreign || provenance == Provenance::Foreign { cross() } else { Flow::Pass };
    }
    let (strength, action) = (plan.route.csrf, plan.action);
    if plan.route.websocket && asks_upgrade(view.headers) {
        return upgrade(exchange, view, provenance);
    }
    if matches!(*view.method, Method::GET | Method::HEAD) || strength == CsrfStrength::None {
        return Flow::Pass;
    }
    let proven = match provenance {
        Provenance::Ours => true,
        // Browsers send Origin with every POST a page makes, so an action without one was not sent by a page.
        Provenance::Silent | Provenance::Typed if action => return cross(),
        Provenance::Silent => !exchange.asks.ambient,
        Provenance::Typed => false,
        Provenance::Foreign | Provenance::Malformed => return cross(),
    };
    if !proven {
        exchange.csrf = CsrfState::Needed;
    } else if strength == CsrfStrength::Token {
        exchange.csrf = if bearer(exchange, view.headers) { CsrfState::Bearer } else { CsrfState::Needed };
    }
    Flow::Pass
}

/// Whether no token is wanted if the identity is then verified: the caller shows a bearer token and nothing that a
/// browser would add by itself. Whoever signs in, or fills in a public form, has no identity to show.
fn bearer(exchange: &Exchange, headers: &HeaderMap) -> bool {
    let Some(plan) = exchange.route() else { return false };
    let wanted = plan.route.identity == IdentityNeed::Required;
    let open = matches!(plan.route.kind, Kind::Login | Kind::PublicForm);
    wanted && !open && !exchange.asks.cookies && exchange.plan.issuer.is_some() && is_bearer(headers)
}

fn provenance(exchange: &Exchange, headers: &HeaderMap) -> Provenance {
    let origin = if exchange.asks.holds(Asks::ORIGIN) { single(headers, &header::ORIGIN) } else { Ok(None) };
    let (Ok(site), Ok(origin)) = (single(headers, &SEC_FETCH_SITE), origin) else {
        return Provenance::Malformed;
    };
    let ours = |origin: &str| exchange.origin().is_some_and(|host| host.matches(origin));
    let trusted = |origin: &str| exchange.plan.policy.csrf.trusted_origins.iter().any(|known| known.matches(origin));
    match (site, origin) {
        (None, None) => Provenance::Silent,
        (None, Some(origin)) if ours(origin) || trusted(origin) => Provenance::Ours,
        (Some("same-origin"), None) => Provenance::Ours,
        (Some("same-origin" | "none"), Some(origin)) if ours(origin) => Provenance::Ours,
        (Some("cross-site" | "same-site"), Some(origin)) if trusted(origin) => Provenance::Ours,
        (Some("none"), None) => Provenance::Typed,
        _ => Provenance::Foreign,
    }
}

/// The value of a header that may come once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next().map(|line| line.to_str()).transpose().map_err(|_| ())?;
    if lines.next().is_some() { Err(()) } else { Ok(value) }
}

fn cross() -> Flow {
    Flow::refuse(Stage::Origin, Code::CsrfCrossOrigin)
}

/// Remembers which configured origin may read the answer.
fn cors(exchange: &mut Exchange, headers: &HeaderMap) {
    let Some(cors) = &exchange.plan.policy.cors else { return };
    let Ok(Some(origin)) = single(headers, &header::ORIGIN) else { return };
    let index = cors.origins.iter().position(|known| known.matches(origin));
    exchange.cors = index.and_then(|index| u16::try_from(index).ok());
}

fn options(exchange: &Exchange, view: &View<'_>) -> Flow {
    let policy = &exchange.plan.policy;
    let own = exchange.route().is_some_and(|plan| plan.own);
    let allow = if own { Methods::READ } else { policy.allowed(view.uri.path()) };
    let granted = policy.cors.as_ref().filter(|cors| !own && exchange.cors.is_some() && grants(cors, view.headers));
    if granted.is_some() { Flow::Say(Say::Preflight) } else { Flow::Say(Say::Options(allow)) }
}

/// Whether a preflight (Fetch standard, "CORS-preflight fetch") asks for nothing beyond `[cors]`.
fn grants(cors: &Cors, headers: &HeaderMap) -> bool {
    let Ok(Some(method)) = single(headers, &header::ACCESS_CONTROL_REQUEST_METHOD) else { return false };
    let Ok(wanted) = single(headers, &header::ACCESS_CONTROL_REQUEST_HEADERS) else { return false };
    let known = |name: &str| cors.headers.iter().any(|known| known.eq_ignore_ascii_case(name));
    let safelisted = matches!(method, "GET" | "HEAD" | "POST");
    (safelisted || cors.methods.iter().any(|known| known == method))
        && wanted.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()).all(known)
}

fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

/// A WebSocket handshake (RFC 6455 section 4.1). Cookies ride along from any site, so only our own origin may open one.
fn upgrade(exchange: &mut Exchange, view: &View<'_>, provenance: Provenance) -> Flow {
    let is = |name: HeaderName, value: &str| {
        single(view.headers, &name).is_ok_and(|line| line.is_some_and(|line| line.eq_ignore_ascii_case(value)))
    };
    let handshake = *view.method == Method::GET
        && view.version == Version::HTTP_11
        && view.body == BodyHint::Empty
        && is(header::UPGRADE, "websocket")
        && is(header::SEC_WEBSOCKET_VERSION, "13")
        && single(view.headers, &header::SEC_WEBSOCKET_KEY).is_ok_and(|key| key.is_some_and(|key| key.len() == 24));
    if !handshake {
        return Flow::Refuse(Denial::new(Stage::Origin, Code::HeaderMalformed));
    }
    // A trusted origin may send forms; a socket is a door for reading too.
    let opener = single(view.headers, &header::ORIGIN).ok().flatten();
    let ours = opener.is_some_and(|opener| exchange.origin().is_some_and(|host| host.matches(opener)));
    if provenance != Provenance::Ours || !ours {
        return cross();
    }
    exchange.asks.upgrade = true;
    Flow::Pass
}
