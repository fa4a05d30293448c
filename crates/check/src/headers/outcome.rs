//! The twelve tests of the MDN HTTP Observatory, algorithm v6, and every result they have, with its modifier.
//!
//! Source: mdn/mdn-http-observatory, commit 94042bbf. The names are its own, so that results can be compared.

/// One of the twelve tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is named by the header that it is about")]
pub enum Test {
    Csp,
    Cookies,
    Coep,
    Coop,
    Cors,
    Redirection,
    Referrer,
    Hsts,
    Sri,
    Nosniff,
    Framing,
    Corp,
}

/// What a test came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The Observatory's name of it.
    pub name: &'static str,
    /// What it adds to the score.
    pub modifier: i32,
    /// Whether that is a pass.
    pub pass: bool,
    /// What it means.
    pub says: &'static str,
}

impl Test {
    /// All of them, in the order of the report.
    pub const ALL: [Test; 12] = [
        Test::Csp,
        Test::Cookies,
        Test::Coep,
        Test::Coop,
        Test::Cors,
        Test::Redirection,
        Test::Referrer,
        Test::Hsts,
        Test::Sri,
        Test::Nosniff,
        Test::Framing,
        Test::Corp,
    ];

    /// The Observatory's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Test::Csp => "content-security-policy",
            Test::Cookies => "cookies",
            Test::Coep => "cross-origin-embedder-policy",
            Test::Coop => "cross-origin-opener-policy",
            Test::Cors => "cross-origin-resource-sharing",
            Test::Redirection => "redirection",
            Test::Referrer => "referrer-policy",
            Test::Hsts => "strict-transport-security",
            Test::Sri => "subresource-integrity",
            Test::Nosniff => "x-content-type-options",
            Test::Framing => "x-frame-options",
            Test::Corp => "cross-origin-resource-policy",
        }
    }
}

const fn good(name: &'static str, modifier: i32, says: &'static str) -> Outcome {
    Outcome { name, modifier, pass: true, says }
}

const fn bad(name: &'static str, modifier: i32, says: &'static str) -> Outcome {
    Outcome { name, modifier, pass: false, says }
}

macro_rules! outcomes {
    ($($id:ident = $make:ident($name:literal, $modifier:literal, $says:literal);)*) => {
        $(pub(crate) static $id: Outcome = $make($name, $modifier, $says);)*
        /// Every result that a test can have.
        pub static OUTCOMES: &[&Outcome] = &[$(&$id),*];
    };
}

