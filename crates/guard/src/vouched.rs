//! `X-Palisade-Admitted`: the gate's word to the application that this very request passed it.
//!
//! `v1.EXPIRY.STAGES.RULES.MAC`: the second until which it is good, the stages that passed as hexadecimal bits in
//! [`palisade_event::ORDER`], what the route asked of the stages in [`RULED`] as a short hash each, and an HMAC over all
//! of it with request id, method, target, host and subject, under a key of its own derived from `SESSION_SECRET`. Good
//! for 30 seconds; whoever reads it must hold that secret.
//!
//! A guard inside the app ([`Plan::compile_inside`]) skips a stage that the word covers: it passed there, and the route
//! asks the same of it here. Nothing is then counted, spent or reserved twice. What it asks otherwise is done here in
//! full; a word that is old, forged, or another request's is none, and everything is done here. So it is behind a gate
//! that only observes: it forwards what it objects to.
//!
//! A guard that faces strangers heeds no such word, for an application may echo its own headers. Not done: a copy of a
//! request, word and all, passes again within the 30 seconds, for whoever can read what goes between gate and app.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::HeaderName;
use palisade_event::{ORDER, Stage};
use palisade_policy::{Access, Route, Success};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::identity::Identity;
use crate::plan::{Plan, RoutePlan, counted, scope_number};
use crate::view::View;
use crate::written::Written;

/// What a gate before this process vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    subject: Option<String>,
    stages: u16,
    rules: String,
}

/// The stages that count, spend or decide by more than the request's head.
const RULED: [Stage; 6] = [Stage::Rate, Stage::CsrfToken, Stage::Signature, Stage::Quota, Stage::Access, Stage::Claim];
/// Hexadecimal digits of a rule's hash.
const RULE_CHARS: usize = 8;

const X_PALISADE_ADMITTED: HeaderName = HeaderName::from_static("x-palisade-admitted");
/// How long a request may take to reach the application, in seconds.
const LIFE: u64 = 30;
/// The longest word: version, expiry, stages, rules, MAC, and the dots between them.
const SIGNED_CHARS: usize = 128;
/// What a MAC covers is seldom longer than that.
const SIGNED_ROOM: usize = 384;
/// A MAC of 32 bytes in base64url.
const MAC_CHARS: usize = 43;

// === impl Vouched ===

impl Vouched {
    /// The verified caller.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Whether the request passed that stage.
    #[must_use]
    pub fn passed(&self, stage: Stage) -> bool {
        self.stages & bit(stage) != 0
    }

    /// Whether the request passed that stage under the rule that `route` has for it.
    fn covers(&self, stage: Stage, route: &RoutePlan) -> bool {
        let Some(at) = RULED.into_iter().position(|ruled| ruled == stage) else { return false };
        let rule = |rules: &str| rules.get(at * RULE_CHARS..(at + 1) * RULE_CHARS).map(str::to_owned);
        self.passed(stage) && !route.own && rule(&self.rules).is_some_and(|told| rule(&route.rules) == Some(told))
    }
}

/// Reads the word of a gate before this process, where this guard stands behind one, and the request is the one it
/// speaks of by this guard's own reading too.
pub(crate) fn heed(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) {
    if !exchange.plan.inside || !view.headers.contains_key(X_PALISADE_ADMITTED) {
        return;
    }
    let host = one(view.headers, "x-forwarded-host").flatten();
    let ours = exchange.origin().is_some_and(|origin| host == Some(&origin.authority));
    let vouched = exchange.plan.vouched(view, env).filter(|_| ours);
    exchange.vouched = vouched.map(Box::new);
}

/// Whether a gate before this process has done what the stage would do.
pub(crate) fn covers(exchange: &Exchange, stage: Stage) -> bool {
    let Some(vouched) = &exchange.vouched else { return false };
    exchange.route().is_some_and(|route| vouched.covers(stage, route))
}

/// What a route asks of each stage in [`RULED`].
pub(crate) fn rules(plan: &RoutePlan, claims: &str) -> String {
    let Route { path, methods, kind, limit, cost, csrf, access, signature, success, identifier, mode, .. } =
        &plan.route;
    let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
    let csrf = csrf.id();
    let signature =
        signature.as_ref().map(|it| format!("{} {}", it.scheme.id(), texts(&it.secrets))).unwrap_or_default();
    let success = match success {
        None => String::new(),
        Some(Success::Status(status)) => format!("status {status}"),
        Some(Success::Location(path)) => format!("location {path}"),
        Some(Success::Pointer(pointer)) => format!("pointer {pointer}"),
    };
    let Access { role, permission, plan: plans, feature, owner } = access;
    let identifier = identifier.as_deref();
    let by_subject = plan.rate.as_ref().is_some_and(|rate| rate.crowd.is_some());
    let rules = RULED.map(|stage| match stage {
        Stage::Rate | Stage::Quota => format!("{kind} {methods} {path} {limit} {cost} {by_subject}"),
        Stage::Signature => format!("{kind} {signature}"),
        Stage::Access => {
            let lists = [role, permission, plans, feature].map(|list| texts(list)).concat();
            format!("{path} {lists} {} {claims}", counted(owner.as_deref()))
        }
        Stage::Claim => {
            format!("{kind} {methods} {path} {csrf} {} {}", counted([&*signature, &success]), counted(identifier))
        }
        _ => csrf.to_owned(),
    });
    rules.iter().map(|text| format!("{:08x}", scope_number(&format!("{} {text}", mode.id())))).collect()
}

