//! Signed messages: what a provider's webhook carries, and whether it is genuine.
//!
//! The signature is checked over the raw bytes and the header strings as they were sent, before anything reads them as
//! JSON. Where the schemes' own libraries are lax this is strict: numbers are decimal digits and nothing else, time
//! counts in both directions, a header that comes twice is refused, an id has no `.`, a header lists at most eight
//! signatures, and a secret that is empty stops the start.
//!
//! A message is known by what its signature covers: Stripe's event `id` out of the body (the body's hash where there
//! is none), the id of Svix and Standard Webhooks, Slack's time and body, the body alone for GitHub and Vercel.
//!
//! What it does not do: GitHub and Vercel sign neither time nor headers, so a redelivery that somebody asks for by hand
//! cannot be told from a replay and is refused for as long as the first is remembered, and `X-GitHub-Event` and
//! `X-GitHub-Delivery` are the sender's word. Slack signs each retry anew without an id, so a retry after a lost answer
//! reaches the application again; its event id tells. A body that is compressed is checked and forwarded as it came:
//! no scheme signs `Content-Encoding`, and Stripe's event id is then not found. `x-vercel-verify` is the application's
//! answer to give.

mod head;
mod key;
mod stripe;

pub(crate) use head::Head;

use std::fmt;
use std::time::Duration;

use palisade_diag::Diagnostic;
use palisade_policy::{Route, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::env::{Env, WallMicros};
use crate::inbox::Reserve;
use crate::keys::{Secrets, SigningSecret};
use crate::state::Reserved;
use crate::webhook::key::Key;

/// The signature a route wants.
pub(crate) struct Signing {
    pub(crate) scheme: SignatureScheme,
    keys: Vec<(Key, Option<u64>)>,
    /// The route: the same message to another one is another message.
    scope: String,
}

/// A message whose signature is genuine.
#[derive(Debug)]
pub(crate) struct Message {
    /// The reservation it asks for.
    pub(crate) reserve: Reserve,
    /// Whether it was granted, and is to be settled.
    pub(crate) held: bool,
    /// The body's share of the memory budget.
    pub(crate) room: Option<Box<Reserved>>,
}

/// How much longer than the application may take a message stays reserved when nobody settles it.
const GRACE: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);

// === impl Signing ===

impl Signing {
    /// The signature of a route, by the live values of the variables it names. A route whose variables are all unset
    /// refuses every message.
    pub(crate) fn compile(route: &Route, secrets: &Secrets) -> Result<Option<Signing>, Diagnostic> {
        let Some(signature) = &route.signature else { return Ok(None) };
        let scheme = signature.scheme;
        let mut keys = Vec::new();
        for name in &signature.secrets {
            for SigningSecret { value, until_seconds } in secrets.webhooks.get(name).into_iter().flatten() {
                let key = Key::parse(scheme, value).map_err(|wrong| wrong.diagnostic(name, scheme))?;
                keys.push((key, *until_seconds));
            }
        }
        Ok(Some(Signing { scheme, keys, scope: route.path.clone() }))
    }

    /// Whether any live key made any of the signatures over these very bytes.
    pub(crate) fn verifies(&self, head: &Head<'_>, body: &[u8], now: WallMicros) -> bool {
        let [a, b, c, d] = head.prefix();
        let signed = [a, b, c, d, body];
        let mut live = self.keys.iter().filter(|(_, until)| until.is_none_or(|until| now.seconds() < until));
        live.any(|(key, _)| key.made_any(&head.signatures, &signed))
    }

    /// The message, once it is verified.
    pub(crate) fn message(&self, head: &Head<'_>, body: &[u8], patience: Duration, env: &Env<'_>) -> Message {
        let [a, b, c, d] = head.prefix();
        let signed = digest(&[a, b, c, d, body]);
        let scope = [self.scope.as_bytes(), self.scheme.id().as_bytes()];
        let of = |kind: &str, id: &[u8]| digest(&[scope[0], scope[1], kind.as_bytes(), id]);
        let message = match (self.scheme, head.id) {
            (SignatureScheme::Standard | SignatureScheme::Svix, Some(id)) => of("id", id.as_bytes()),
            (SignatureScheme::Stripe, _) => {
                stripe::id(body).map_or_else(|| of("body", body), |id| of("id", id.as_bytes()))
            }
            (SignatureScheme::Slack, _) => of("signed", &signed.to_be_bytes()),
            _ => of("body", body),
        };
        let reserve = Reserve {
            message,
            signed,
            ticket: u64::from_le_bytes(env.random()),
            signed_seconds: head.seconds,
            hold: patience + GRACE,
            keep: keep(self.scheme),
        };
        Message { reserve, held: false, room: None }
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({}, {} keys)", self.scheme.id(), self.keys.len())
    }
}

/// How long a provider sends a message again: Stripe for three days, Svix for 28 hours, and GitHub redelivers what is
/// younger than three days.
const fn keep(scheme: SignatureScheme) -> Duration {
    match scheme {
        SignatureScheme::Standard | SignatureScheme::Svix | SignatureScheme::Stripe | SignatureScheme::GitHub => {
            Duration::from_secs(3 * DAY.as_secs())
        }
        SignatureScheme::Slack | SignatureScheme::Vercel => DAY,
    }
}

/// SHA-256 over the parts, each behind its length, cut to 128 bits.
fn digest(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let [first, second] = halves(&hash.finalize().into());
    (u128::from(first) << 64) | u128::from(second)
}

fn halves(hash: &[u8; 32]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *hash;
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])]
}

#[cfg(test)]
mod tests;
