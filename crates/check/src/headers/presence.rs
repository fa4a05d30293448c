//! Which of the six headers that every site wants are there: the question that securityheaders.com made popular.
//!
//! It is a grade of presence of our own, not theirs, and says nothing about values but one thing: a policy that lets scripts
//! stand inline, or be made of text, is no better than an A.

use super::site::Page;

/// The six, with the directive that replaces one.
pub const PRESENCE: [&str; 6] = [
    "strict-transport-security",
    "content-security-policy",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
];

/// Which are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// `A+` for all six, then A, B, C, D, E, F.
    pub letter: &'static str,
    /// The ones that are missing.
    pub missing: Vec<&'static str>,
    /// Whether the policy lets scripts stand inline or be made of text.
    pub capped: bool,
}

/// Looks at one answer. `hsts`: count it as there, for an answer over plain http, where browsers would ignore it.
#[must_use]
pub fn presence(page: &Page, hsts: bool) -> Presence {
    let policies: Vec<_> = page.all("content-security-policy").collect();
    let framed = policies.iter().any(|policy| policy.to_ascii_lowercase().contains("frame-ancestors"));
    let missing: Vec<_> = PRESENCE
        .into_iter()
        .filter(|name| match *name {
            "strict-transport-security" if hsts => false,
            "x-frame-options" if framed => false,
            name => page.first(name).is_none_or(|value| value.trim().is_empty()),
        })
        .collect();
    let capped = policies.iter().any(|policy| opens_scripts(policy));
    let letter = match (missing.len(), capped) {
        (0, false) => "A+",
        (0 | 1, _) => "A",
        (2, _) => "B",
        (3, _) => "C",
        (4, _) => "D",
        (5, _) => "E",
        _ => "F",
    };
    Presence { letter, missing, capped }
}

fn opens_scripts(policy: &str) -> bool {
    let policy = policy.to_ascii_lowercase();
    let of = |name: &str| {
        policy
            .split(';')
            .map(str::trim)
            .find_map(|directive| directive.strip_prefix(name).filter(|rest| rest.starts_with(' ')))
    };
    let scripts = of("script-src").or_else(|| of("default-src")).unwrap_or_default();
    let proven = scripts.contains("'nonce-") || scripts.contains("'sha");
    scripts.contains("'unsafe-eval'") || scripts.contains("'unsafe-inline'") && !proven
}
