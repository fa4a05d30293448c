//! What may be said of a value: its form, its length, how hard it is to guess, and keyed hashes of it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_check::Place;
use palisade_check::facts::env::{Form, Variable};
use palisade_policy::is_placeholder;
use sha2::Sha256;

/// The keys by which values are hashed.
#[derive(Clone)]
pub struct Keys {
    /// Drawn for this run, and forgotten after it.
    pub run: [u8; 32],
    /// The one of `env fingerprint`, which lies outside the repository.
    pub fingerprint: Option<[u8; 32]>,
}

/// The longest known prefix comes first.
const PREFIXES: [(&str, Form); 24] = [
    ("sk_live_", Form::SecretKeyLive),
    ("rk_live_", Form::SecretKeyLive),
    ("sk_test_", Form::SecretKeyTest),
    ("rk_test_", Form::SecretKeyTest),
    ("pk_live_", Form::PublishableLive),
    ("pk_test_", Form::PublishableTest),
    ("whsec_", Form::WebhookSecret),
    ("whsk_", Form::WebhookSecret),
    ("prod:", Form::ConvexProduction),
    ("dev:", Form::ConvexDevelopment),
    ("preview:", Form::ConvexPreview),
    ("github_pat_", Form::OtherSecret),
    ("ghp_", Form::OtherSecret),
    ("gho_", Form::OtherSecret),
    ("ghs_", Form::OtherSecret),
    ("npm_", Form::OtherSecret),
    ("sk-ant-", Form::OtherSecret),
    ("sk-proj-", Form::OtherSecret),
    ("sb_secret_", Form::OtherSecret),
    ("xoxb-", Form::OtherSecret),
    ("xoxp-", Form::OtherSecret),
    ("SG.", Form::OtherSecret),
    ("AKIA", Form::OtherSecret),
    ("re_", Form::OtherSecret),
];

/// Fewer bits than a secret has, more than a word.
const RANDOM_BITS: u32 = 64;

/// Everything that may be kept of a value.
#[must_use]
pub fn describe(value: &str, place: Option<Place>, keys: &Keys) -> Variable {
    let value = value.trim();
    let (form, prefix) = form(value);
    Variable {
        place,
        form,
        prefix: prefix.to_owned(),
        length: count(value.chars().count()),
        decoded: decoded(value),
        bits: bits(value),
        hash: if value.is_empty() { String::new() } else { keyed(&keys.run, "value", value) },
        fingerprint: keys.fingerprint.filter(|_| !value.is_empty()).map(|key| keyed(&key, "value", value)),
        since: None,
    }
}

/// Which key this is, without telling it.
#[must_use]
pub fn key_id(key: &[u8; 32]) -> String {
    keyed(key, "id", "").chars().take(8).collect()
}

fn keyed(key: &[u8; 32], purpose: &str, value: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    mac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn form(value: &str) -> (Form, &'static str) {
    if value.is_empty() {
        return (Form::Empty, "");
    }
    if is_placeholder(value) {
        return (Form::Placeholder, "");
    }
    let prefixed = PREFIXES.iter().find(|(prefix, _)| value.len() > prefix.len() && value.starts_with(prefix));
    if let Some((prefix, form)) = prefixed {
        let word = *form == Form::OtherSecret && bits(value) < RANDOM_BITS;
        return if word { (Form::Text, "") } else { (*form, prefix) };
    }
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY-----") {
        return (Form::PrivateKey, "");
    }
    if value.starts_with("eyJ") && value.split('.').count() == 3 {
        return (Form::Token, "");
    }
    if let Some((_, rest)) = value.split_once("://") {
        return (address(rest), "");
    }
    let random = value.len() >= 20 && !value.contains([' ', '/']) && bits(value) >= RANDOM_BITS;
    (if random { Form::Random } else { Form::Text }, "")
}

fn address(rest: &str) -> Form {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty()) {
        return Form::AddressWithPassword;
    }
    let name = host.strip_prefix('[').map_or_else(|| host.split(':').next(), |rest| rest.split(']').next());
    let name = name.unwrap_or_default();
    if name == "localhost" || name == "::1" || name.starts_with("127.") || name.ends_with(".localhost") {
        return Form::LocalAddress;
    }
    if name.ends_with(".clerk.accounts.dev") { Form::ClerkDevelopmentAddress } else { Form::Address }
}

