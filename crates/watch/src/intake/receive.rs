use std::fmt;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use palisade_event::json::elements;
use palisade_event::{BadLine, ClientKey, EventTime, Seen, decode_received};
use palisade_guard::{Limiter, MonoMicros, Seed};
use palisade_policy::Limit;

use super::signature::{self, Svix};
use crate::lines::{Enrich, Format, Reader, clerk};
use crate::recent::Recent;

/// Takes reports: decides whose they are, and makes events of them. Knows no socket and no clock.
pub struct Intake {
    secrets: Secrets,
    clerk_keys: Vec<Vec<u8>>,
    enrich: Enrich,
    limiter: Limiter,
    recent: Mutex<Recent>,
    vercel: Mutex<Reader>,
    sink: Box<dyn Sink>,
}

/// What senders prove themselves by. What is missing here, nobody can send.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Of Vercel's log drains.
    pub vercel: Vec<String>,
    /// What Vercel shows when a drain is set up; sent as `x-vercel-verify`. No secret.
    pub vercel_verify: Option<String>,
    /// Of Clerk's webhooks: `whsec_...`.
    pub clerk: Vec<String>,
    /// `PALISADE_INTAKE_TOKEN`, at least 32 characters.
    pub token: Option<String>,
}

/// Why secrets cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadSecret {
    /// The token is shorter than 32 characters.
    ShortToken,
    /// A secret of Clerk's is not `whsec_` and at least 24 bytes in base 64.
    NotClerks,
    /// A secret of Vercel's is shorter than 16 characters.
    ShortVercel,
}

/// Takes events on. Called from the listener's threads: it must not wait.
pub trait Sink: Send + Sync {
    /// Takes a report's events, all or none.
    ///
    /// # Errors
    ///
    /// If there is no room for them now; the sender is asked to try again.
    fn take(&self, events: Vec<Seen<'static>>) -> Result<(), Full>;
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What a report came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Events that were taken on.
    pub events: u64,
    /// Entries that could not be read.
    pub skipped: u64,
    /// Entries that are not about requests: a drain has many.
    pub unrelated: u64,
    /// Copies of what had come before.
    pub copies: u64,
}

/// What the sender is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 204.
    Taken(Told),
    /// 200: the address is right. For the check that Vercel makes.
    Here,
    /// Refused, and why in a word.
    Refused(StatusCode, &'static str),
}

/// Whose report it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Vercel,
    Clerk,
    Events,
}

/// Peers that are counted at once.
const PEERS: u32 = 4096;
/// Reports of a peer.
const PER_PEER: Limit = Limit { count: 600, window: Duration::from_secs(60) };
/// Ids of reports that are remembered.
const MAX_RECENT: usize = 65_536;
/// The least a token has, in characters.
const MIN_TOKEN: usize = 32;

// === impl Intake ===

impl Intake {
    /// An intake that hands what it takes to `sink`. `seed` is random, so that nobody chooses which peers share a count.
    ///
    /// # Errors
    ///
    /// If a secret is too weak to be one.
    pub fn new(
        secrets: Secrets,
        enrich: Enrich,
        seed: [u8; 16],
        sink: impl Sink + 'static,
    ) -> Result<Intake, BadSecret> {
        if secrets.token.as_ref().is_some_and(|token| token.len() < MIN_TOKEN) {
            return Err(BadSecret::ShortToken);
        }
        if secrets.vercel.iter().any(|secret| secret.len() < 16) {
            return Err(BadSecret::ShortVercel);
        }
        let keys = secrets.clerk.iter().map(|secret| signature::svix_key(secret).ok_or(BadSecret::NotClerks));
        let clerk_keys = keys.collect::<Result<_, _>>()?;
        let vercel = Mutex::new(Reader::new(Format::Vercel, enrich.clone()));
        let limiter = Limiter::new(PER_PEER, PEERS, Seed::new(seed));
        let recent = Mutex::new(Recent::new(MAX_RECENT));
        Ok(Intake { secrets, clerk_keys, enrich, limiter, recent, vercel, sink: Box::new(sink) })
    }

