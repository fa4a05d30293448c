//! From hits to what may be told of them: never the secret, only its place, its look and a keyed hash.

use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_check::facts::secrets::{Leak, LeakSource};
use sha2::Sha256;

use super::engine::Hit;
use super::noise;

/// How an inline allowance begins; a reason follows.
const ALLOWED: &str = "palisade-ok(secret):";

/// Hexadecimal digits of a fingerprint: 64 bits.
const DIGITS: usize = 16;

/// Makes leaks of hits, under one key.
pub(super) struct Report {
    key: [u8; 32],
}

/// The place of a text.
pub(super) struct Where<'a> {
    pub(super) source: LeakSource,
    pub(super) path: &'a str,
    pub(super) blob: Option<&'a str>,
    /// Whether the project's own secrets count here.
    pub(super) own: bool,
}

// === impl Report ===

impl Report {
    pub(super) fn new(key: [u8; 32]) -> Report {
        Report { key }
    }

    /// The same for the same secret, and nothing to guess it from without the key.
    pub(super) fn fingerprint(&self, secret: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(secret);
        let digest = mac.finalize().into_bytes();
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .take(DIGITS)
            .collect()
    }

    pub(super) fn leaks(&self, text: &[u8], hits: &[Hit<'_>], place: &Where<'_>) -> Vec<Leak> {
        let told = hits.iter().filter(|hit| place.own || hit.rule != "own-secret");
        told.map(|hit| self.leak(text, hit, place)).collect()
    }

    fn leak(&self, text: &[u8], hit: &Hit<'_>, place: &Where<'_>) -> Leak {
        let secret = text.get(hit.start..hit.end).unwrap_or_default();
        let before = text.get(..hit.start).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count();
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        Leak {
            source: place.source,
            path: place.path.to_owned(),
            line: number(line + 1),
            column: number(column + 1),
            rule: hit.rule.to_owned(),
            title: hit.title.to_owned(),
            prefix: hit.prefix.to_owned(),
            variable: hit.variable.map(str::to_owned),
            length: number(secret.len()),
            entropy: noise::entropy(secret),
            fingerprint: self.fingerprint(secret),
            certainty: hit.certainty,
            test: hit.test,
            blob: place.blob.map(|id| id.chars().take(12).collect()),
            allowed: allowance(text, hit.start),
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The reason on the same line or on the one before, cut at the end of its comment; no reason is no allowance.
fn allowance(text: &[u8], at: usize) -> Option<String> {
    let line_start = |at: usize| memchr::memrchr(b'\n', text.get(..at).unwrap_or_default()).map_or(0, |at| at + 1);
    let this = line_start(at);
    let from = if this > 0 { line_start(this - 1) } else { this };
    let to = memchr::memchr(b'\n', text.get(at..)?).map_or(text.len(), |length| at + length);
    let lines = text.get(from..to)?.get(..2000).unwrap_or(text.get(from..to)?);
    let lines = String::from_utf8_lossy(lines);
    let (_, rest) = lines.split_once(ALLOWED)?;
    let reason = rest.lines().next()?.trim().trim_end_matches("*/").trim_end_matches("-->").trim();
    let plain: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    (!plain.is_empty()).then_some(plain)
}
