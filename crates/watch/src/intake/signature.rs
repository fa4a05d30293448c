//! Whether a report is the sender's: MACs over the raw body, compared in constant time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

/// Seconds that a signed time may be away from ours (Standard Webhooks).
const TOLERANCE_SECONDS: u64 = 300;
/// Signatures of one header that are looked at.
const MAX_SIGNATURES: usize = 8;

/// Vercel: lower-case hexadecimal HMAC-SHA1 of the body.
pub(super) fn vercel(secret: &str, signature: &str, body: &[u8]) -> bool {
    let Some(signature) = unhex(signature) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// What Svix signs: id, time, body; and when it says that it did.
pub(super) struct Svix<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) signatures: &'a str,
}

// === impl Svix ===

impl Svix<'_> {
    /// Whether one of the signatures is made with the key, and lately.
    pub(super) fn holds(&self, key: &[u8], body: &[u8], now_seconds: u64) -> bool {
        let fresh = self.timestamp.parse().is_ok_and(|at: u64| now_seconds.abs_diff(at) <= TOLERANCE_SECONDS);
        // A dot in the id would move the border between what is signed.
        if !fresh || self.id.is_empty() || self.id.contains('.') {
            return false;
        }
        let signatures = self.signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).take(MAX_SIGNATURES);
        signatures.filter_map(unbase64).any(|signature| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
            for part in [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            mac.verify_slice(&signature).is_ok()
        })
    }
}

/// The key of a secret `whsec_...`.
pub(super) fn svix_key(secret: &str) -> Option<Vec<u8>> {
    unbase64(secret.strip_prefix("whsec_")?).filter(|key| key.len() >= 24)
}

/// Whether two secrets are the same, in a time that says nothing of where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    // A MAC of each under one key hides even the length.
    let mac = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"palisade intake token").ok()?;
        mac.update(text.as_bytes());
        Some(mac)
    };
    match (mac(one), mac(other)) {
        (Some(one), Some(other)) => one.verify(&other.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vercels_own_examples_hold_and_nothing_near_them() {
        let body = br#"[{"id":"1","message":"hi"}]"#;
        let signature = "29c2982aae3a1452ebf92a8d6c459bd70168da63";
        assert!(vercel("my-secret", signature, body));
        assert!(vercel("my-secret", "8ba11a771a03037aaa0d7f5c23fbcbf433a36b8e", b"{\"a\":1}\n{\"a\":2}\n"));
        assert!(!vercel("my-secre", signature, body));
        assert!(!vercel("my-secret", signature, b"[]"));
        for bad in ["", "29", &signature.to_uppercase(), &signature[..38], "zz"] {
            assert!(!vercel("my-secret", bad, body), "{bad}");
        }
    }

    #[test]
    fn svix_wants_a_fresh_time_and_one_good_signature() {
        // The example of the Standard Webhooks specification.
        let key = svix_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("key");
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let svix = |id, timestamp, signatures| Svix { id, timestamp, signatures };
        let body = br#"{"test": 2432232314}"#;
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        assert!(svix(id, at, good).holds(&key, body, 1_614_265_330));
        let two = format!("v1,AAAA v2,x {good}");
        assert!(svix(id, at, &two).holds(&key, body, 1_614_265_330 + 300));
        assert!(!svix(id, at, good).holds(&key, body, 1_614_265_330 + 301));
        assert!(!svix(id, at, good).holds(&key, b"{}", 1_614_265_330));
        assert!(!svix("msg_x", at, good).holds(&key, body, 1_614_265_330));
        let many = format!("{}{good}", "v1,AAAA ".repeat(8));
        assert!(!svix(id, at, &many).holds(&key, body, 1_614_265_330));
        assert_eq!(svix_key("whsec_c2hvcnQ="), None);
    }

    #[test]
    fn tokens_are_the_same_or_not() {
        assert!(same("a-token", "a-token") && !same("a-token", "a-tokem") && !same("a-token", "a-token2"));
    }
}