    /// Judges a report by its head, before a byte of its body is read: where it goes, and how long it may be.
    pub(super) fn admit(&self, head: &Parts, peer: IpAddr, mono: MonoMicros) -> Result<(Endpoint, u64), Reply> {
        if !self.limiter.charge(0, ClientKey::of(peer).bits(), 1, mono).allowed {
            return Err(Reply::Refused(StatusCode::TOO_MANY_REQUESTS, "too many reports"));
        }
        let (endpoint, cap) = match head.uri.path() {
            "/intake/vercel" => (Endpoint::Vercel, 4 << 20),
            "/intake/clerk" => (Endpoint::Clerk, 256 << 10),
            "/intake/events" => (Endpoint::Events, 1 << 20),
            _ => return Err(Reply::Refused(StatusCode::NOT_FOUND, "not found")),
        };
        if endpoint == Endpoint::Vercel && head.method == Method::GET && self.secrets.vercel_verify.is_some() {
            return Err(Reply::Here);
        }
        if head.method != Method::POST {
            return Err(Reply::Refused(StatusCode::METHOD_NOT_ALLOWED, "send a POST"));
        }
        let signed = match endpoint {
            Endpoint::Vercel => !self.secrets.vercel.is_empty() && text(&head.headers, "x-vercel-signature").is_some(),
            Endpoint::Clerk => !self.clerk_keys.is_empty() && text(&head.headers, "svix-signature").is_some(),
            Endpoint::Events => false,
        };
        if !signed && !self.has_token(&head.headers) {
            return Err(UNKNOWN);
        }
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Reply::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send it uncompressed"));
        }
        let length = text(&head.headers, "content-length").and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > cap) {
            return Err(Reply::Refused(StatusCode::PAYLOAD_TOO_LARGE, "too long"));
        }
        Ok((endpoint, cap))
    }

    /// Takes a report whose body has been read.
    pub(super) fn take(&self, endpoint: Endpoint, headers: &HeaderMap, body: &[u8], now: EventTime) -> Reply {
        let known = match endpoint {
            Endpoint::Vercel => text(headers, "x-vercel-signature").is_some_and(|signature| {
                self.secrets.vercel.iter().any(|secret| signature::vercel(secret, signature, body))
            }),
            Endpoint::Clerk => self.is_clerks(headers, body, now),
            Endpoint::Events => false,
        };
        if !known && !self.has_token(headers) {
            return UNKNOWN;
        }
        let mut report = Report::default();
        match endpoint {
            Endpoint::Vercel => self.drain(body, now, &mut report),
            Endpoint::Clerk => report.take(clerk(body), now, text(headers, "svix-id")),
            Endpoint::Events => events(body, now, &mut report),
        }
        self.hand_over(report)
    }

    fn drain(&self, body: &[u8], now: EventTime, report: &mut Report) {
        let Ok(mut reader) = self.vercel.lock() else { return };
        let whole = body.trim_ascii_start().starts_with(b"[");
        for line in body.split(|byte| *byte == b'\n' && !whole) {
            reader.read(line, |read| report.take(read, now, None));
        }
    }

    /// Leaves out copies, completes what is left, and hands it on. If there is no room, the ids are forgotten again: the
    /// sender will come back with them.
    fn hand_over(&self, report: Report) -> Reply {
        let Report { mut events, mut told } = report;
        let Ok(mut recent) = self.recent.lock() else {
            return Reply::Refused(StatusCode::SERVICE_UNAVAILABLE, "try again");
        };
        let before = events.len();
        events.retain(|seen| seen.id.as_deref().is_none_or(|id| recent.first(id)));
        told.copies = (before - events.len()) as u64;
        told.events = events.len() as u64;
        for seen in &mut events {
            self.enrich.settle(seen);
        }
        let names: Vec<_> = events.iter().map(|seen| (seen.id.clone(), seen.request_id.clone())).collect();
        if !events.is_empty() && self.sink.take(events).is_err() {
            for (id, request) in &names {
                id.iter().for_each(|id| recent.forget(id));
                if let (Some(request), Ok(mut vercel)) = (request, self.vercel.lock()) {
                    vercel.forget(request);
                }
            }
            return Reply::Refused(StatusCode::SERVICE_UNAVAILABLE, "no room now; try again");
        }
        if told.events + told.copies + told.unrelated == 0 && told.skipped > 0 {
            return Reply::Refused(StatusCode::BAD_REQUEST, "no event in it");
        }
        Reply::Taken(told)
    }

    fn is_clerks(&self, headers: &HeaderMap, body: &[u8], now: EventTime) -> bool {
        let parts = (text(headers, "svix-id"), text(headers, "svix-timestamp"), text(headers, "svix-signature"));
        let (Some(id), Some(timestamp), Some(signatures)) = parts else { return false };
        let svix = Svix { id, timestamp, signatures };
        self.clerk_keys.iter().any(|key| svix.holds(key, body, now.micros() / 1_000_000))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let sent = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        match (&self.secrets.token, sent) {
            (Some(token), Some(sent)) => signature::same(token, sent),
            _ => false,
        }
    }

    /// What every answer on Vercel's path says, so that Vercel believes that it is ours.
    pub(super) fn verify(&self, path: &str) -> Option<&str> {
        self.secrets.vercel_verify.as_deref().filter(|_| path == "/intake/vercel")
    }
}

/// What is becoming of a report.
#[derive(Default)]
struct Report {
    events: Vec<Seen<'static>>,
    told: Told,
}

// === impl Report ===

impl Report {
    /// Takes an entry. A time ahead of ours becomes ours.
    fn take(&mut self, read: Result<Seen<'_>, BadLine>, now: EventTime, id: Option<&str>) {
        match read {
            Ok(seen) => {
                let mut seen = seen.into_owned();
                seen.time = seen.time.min(now);
                if let Some(id) = id {
                    seen.id = Some(id.to_owned().into());
                }
                self.events.push(seen);
            }
            Err(BadLine::Empty) => {}
            Err(BadLine::Unrelated) => self.told.unrelated += 1,
            Err(_) => self.told.skipped += 1,
        }
    }
}

/// An application's report: an object, an array of them, or a line for each.
fn events(body: &[u8], now: EventTime, report: &mut Report) {
    let body = body.trim_ascii();
    if body.starts_with(b"[") {
        if elements(body, |element| report.take(decode_received(element, now), now, None)).is_err() {
            report.told.skipped += 1;
        }
        return;
    }
    match decode_received(body, now) {
        Ok(seen) => report.take(Ok(seen), now, None),
        Err(_) => {
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                report.take(decode_received(line, now), now, None);
            }
        }
    }
}

const UNKNOWN: Reply = Reply::Refused(StatusCode::UNAUTHORIZED, "not signed, or not by a secret that is known");

/// A header that occurs once.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Intake(..)")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadSecret::ShortToken => {
                "PALISADE_INTAKE_TOKEN is shorter than 32 characters; `palisade secrets new` makes one"
            }
            BadSecret::NotClerks => "a webhook secret of Clerk's begins with whsec_; copy it from the endpoint's page",
            BadSecret::ShortVercel => "the secret of Vercel's drain is shorter than 16 characters",
        })
    }
}

impl std::error::Error for BadSecret {}
