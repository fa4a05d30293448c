//! Recognises what must not stand in a policy file: a secret where the name of its variable belongs.

use std::ops::Range;

/// What keys of vendors begin with, and how many characters follow at least. Public keys (`pk_`) are not among them.
const PREFIXES: [(&str, usize); 24] = [
    ("whsec_", 16),
    ("whsk_", 16),
    ("sk_live_", 12),
    ("sk_test_", 12),
    ("rk_live_", 12),
    ("rk_test_", 12),
    ("sk-ant-", 16),
    ("sk-proj-", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xapp-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("npm_", 30),
    ("SG.", 30),
    ("dp.pt.", 30),
];

/// Whether a word is a vendor's key, or a URL that carries a password.
pub(crate) fn is_secret(word: &str) -> bool {
    let vendor = PREFIXES.iter().any(|(prefix, least)| {
        let rest = word.strip_prefix(prefix).unwrap_or_default();
        rest.len() >= *least && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.+/".contains(&b))
    });
    vendor || has_password(word)
}

/// Whether a URL carries a password: `scheme://user:password@host`.
fn has_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((_, password)) => !password.is_empty(),
        None => false,
    }
}

/// Whether a text is the name of a variable, and not a secret that happens to be upper case.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let shaped = text.len() <= 100
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    // A long run of capitals and digits without an underscore is a key in base 32 or hexadecimal.
    let run = text.split('_').map(str::len).max().unwrap_or(0);
    let mixed = text.bytes().any(|b| b.is_ascii_digit());
    shaped && !is_secret(text) && !(run >= 24 && mixed)
}

/// Where a text, of whatever syntax, holds secrets.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`,;[]{}()<>=#".contains(c)) {
        let bare = word.trim_end_matches(|c: char| c.is_whitespace() || "\"'`,;[]{}()<>=#".contains(c));
        if is_secret(bare) {
            found.push(start..start + bare.len());
        }
        start += word.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written in two parts, so that no scanner takes this file for a leak.
    fn fake(prefix: &str, rest: &str) -> String {
        format!("{prefix}{rest}")
    }

    #[test]
    fn keys_of_vendors_and_urls_with_passwords_are_secrets() {
        for secret in [
            fake("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            fake("sk_live_", "4eC39HqLyjWDarjtT1zdp7dc"),
            fake("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            fake("AKIA", "IOSFODNN7EXAMPLE"),
            fake("redis://default:", "hunter2@redis.internal:6379"),
            fake("postgres://shop:", "hunter2@db/shop"),
        ] {
            assert!(is_secret(&secret), "{secret}");
            assert!(!is_variable_name(&secret), "{secret}");
            assert_eq!(find(&format!("# old: '{secret}'\nx = 1")), vec![8..8 + secret.len()]);
        }
    }

    #[test]
    fn names_placeholders_and_addresses_are_not() {
        for word in [
            "STRIPE_WEBHOOK_SECRET",
            "sk_test_...",
            "whsec_",
            "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
            "https://user@host/path:8080",
            "redis://cache:6379/0",
            "mailto:a@b",
        ] {
            assert!(!is_secret(word), "{word}");
        }
        assert!(is_variable_name("STRIPE_WEBHOOK_SECRET"));
        assert!(is_variable_name("A"));
        assert!(is_variable_name("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"));
        for text in ["", "1A", "stripe", "Stripe_Secret", "A-B", "A B", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"] {
            assert!(!is_variable_name(text), "{text}");
        }
    }
}
