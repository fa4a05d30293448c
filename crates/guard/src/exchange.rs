//! What the stages learn of one request. Each stage fills in its part; `finish` and the event read it.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use palisade_event::{ClientKey, Code, Stage, Tag};
use palisade_policy::{Mode, Origin};

use crate::client;
use crate::cookie;
use crate::csp::NONCE_CHARS;
use crate::env::{Env, Now};
use crate::id::RequestId;
use crate::identity::Identity;
use crate::limiter::Charge;
use crate::login::{Folds, Login};
use crate::plan::{Plan, RoutePlan};
use crate::report::Reported;
use crate::run;
use crate::schema::Violation;
use crate::stage::{NEXT_ACTION, Sharing};
use crate::state::Reserved;
use crate::step::{Claimed, Collected};
use crate::token::{Session, Token};
use crate::view::View;
use crate::vouched::Vouched;
use crate::webhook::Message;

/// One request and its answer. Kept small: it moves with the request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) plan: Arc<Plan>,
    pub(crate) started: Now,
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    pub(crate) agent: Option<HeaderValue>,
    pub(crate) id: RequestId,
    pub(crate) address: IpAddr,
    pub(crate) client: ClientKey,
    /// The run of probes that it belongs to.
    pub(crate) run: Option<u64>,
    pub(crate) route: Option<u16>,
    pub(crate) host: u16,
    pub(crate) charge: Option<Charge>,
    pub(crate) csrf: CsrfState,
    pub(crate) session: Option<Session>,
    pub(crate) nonce: Option<[u8; NONCE_CHARS]>,
    pub(crate) would: Option<(Stage, Code)>,
    pub(crate) reserved: Option<Box<Reserved>>,
    pub(crate) gathered: Option<Box<Gathered>>,
    pub(crate) claimed: Option<Claimed>,
    pub(crate) message: Option<Box<Message>>,
    /// The verified caller.
    pub(crate) identity: Option<Identity>,
    /// The attempt to sign in.
    pub(crate) login: Option<Box<Login>>,
    /// What a gate before this process has done.
    pub(crate) vouched: Option<Box<Vouched>>,
    /// What the application said of the request, in its answer.
    pub(crate) reported: Option<Box<Reported>>,
    pub(crate) cors: Option<u16>,
    pub(crate) tags: u8,
    /// Bits of [`palisade_event::Signal`].
    pub(crate) signals: u8,
    /// What is wrong with the input, for the answer.
    #[expect(clippy::box_collection, reason = "an exchange stays small, and few have any")]
    pub(crate) violations: Option<Box<Vec<Violation>>>,
    pub(crate) asks: Asks,
    /// What it asked those who share the state; nothing where nothing is shared.
    pub(crate) sharing: Option<Box<Sharing>>,
}

/// What the CSRF stages have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CsrfState {
    /// No token is wanted.
    Unneeded,
    /// A token is wanted, and may come in the body.
    Needed,
    /// None is wanted if the bearer token, which no browser sends by itself, is then verified.
    Bearer,
    /// A genuine token came; it is spent last.
    Verified(Token),
    /// The token was spent; it was made for this identity.
    Spent([u8; 8]),
}

/// What was read of the body, for the stage that asked.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// The bytes, or why there are none.
    pub(crate) read: Result<Bytes, Code>,
    /// Whether they are the whole body.
    pub(crate) complete: bool,
    /// Their share of the memory budget, held until the response's head.
    pub(crate) reserved: Option<Box<Reserved>>,
    /// Letters that an account's name cannot be compared without, while they are asked for.
    pub(crate) letters: Vec<char>,
    /// What they are compared as, once that was asked.
    pub(crate) folds: Option<Folds>,
}

