//! Whether a webhook believes anybody but its provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

use super::seen::{Seen, unless};
use super::{Experiment, Next, Step, checks, follow};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "webhook", about: "only the provider is believed, once", next, checks: CHECKS };

checks! { "webhook":
    "unsigned", "A call without a signature is refused", Critical, "A08:2021", |seen| refused(seen, "unsigned", "unsigned");
    "wrong", "A call with a made-up signature is refused", Critical, "A08:2021", |seen| refused(seen, "wrong", "with a made-up signature");
    "empty-key", "A signature by an empty key is refused", Critical, "A08:2021", |seen| refused(seen, "empty-key", "signed with an empty key");
    "valid", "A signed call is accepted", Medium, "A08:2021", valid;
    "replayed", "The same call again is refused", High, "A08:2021", |seen| signed(seen, "replayed", "the same call again");
    "stale", "A call of ten minutes ago is refused", High, "A08:2021", stale;
    "future", "A call of tomorrow is refused", Medium, "A08:2021", future;
    "changed", "A signed call with another body is refused", Critical, "A08:2021", |seen| signed(seen, "changed", "with another body");
    "large", "A body of two megabytes is refused before it is believed", Low, "A05:2021; ASVS 5.2.1", large;
    "status", "A refusal is a 4xx, so that the provider tells its owner", Low, "A08:2021", status;
}

const STEPS: [Step; 9] = [
    ("unsigned", |seen| Some(bare(seen, "unsigned"))),
    ("wrong", |seen| Some(forged(seen))),
    ("empty-key", |seen| sign(seen, "empty", Some(""), seen.aim.now)),
    ("valid", |seen| sign(seen, "valid", secret(seen), seen.aim.now)),
    ("replayed", |seen| seen.of("valid").next_back().map(|valid| Sent { step: String::new(), ..valid.sent.clone() })),
    ("stale", |seen| sign(seen, "stale", secret(seen), seen.aim.now - 600)),
    ("future", |seen| sign(seen, "future", secret(seen), seen.aim.now + 86_400)),
    ("changed", |seen| {
        sign(seen, "changed", secret(seen), seen.aim.now)
            .map(|sent| Sent { body: sent.body.replace("changed", "changes"), ..sent })
    }),
    ("large", |seen| {
        Some(Sent { body: format!("{{\"id\":\"large\",\"a\":\"{}\"}}", "a".repeat(2 << 20)), ..forged(seen) })
    }),
];

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    follow(&STEPS, aim, exchanges)
}

fn secret<'a>(seen: &Seen<'a>) -> Option<&'a str> {
    seen.aim.secret.as_deref().filter(|secret| !secret.is_empty())
}

/// A call as a provider sends it: no cookie, no origin.
fn bare(seen: &Seen<'_>, id: &str) -> Sent {
    let id = format!("evt_{}_{id}", seen.aim.marker);
    let body = seen.aim.body.clone().unwrap_or_else(|| {
        format!("{{\"id\":\"{id}\",\"type\":\"palisade.probe\",\"object\":\"event\",\"data\":{{\"step\":\"{id}\"}}}}")
    });
    let sent = Sent { method: "POST".to_owned(), target: seen.aim.path.clone(), ..Sent::default() };
    sent.with("user-agent", "palisade-probe").carrying("application/json", &body)
}

/// With the fields of every scheme, none of which can be right.
fn forged(seen: &Seen<'_>) -> Sent {
    let (now, hex) = (seen.aim.now, "5f".repeat(32));
    bare(seen, "wrong")
        .with("stripe-signature", &format!("t={now},v1={hex}"))
        .with("svix-id", "msg_probe")
        .with("svix-timestamp", &now.to_string())
        .with("svix-signature", &format!("v1,{}", STANDARD.encode([0x5f; 32])))
        .with("webhook-id", "msg_probe")
        .with("webhook-timestamp", &now.to_string())
        .with("webhook-signature", &format!("v1,{}", STANDARD.encode([0x5f; 32])))
        .with("x-hub-signature-256", &format!("sha256={hex}"))
        .with("x-slack-request-timestamp", &now.to_string())
        .with("x-slack-signature", &format!("v0={hex}"))
        .with("x-vercel-signature", &hex)
}