/// Bytes of what it encodes, where it is hexadecimal or base64; else its characters.
fn decoded(value: &str) -> u32 {
    let body = value.trim_end_matches('=');
    let hexadecimal = body.len().is_multiple_of(2) && body.bytes().all(|byte| byte.is_ascii_hexdigit());
    let base64 = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte));
    count(if hexadecimal {
        body.len() / 2
    } else if base64 {
        body.len() * 3 / 4
    } else {
        value.chars().count()
    })
}

/// Shannon's entropy of the characters times their number, where what repeats counts once and runs such as `abcd` and
/// `1234` count as one character each. An estimate from above: a sentence of a book has more bits here than it deserves.
fn bits(value: &str) -> u32 {
    let bytes = value.as_bytes();
    let bytes = bytes.get(..period(bytes)).unwrap_or(bytes);
    let fresh = bytes.windows(2).filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) > 1)).count() + 1;
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(count(bytes.len()).max(1));
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum();
    // A share of neighbours is expected by chance: only where most are neighbours is it a run.
    let length = if fresh * 2 > bytes.len() { bytes.len() } else { fresh };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 8 bits for each byte")]
    let bits = (entropy * f64::from(count(length))) as u32;
    bits
}

/// The length of what the value repeats over and over; its own length where it does not.
fn period(bytes: &[u8]) -> usize {
    let repeats = |length: &usize| bytes.iter().zip(bytes.iter().skip(*length)).all(|(a, b)| a == b);
    (1..=bytes.len().min(256) / 2).find(repeats).unwrap_or(bytes.len())
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { run: [1; 32], fingerprint: None };

    #[test]
    fn forms_are_told_apart() {
        // Joined, so that no scanner takes this file for a leak.
        let joined = |prefix: &str| format!("{prefix}{}", "51Hk2eqLwZ8rT0yPq7NvX4bM");
        for (value, form) in [
            (joined("sk_live_"), Form::SecretKeyLive),
            (joined("rk_test_"), Form::SecretKeyTest),
            (joined("pk_live_"), Form::PublishableLive),
            (joined("whsec_"), Form::WebhookSecret),
            ("sk_live_...".to_owned(), Form::Placeholder),
            ("prod:happy-otter-1".to_owned(), Form::ConvexProduction),
            ("https://x.clerk.accounts.dev".to_owned(), Form::ClerkDevelopmentAddress),
            ("https://clerk.shop.example".to_owned(), Form::Address),
            ("http://127.0.0.1:3000".to_owned(), Form::LocalAddress),
            ("postgres://u:p@db.example/x".to_owned(), Form::AddressWithPassword),
            ("re_usable".to_owned(), Form::Text),
            (String::new(), Form::Empty),
            ("shop".to_owned(), Form::Text),
        ] {
            assert_eq!(super::form(&value).0, form, "{value}");
        }
    }

    #[test]
    fn weak_secrets_have_few_bits() {
        let random = "q3Vn8ZkT0wXb5RfLh2YcJ7sMd9GpA4uE1iKo6NtQvBx";
        assert!(bits(random) >= 128, "{}", bits(random));
        assert_eq!(decoded(random), 32);
        for weak in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabc",
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq",
            "12345678901234567890123456789012345678901234",
            "passwordpasswordpasswordpasswordpasswordpass",
        ] {
            assert!(bits(weak) < 100, "{weak}: {}", bits(weak));
        }
    }

    #[test]
    fn what_is_kept_does_not_hold_the_value() {
        let value = format!("sk_live_{}", "51Hk2eqLwZ8rT0yPq7NvX4bM");
        let kept = describe(&value, None, &KEYS);
        assert!(!format!("{kept:?}").contains("51Hk2eqL"));
        assert_eq!(kept.prefix, "sk_live_");
        assert_ne!(kept.hash, describe(&value, None, &Keys { run: [2; 32], fingerprint: None }).hash);
    }
}