/// What a request's head says of the asker, as bits that many parts read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asks {
    /// A GET that loads a document: it may carry a nonce, a token, a session cookie.
    pub(crate) document: bool,
    /// A browser shows the answer to a person, whatever the method.
    pub(crate) navigates: bool,
    /// There is a Cookie header.
    pub(crate) cookies: bool,
    /// There are credentials that a browser attaches by itself: cookies, Basic, Digest, Negotiate.
    pub(crate) ambient: bool,
    /// A WebSocket handshake on a route that takes it.
    pub(crate) upgrade: bool,
    /// A document that is fetched ahead, to be shown later or never.
    pub(crate) prefetch: bool,
    /// Another site caused the request.
    pub(crate) foreign: bool,
    /// Bits of what its head holds: [`Asks::EXPLOIT`] and those after it. An exchange stays small.
    pub(crate) holds: u8,
    /// The session is new to the browser.
    pub(crate) fresh_session: bool,
    /// The request was charged to its subject.
    pub(crate) counted: bool,
    /// The issuer's keys were asked for, and are as new as they can be had.
    pub(crate) asked_keys: bool,
}

impl Exchange {
    pub(crate) fn begin(plan: Arc<Plan>, view: &View<'_>, env: &Env<'_>) -> Exchange {
        let (asks, agent) = Asks::of(view);
        let probed = asks.holds(Asks::RUN).then(|| run::of(view, &plan.keys.run, env.now.wall.seconds()));
        let client = client::client(&plan.policy.clients, view.peer, view.headers);
        Exchange {
            started: env.now,
            method: view.method.clone(),
            target: view.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            agent: agent.cloned(),
            id: RequestId::new(env),
            address: client.address,
            client: ClientKey::of(client.address),
            run: probed.flatten(),
            route: None,
            host: 0,
            charge: None,
            csrf: CsrfState::Unneeded,
            session: None,
            nonce: None,
            would: None,
            reserved: None,
            gathered: None,
            claimed: None,
            message: None,
            identity: None,
            login: None,
            vouched: None,
            reported: None,
            cors: None,
            signals: 0,
            violations: None,
            tags: if client.malformed { Tag::ForwardedMalformed.bit() } else { 0 },
            asks,
            sharing: None,
            plan,
        }
    }

    /// The route, once [`Stage::Target`] has found it; before that, the one that stands for undeclared paths.
    pub(crate) fn route(&self) -> Option<&RoutePlan> {
        let index = self.route.unwrap_or(self.plan.undeclared().0);
        self.plan.routes.get(usize::from(index))
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.plan.hosts.get(usize::from(self.host))
    }

    pub(crate) fn cookie_name(&self) -> &'static str {
        self.origin().map_or("__Host-palisade-sid", Plan::cookie_name)
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.route {
            Some(_) => self.route().map_or(Mode::Enforce, |plan| plan.route.mode),
            // The route is not known yet, and one that is enforced may be meant.
            None => self.plan.unrouted,
        }
    }

    pub(crate) fn tag(&mut self, tag: Tag) {
        self.tags |= tag.bit();
    }

    /// What tokens made now are bound to: a keyed digest of the verified session, zero for nobody.
    pub(crate) fn binding(&self) -> [u8; 8] {
        let digest = self.identity.as_ref().and_then(|identity| {
            let (kind, text) = identity.binding();
            self.plan.keys.identity.prefixes(&[&[kind], text]).next()
        });
        digest.unwrap_or_default()
    }

    /// Whether a digest is that of the verified session, under any secret that is still accepted; zero is nobody's.
    pub(crate) fn is_bound(&self, digest: [u8; 8]) -> bool {
        let Some(identity) = &self.identity else { return digest == [0; 8] };
        let (kind, text) = identity.binding();
        self.plan.keys.identity.prefixes(&[&[kind], text]).any(|own| own == digest)
    }

    /// The session that tokens made now belong to: the visitor's own, unless it is new, or somebody has signed in, or
    /// somebody else has. Then it is replaced, and what was made for the old one is worth nothing.
    pub(crate) fn renew_session(&mut self, env: &Env<'_>) -> Session {
        let kept = self.session.filter(|session| self.identity.is_none() || self.is_bound(session.identity));
        let session = kept.unwrap_or_else(|| {
            self.asks.fresh_session = true;
            Session { identity: self.binding(), ..Session::fresh(env) }
        });
        self.session = Some(session);
        session
    }

    pub(crate) fn nonce(&self) -> Option<&str> {
        self.nonce.as_ref().and_then(|nonce| std::str::from_utf8(nonce).ok())
    }
}