outcomes! {
    CSP_NONE = good("csp-implemented-with-no-unsafe-default-src-none", 10, "nothing unsafe, and default-src is 'none'");
    CSP_SAFE = good("csp-implemented-with-no-unsafe", 5, "nothing unsafe");
    CSP_STYLE = good("csp-implemented-with-unsafe-inline-in-style-src-only", 0, "styles may stand inline");
    CSP_DUPLICATE = good("csp-implemented-but-duplicate-directives", 0, "a reporting directive stands there twice");
    CSP_PASSIVE = good("csp-implemented-with-insecure-scheme-in-passive-content-only", -10, "images or media may come over plain http");
    CSP_EVAL = bad("csp-implemented-with-unsafe-eval", -10, "'unsafe-eval' is allowed");
    CSP_INLINE = bad("csp-implemented-with-unsafe-inline", -20, "scripts may stand inline, or come from anywhere");
    CSP_INSECURE = bad("csp-implemented-with-insecure-scheme", -20, "content may come over plain http");
    CSP_INVALID = bad("csp-header-invalid", -25, "the policy cannot be read");
    CSP_MISSING = bad("csp-not-implemented", -25, "no policy");
    CSP_REPORTING = bad("csp-not-implemented-but-reporting-enabled", -25, "a policy that only reports");

    COOKIES_SAMESITE = good("cookies-secure-with-httponly-sessions-and-samesite", 5, "all Secure and SameSite, sessions HttpOnly");
    COOKIES_SECURE = good("cookies-secure-with-httponly-sessions", 0, "all Secure, sessions HttpOnly");
    COOKIES_NONE = good("cookies-not-found", 0, "no cookies");
    COOKIES_HSTS = bad("cookies-without-secure-flag-but-protected-by-hsts", -5, "a cookie without Secure; HSTS covers for it");
    COOKIES_SESSION_HSTS = bad("cookies-session-without-secure-flag-but-protected-by-hsts", -10, "a session cookie without Secure; HSTS covers for it");
    COOKIES_INSECURE = bad("cookies-without-secure-flag", -20, "a cookie without Secure");
    COOKIES_SAMESITE_INVALID = bad("cookies-samesite-flag-invalid", -20, "a SameSite that browsers do not understand");
    COOKIES_CSRF = bad("cookies-anticsrf-without-samesite-flag", -20, "an anti-CSRF cookie without SameSite");
    COOKIES_SESSION_SCRIPT = bad("cookies-session-without-httponly-flag", -30, "a session cookie that scripts can read");
    COOKIES_SESSION_INSECURE = bad("cookies-session-without-secure-flag", -40, "a session cookie without Secure");

    CORS_NONE = good("cross-origin-resource-sharing-not-implemented", 0, "not shared with other origins");
    CORS_PUBLIC = good("cross-origin-resource-sharing-implemented-with-public-access", 0, "everybody may read, without credentials");
    CORS_RESTRICTED = good("cross-origin-resource-sharing-implemented-with-restricted-access", 0, "some origins may read");
    CORS_UNIVERSAL = bad("cross-origin-resource-sharing-implemented-with-universal-access", -50, "any origin may read with the visitor's credentials");

    COEP_REQUIRE = good("coep-implemented-with-require-corp", 10, "only what agrees is embedded");
    COEP_CREDENTIALLESS = good("coep-implemented-with-credentialless", 10, "embedded without credentials");
    COEP_UNSAFE = good("coep-implemented-with-unsafe-none", 0, "says what is the default");
    COEP_NONE = good("coep-not-implemented", 0, "not set");
    COEP_INVALID = bad("coep-header-invalid", -5, "not a value that browsers know");

    COOP_SAME = good("coop-implemented-with-same-origin", 10, "a window of its own");
    COOP_POPUPS = good("coop-implemented-with-same-origin-allow-popups", 10, "a window of its own, popups aside");
    COOP_NOOPENER = good("coop-implemented-with-noopener-allow-popups", 10, "popups have no opener");
    COOP_UNSAFE = good("coop-implemented-with-unsafe-none", 0, "says what is the default");
    COOP_NONE = good("coop-not-implemented", 0, "not set");
    COOP_INVALID = bad("coop-header-invalid", -5, "not a value that browsers know");

    CORP_ORIGIN = good("corp-implemented-with-same-origin", 10, "no other origin embeds it");
    CORP_SITE = good("corp-implemented-with-same-site", 10, "no other site embeds it");
    CORP_CROSS = good("corp-implemented-with-cross-origin", 0, "anybody may embed it");
    CORP_NONE = good("corp-not-implemented", 0, "not set");
    CORP_INVALID = bad("corp-header-invalid", -5, "not a value that browsers know");

    REDIRECT_HTTPS = good("redirection-to-https", 0, "plain http leads to https");
    REDIRECT_UNNEEDED = good("redirection-not-needed-no-http", 0, "nobody listens at plain http");
    REDIRECT_OFF_HOST = bad("redirection-off-host-from-http", -5, "plain http leads to another host first, so HSTS is not set for this one");
    REDIRECT_LATE = bad("redirection-not-to-https-on-initial-redirection", -10, "plain http leads to plain http first");
    REDIRECT_NOT_HTTPS = bad("redirection-not-to-https", -20, "plain http leads elsewhere, but not to https");
    REDIRECT_MISSING = bad("redirection-missing", -20, "plain http is served");
    REDIRECT_CERTIFICATE = bad("redirection-invalid-cert", -20, "plain http leads to a certificate that is not good");

    REFERRER_PRIVATE = good("referrer-policy-private", 5, "other sites do not learn paths");
    REFERRER_NONE = good("referrer-policy-not-implemented", 0, "not set; browsers' default is good");
    REFERRER_UNSAFE = bad("referrer-policy-unsafe", -5, "other sites learn more than they should");
    REFERRER_INVALID = bad("referrer-policy-header-invalid", -5, "not a value that browsers know");

    HSTS_LONG = good("hsts-implemented-max-age-at-least-six-months", 0, "browsers keep to https");
    HSTS_SHORT = bad("hsts-implemented-max-age-less-than-six-months", -10, "browsers keep to https, for less than six months");
    HSTS_NONE = bad("hsts-not-implemented", -20, "browsers may be led to plain http");
    HSTS_INVALID = bad("hsts-header-invalid", -20, "the header cannot be read");
    HSTS_NO_HTTPS = bad("hsts-not-implemented-no-https", -20, "not served over https");
    HSTS_CERTIFICATE = bad("hsts-invalid-cert", -20, "the certificate is not good, so the header is ignored");

    SRI_ALL = good("sri-implemented-and-all-scripts-loaded-securely", 5, "scripts carry their hashes");
    SRI_EXTERNAL = good("sri-implemented-and-external-scripts-loaded-securely", 5, "scripts of others carry their hashes");
    SRI_NOT_HTML = good("sri-not-implemented-response-not-html", 0, "not a page");
    SRI_NO_SCRIPTS = good("sri-not-implemented-but-no-scripts-loaded", 0, "no scripts");
    SRI_OWN = good("sri-not-implemented-but-all-scripts-loaded-from-secure-origin", 0, "only scripts of its own");
    SRI_MISSING = bad("sri-not-implemented-but-external-scripts-loaded-securely", -5, "scripts of others without hashes");
    SRI_INSECURE = bad("sri-implemented-but-external-scripts-not-loaded-securely", -20, "scripts of others over plain http");
    SRI_MISSING_INSECURE = bad("sri-not-implemented-and-external-scripts-not-loaded-securely", -50, "scripts of others over plain http, without hashes");

    NOSNIFF_SET = good("x-content-type-options-nosniff", 0, "types are not guessed");
    NOSNIFF_NONE = bad("x-content-type-options-not-implemented", -5, "browsers may guess types");
    NOSNIFF_INVALID = bad("x-content-type-options-header-invalid", -5, "not the value that browsers know");

    FRAMING_CSP = good("x-frame-options-implemented-via-csp", 5, "frame-ancestors says who may frame it");
    FRAMING_SET = good("x-frame-options-sameorigin-or-deny", 5, "no other origin frames it");
    FRAMING_ALLOW = good("x-frame-options-allow-from-origin", 0, "a value that browsers ignore today");
    FRAMING_NONE = bad("x-frame-options-not-implemented", -20, "anybody may frame it");
    FRAMING_INVALID = bad("x-frame-options-header-invalid", -20, "not a value that browsers know");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_only_bonuses_pass_above_zero() {
        let names: BTreeSet<_> = OUTCOMES.iter().map(|outcome| outcome.name).collect();
        assert_eq!(names.len(), OUTCOMES.len());
        for outcome in OUTCOMES {
            assert!(outcome.modifier <= 0 || outcome.pass, "{}", outcome.name);
            assert!(outcome.modifier >= 0 || !outcome.pass || outcome.name == CSP_PASSIVE.name, "{}", outcome.name);
        }
    }
}
