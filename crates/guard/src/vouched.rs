//! `X-Palisade-Admitted`: the gate's word to the application that this very request passed it.
//!
//! `v1.EXPIRY.STAGES.MAC`: the second until which it is good, the stages that passed as hexadecimal bits in
//! [`palisade_event::ORDER`], and an HMAC over both with request id, method, target, host and subject, under a key of
//! its own derived from `SESSION_SECRET`. Good for 30 seconds and for one request id; whoever reads it must hold that
//! secret.
//!
//! Not done: the guard inside an app does not yet skip by itself what the word covers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::HeaderName;
use palisade_event::{ORDER, Stage};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::identity::Identity;
use crate::plan::Plan;
use crate::view::View;
use crate::written::Written;

/// What a gate before this process vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    subject: Option<String>,
    stages: u16,
}

const X_PALISADE_ADMITTED: HeaderName = HeaderName::from_static("x-palisade-admitted");
/// How long a request may take to reach the application, in seconds.
const LIFE: u64 = 30;
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
}

impl Plan {
    /// Reads the word of a gate before this process: genuine, of this very request, and not too old.
    #[must_use]
    pub fn vouched(&self, view: &View<'_>, env: &Env<'_>) -> Option<Vouched> {
        let line = one(view.headers, "x-palisade-admitted")??;
        let (signed, mac) = line.rsplit_once('.')?;
        let (expiry, stages) = signed.strip_prefix("v1.")?.split_once('.')?;
        let (expiry, stages) = (expiry.parse().ok()?, u16::from_str_radix(stages, 16).ok()?);
        let now = env.now.wall.seconds();
        let subject = one(view.headers, "x-palisade-user")?;
        let fields = Fields {
            id: one(view.headers, "x-request-id")??,
            method: view.method.as_str(),
            target: view.uri.path_and_query()?.as_str(),
            host: one(view.headers, "x-forwarded-host")??,
            subject: subject.unwrap_or_default(),
            signed,
        };
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let genuine = mac.len() == 32 && fields.with(|parts| self.keys.admitted.verify(parts, &mac));
        let alive = (now..=now + LIFE + 1).contains(&expiry);
        (genuine && alive).then(|| Vouched { subject: subject.map(str::to_owned), stages })
    }
}

/// What the MAC covers.
struct Fields<'a> {
    id: &'a str,
    method: &'a str,
    target: &'a str,
    host: &'a str,
    subject: &'a str,
    signed: &'a str,
}

impl Fields<'_> {
    /// Each field after its length, so that no two requests spell the same bytes.
    fn with<T>(&self, work: impl FnOnce(&[&[u8]]) -> T) -> T {
        let Fields { id, method, target, host, subject, signed } = self;
        let texts = [id, method, target, host, subject, signed].map(|text| text.as_bytes());
        // A head is never as long as 4 GiB; a shorter length saves a block of the hash.
        let lengths = texts.map(|text| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        let [a, b, c, d, e, f] = texts;
        let [la, lb, lc, ld, le, lf] = &lengths;
        work(&[la, a, lb, b, lc, c, ld, d, le, e, lf, f])
    }
}

/// Vouches for an admitted request.
pub(crate) fn sign(exchange: &Exchange, headers: &mut HeaderMap, env: &Env<'_>) {
    // In observe mode a stage may have objected; what came after it saw a request that should not have been there.
    let objected = exchange.would.map(|(stage, _)| stage);
    let passed = ORDER.into_iter().take_while(|stage| Some(*stage) != objected);
    let stages = passed.fold(0, |bits, stage| bits | bit(stage));
    let expiry = env.now.wall.seconds() + LIFE;
    let signed = Written::<80>::new().text("v1.").decimal(expiry).text(".").hexadecimal(stages.into());
    let fields = Fields {
        id: exchange.id.as_str(),
        method: exchange.method.as_str(),
        target: exchange.target.as_str(),
        host: exchange.origin().map_or("", |origin| &origin.authority),
        subject: exchange.identity.as_ref().map_or("", Identity::subject),
        signed: signed.as_str(),
    };
    let mac = fields.with(|parts| exchange.plan.keys.admitted.sign(parts));
    let mut text = [0; MAC_CHARS];
    let written = URL_SAFE_NO_PAD.encode_slice(mac, &mut text).ok().and_then(|_| std::str::from_utf8(&text).ok());
    if let Some(value) = written.and_then(|mac| signed.text(".").text(mac).header()) {
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