/// Signed as the scheme says; `None` where there is no scheme, or no secret.
fn sign(seen: &Seen<'_>, id: &str, secret: Option<&str>, at: i64) -> Option<Sent> {
    let (scheme, secret, sent) = (seen.aim.scheme.as_deref()?, secret?, bare(seen, id));
    let body = sent.body.clone();
    let message = format!("msg_{}_{id}", seen.aim.marker);
    Some(match scheme {
        "stripe" => {
            let mac = hex(&sha256(secret.as_bytes(), &format!("{at}.{body}"))?);
            sent.with("stripe-signature", &format!("t={at},v1={mac}"))
        }
        "svix" | "clerk" | "standard-webhooks" | "standard" => {
            let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
            let mac = STANDARD.encode(sha256(&key, &format!("{message}.{at}.{body}"))?);
            let start = if scheme.starts_with("standard") { "webhook" } else { "svix" };
            sent.with(&format!("{start}-id"), &message)
                .with(&format!("{start}-timestamp"), &at.to_string())
                .with(&format!("{start}-signature"), &format!("v1,{mac}"))
        }
        "github" => sent
            .with("x-hub-signature-256", &format!("sha256={}", hex(&sha256(secret.as_bytes(), &body)?)))
            .with("x-github-delivery", &message),
        "slack" => {
            let mac = hex(&sha256(secret.as_bytes(), &format!("v0:{at}:{body}"))?);
            sent.with("x-slack-request-timestamp", &at.to_string()).with("x-slack-signature", &format!("v0={mac}"))
        }
        "vercel" => {
            let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).ok()?.chain_update(body.as_bytes()).finalize();
            sent.with("x-vercel-signature", &hex(&mac.into_bytes()))
        }
        _ => return None,
    })
}

fn sha256(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    Some(mac.chain_update(text.as_bytes()).finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const FIX: &str = "verify the signature over the raw body (`kind = \"webhook\"`, `signature = { scheme = .. }`)";

fn refused(seen: &Seen<'_>, step: &str, how: &str) -> Result<Vec<Ruled>, Unknown> {
    if seen.of(step).next().is_none() {
        return Ok(vec![Ruled::not_applicable("no scheme was named (--scheme)")]);
    }
    let answer = seen.told(step)?;
    match answer.status {
        404 | 405 => Err(Unknown::new(format!("{how}: {}", answer.status), "name a path that takes webhooks")),
        _ => Ok(unless(
            answer.accepted(),
            format!("{how}: {}", answer.status),
            format!("{how}: {} (believed)", answer.status),
            FIX,
        )),
    }
}

/// The same for what needs the secret, and a signed call that was accepted before.
fn signed(seen: &Seen<'_>, step: &str, how: &str) -> Result<Vec<Ruled>, Unknown> {
    if secret(seen).is_none() {
        return Ok(vec![Ruled::not_applicable("no secret was given (--secret-env NAME)")]);
    }
    let valid = seen.told("valid")?;
    if !valid.accepted() {
        return Err(Unknown::new(
            format!("a signed call is refused too: {}", valid.status),
            "give the secret that the site has, and its scheme",
        ));
    }
    refused(seen, step, how)
}

/// Whether a scheme says when it was signed.
fn is_dated(seen: &Seen<'_>) -> bool {
    !matches!(seen.aim.scheme.as_deref(), Some("github" | "vercel"))
}

fn stale(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !is_dated(seen) {
        return Ok(vec![Ruled::not_applicable("this scheme signs no time")]);
    }
    signed(seen, "stale", "signed ten minutes ago")
}

fn future(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !is_dated(seen) {
        return Ok(vec![Ruled::not_applicable("this scheme signs no time")]);
    }
    signed(seen, "future", "signed tomorrow")
}

fn valid(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if secret(seen).is_none() {
        return Ok(vec![Ruled::not_applicable("no secret was given (--secret-env NAME)")]);
    }
    let answer = seen.told("valid")?;
    Ok(unless(
        !answer.accepted(),
        format!("{}", answer.status),
        format!("signed with the secret that was given: {}", answer.status),
        "give the site the same secret, and the probe its scheme",
    ))
}

fn large(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = match seen.told("large") {
        Ok(answer) => answer,
        Err(_) if seen.of("large").any(|exchange| exchange.answer.is_err()) => {
            return Ok(vec![Ruled::pass("the connection is closed")]);
        }
        Err(unknown) => return Err(unknown),
    };
    Ok(unless(
        answer.accepted(),
        format!("{}", answer.status),
        format!("{} (believed)", answer.status),
        "cap bodies before they are read",
    ))
}

fn status(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told("wrong")?;
    let fails = |answer: &Received| answer.status >= 500;
    Ok(unless(
        fails(answer),
        format!("{}", answer.status),
        format!("{}", answer.status),
        "answer 400 or 401: a 5xx is retried for days",
    ))
}