impl Gathered {
    pub(crate) fn of(exchange: &mut Exchange, collected: Collected) -> Gathered {
        let (read, complete) = match collected {
            Collected::Prefix { bytes, complete } => (Ok(bytes), complete),
            Collected::TooSlow | Collected::Broken => (Err(Code::BodyMalformed), false),
        };
        Gathered { read, complete, reserved: exchange.reserved.take(), letters: Vec::new(), folds: None }
    }
}

impl Asks {
    /// A header that only scanners of known holes send.
    pub(crate) const EXPLOIT: u8 = 1;
    /// Something that says where it comes from: `Origin` or `Sec-Fetch-Site`, once or more.
    pub(crate) const PLACED: u8 = 2;
    /// The name of a server action.
    pub(crate) const ACTION: u8 = 4;
    /// Something that says which run of probes it belongs to.
    pub(crate) const RUN: u8 = 8;
    /// `Origin`, once or more.
    pub(crate) const ORIGIN: u8 = 16;
    /// `Host`, once or more.
    pub(crate) const HOST: u8 = 32;
    /// A cookie whose name may be one of the gate's.
    pub(crate) const OURS: u8 = 64;

    pub(crate) fn holds(&self, bit: u8) -> bool {
        self.holds & bit != 0
    }

    /// One pass over the head: looking each name up would hash it again and again. With it comes the first `User-Agent`.
    fn of<'a>(view: &View<'a>) -> (Asks, Option<&'a HeaderValue>) {
        let (mut dest, mut mode, mut site, mut accept, mut agent) = (None, None, None, None, None);
        let mut partial = false;
        let mut asks = Asks::default();
        for (name, value) in view.headers {
            match name.as_str() {
                "host" => asks.holds |= Asks::HOST,
                "user-agent" => agent = agent.or(Some(value)),
                "cookie" => {
                    asks.cookies = true;
                    asks.ambient = true;
                    if !asks.holds(Asks::OURS) && cookie::may_hold_ours(value.as_bytes()) {
                        asks.holds |= Asks::OURS;
                    }
                }
                "authorization" => asks.ambient |= !value.as_bytes().starts_with(b"Bearer "),
                "accept" => accept = Some(value),
                "x-middleware-subrequest" => asks.holds |= Asks::EXPLOIT,
                "sec-fetch-dest" => dest = Some(value.as_bytes()),
                "sec-fetch-mode" => mode = Some(value.as_bytes()),
                "sec-fetch-site" => {
                    site = Some(value.as_bytes());
                    asks.holds |= Asks::PLACED;
                }
                "origin" => asks.holds |= Asks::PLACED | Asks::ORIGIN,
                run::X_PALISADE_RUN => asks.holds |= Asks::RUN,
                NEXT_ACTION => asks.holds |= Asks::ACTION,
                // React Server Component requests ask for a part of a page, not for a document.
                "rsc" | "next-router-prefetch" | "next-router-segment-prefetch" => partial = true,
                "purpose" | "sec-purpose" | "x-moz" => asks.prefetch = true,
                _ => {}
            }
        }
        let silent = site.is_none() && mode.is_none() && dest.is_none();
        let wants_html = silent && accept.is_some_and(names_html);
        let loads = matches!(dest, Some(b"document" | b"iframe" | b"frame")) || wants_html;
        asks.document = loads && *view.method == Method::GET && !partial && !asks.prefetch;
        asks.prefetch &= loads && !partial;
        asks.navigates = mode == Some(b"navigate") || wants_html;
        asks.foreign = matches!(site, Some(b"cross-site" | b"same-site"));
        (asks, agent)
    }
}

fn names_html(accept: &HeaderValue) -> bool {
    let types = accept.to_str().unwrap_or_default().split(',');
    types
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .any(|kind| kind.eq_ignore_ascii_case("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_stays_small() {
        assert!(std::mem::size_of::<Exchange>() <= 416, "{}", std::mem::size_of::<Exchange>());
    }
}