fn texts(list: &[String]) -> String {
    format!("{} {}", list.len(), counted(list.iter().map(String::as_str)))
}

impl Plan {
    /// Reads the word of a gate before this process: genuine, of this very request, and not too old.
    #[must_use]
    pub fn vouched(&self, view: &View<'_>, env: &Env<'_>) -> Option<Vouched> {
        let line = one(view.headers, "x-palisade-admitted")??;
        let (signed, mac) = line.rsplit_once('.')?;
        let (expiry, rest) = signed.strip_prefix("v1.")?.split_once('.')?;
        let (stages, rules) = rest.split_once('.')?;
        let (expiry, stages) = (expiry.parse().ok()?, u16::from_str_radix(stages, 16).ok()?);
        let now = env.now.wall.seconds();
        let subject = one(view.headers, "x-palisade-user")?;
        let fields = Fields {
            id: one(view.headers, "x-request-id")??.as_bytes(),
            method: view.method.as_str(),
            target: view.uri.path_and_query()?.as_str(),
            host: one(view.headers, "x-forwarded-host")??,
            subject: subject.unwrap_or_default(),
            signed: signed.as_bytes(),
        };
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let genuine = mac.len() == 32 && fields.with(|parts| self.keys.admitted.verify(parts, &mac));
        let alive = (now..=now + LIFE + 1).contains(&expiry);
        (genuine && alive).then(|| Vouched { subject: subject.map(str::to_owned), stages, rules: rules.to_owned() })
    }
}

/// What the MAC covers.
struct Fields<'a> {
    id: &'a [u8],
    method: &'a str,
    target: &'a str,
    host: &'a str,
    subject: &'a str,
    signed: &'a [u8],
}

impl Fields<'_> {
    /// Each field after its length, so that no two requests spell the same bytes.
    fn with<T>(&self, work: impl FnOnce(&[&[u8]]) -> T) -> T {
        let Fields { id, method, target, host, subject, signed } = self;
        let texts = [id, method.as_bytes(), target.as_bytes(), host.as_bytes(), subject.as_bytes(), signed];
        // A head is never as long as 4 GiB; a shorter length saves a block of the hash.
        let lengths = texts.map(|text| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        // In one piece, where it is as short as most are: the MAC takes a piece at a time, and that is most of its work.
        let mut room = [0; SIGNED_ROOM];
        let mut at = 0;
        for part in lengths.iter().map(<[u8; 4]>::as_slice).zip(texts).flat_map(<[&[u8]; 2]>::from) {
            match room.get_mut(at..at + part.len()) {
                Some(place) => place.copy_from_slice(part),
                None => return work(&texts_after(&lengths, texts)),
            }
            at += part.len();
        }
        work(&[room.get(..at).unwrap_or_default()])
    }
}

/// Each text after its length.
fn texts_after<'t>(lengths: &'t [[u8; 4]; 6], [a, b, c, d, e, f]: [&'t [u8]; 6]) -> [&'t [u8]; 12] {
    let [la, lb, lc, ld, le, lf] = lengths;
    [la, a, lb, b, lc, c, ld, d, le, e, lf, f]
}

/// Vouches for an admitted request.
pub(crate) fn sign(exchange: &Exchange, headers: &mut HeaderMap, env: &Env<'_>) {
    // In observe mode a stage may have objected; what came after it saw a request that should not have been there.
    let objected = exchange.would.map(|(stage, _)| stage);
    let passed = ORDER.into_iter().take_while(|stage| Some(*stage) != objected);
    let stages = passed.fold(0, |bits, stage| bits | bit(stage));
    let rules = exchange.route().map_or("", |route| &route.rules);
    let expiry = env.now.wall.seconds() + LIFE;
    let mut word = Written::<SIGNED_CHARS>::new();
    word.text("v1.").decimal(expiry).text(".").hexadecimal(stages.into()).text(".").text(rules);
    let fields = Fields {
        id: exchange.id.as_bytes(),
        method: exchange.method.as_str(),
        target: exchange.target.as_str(),
        host: exchange.origin().map_or("", |origin| &origin.authority),
        subject: exchange.identity.as_ref().map_or("", Identity::subject),
        signed: word.as_bytes(),
    };
    let mac = fields.with(|parts| exchange.plan.keys.admitted.sign(parts));
    let mut text = [0; MAC_CHARS];
    if URL_SAFE_NO_PAD.encode_slice(mac, &mut text) != Ok(MAC_CHARS) {
        return;
    }
    if let Some(value) = word.text(".").bytes(&text).header() {
        headers.insert(X_PALISADE_ADMITTED, value);
    }
}

const fn bit(stage: Stage) -> u16 {
    1 << stage as u16
}

/// The one line of that name; `None` where there are several.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut lines = headers.get_all(name).iter();
    let first = match lines.next() {
        None => return Some(None),
        Some(line) => line.to_str().ok()?,
    };
    lines.next().is_none().then_some(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_does_not_depend_on_how_it_is_handed_over() {
        for length in (0..800).step_by(7) {
            let target = "x".repeat(length);
            let fields = Fields {
                id: b"1",
                method: "GET",
                target: &target,
                host: "shop.example",
                subject: "",
                signed: b"v1.1.7ff",
            };
            let texts = ["1", "GET", &target, "shop.example", "", "v1.1.7ff"];
            let expect: Vec<u8> = texts
                .iter()
                .flat_map(|text| {
                    [&u32::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat()
                })
                .collect();
            assert_eq!(fields.with(|parts| parts.concat()), expect, "{length}");
        }
    }
}
