//! The questions, one function each.

use super::allowlist::{bypass, host, without_scheme};
use super::directive::{is_hash, is_keyword, is_keyword_word, is_known, is_nonce, is_scheme, nonce, proves};
use super::{Policy, Severity, Weakness};

/// Asked in this order.
pub(super) const CHECKS: [fn(&Policy) -> Vec<Weakness>; 19] = [
    inline,
    eval,
    plain_scheme,
    wildcard,
    missing_objects,
    missing_scripts,
    missing_base,
    script_hosts,
    object_hosts,
    addresses,
    nonces,
    plain_http,
    deprecated,
    unknown,
    semicolon,
    keywords,
    strict_dynamic,
    fallbacks,
    trusted_types,
];

const SCRIPTS: [&str; 3] = ["script-src", "script-src-attr", "script-src-elem"];
const TO_SCRIPT: [&str; 5] = ["script-src", "script-src-attr", "script-src-elem", "object-src", "base-uri"];

fn weakness(
    (id, number, severity): (&'static str, u16, Severity),
    directive: &str,
    value: Option<&str>,
    says: impl Into<String>,
) -> Weakness {
    let (directive, value) = (directive.to_owned(), value.map(str::to_owned));
    Weakness { id, number, severity, directive, value, says: says.into() }
}

/// Every value of some directives, with the directive that carries it.
fn values<'a>(policy: &'a Policy, names: &[&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let names = policy.directives_for(names);
    names.into_iter().flat_map(|name| policy.values(name).iter().map(move |value| (name, value.as_str())))
}

/// Every value of every directive.
fn everything(policy: &Policy) -> impl Iterator<Item = (&str, &str)> {
    policy.directives.iter().flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value.as_str())))
}

fn inline(policy: &Policy) -> Vec<Weakness> {
    let of = |(name, value)| match value {
        "'unsafe-inline'" => {
            let says = "scripts that an attacker gets into the page run";
            Some(weakness(("csp/unsafe-inline", 301, Severity::High), name, Some(value), says))
        }
        "'unsafe-hashes'" => {
            let says = "event handlers run by their hashes, wherever an attacker puts them";
            Some(weakness(("csp/unsafe-hashes", 317, Severity::MediumMaybe), name, Some(value), says))
        }
        _ => None,
    };
    values(policy, &SCRIPTS).filter_map(of).collect()
}

fn eval(policy: &Policy) -> Vec<Weakness> {
    let evil = values(policy, &SCRIPTS).filter(|(_, value)| *value == "'unsafe-eval'");
    let says = "text becomes script by eval() and its like";
    evil.map(|(name, value)| weakness(("csp/unsafe-eval", 302, Severity::MediumMaybe), name, Some(value), says))
        .collect()
}

fn plain_scheme(policy: &Policy) -> Vec<Weakness> {
    let schemes = values(policy, &TO_SCRIPT).filter(|(_, value)| matches!(*value, "data:" | "http:" | "https:"));
    schemes
        .map(|(name, value)| {
            let says = format!("{value} lets scripts come from anywhere");
            weakness(("csp/plain-scheme", 303, Severity::High), name, Some(value), says)
        })
        .collect()
}

fn wildcard(policy: &Policy) -> Vec<Weakness> {
    let stars = values(policy, &TO_SCRIPT).filter(|(_, value)| without_scheme(value) == "*");
    stars
        .map(|(name, value)| {
            weakness(("csp/wildcard", 304, Severity::High), name, Some(value), "anything may be loaded")
        })
        .collect()
}

const MISSING: (&str, u16, Severity) = ("csp/missing-directive", 300, Severity::High);

fn missing_objects(policy: &Policy) -> Vec<Weakness> {
    let restricted = ["object-src", "default-src"].into_iter().find(|name| policy.has(name));
    if restricted.is_some_and(|name| !policy.values(name).is_empty()) {
        return Vec::new();
    }
    vec![weakness(MISSING, "object-src", None, "plugins may be injected; set it to 'none'")]
}

fn missing_scripts(policy: &Policy) -> Vec<Weakness> {
    if policy.has("script-src") || policy.has("default-src") {
        return Vec::new();
    }
    vec![weakness(MISSING, "script-src", None, "scripts may come from anywhere")]
}

fn missing_base(policy: &Policy) -> Vec<Weakness> {
    let scripts = policy.values(policy.directive_for("script-src"));
    let by_nonce = scripts.iter().any(|value| is_nonce(value));
    let by_hash = scripts.iter().any(|value| is_hash(value)) && scripts.iter().any(|value| value == "'strict-dynamic'");
    if policy.has("base-uri") || !by_nonce && !by_hash {
        return Vec::new();
    }
    let says = "a base element of an attacker's leads relative scripts to another host; set it to 'none' or 'self'";
    vec![weakness(MISSING, "base-uri", None, says)]
}

fn script_hosts(policy: &Policy) -> Vec<Weakness> {
    let mut found = Vec::new();
    for name in policy.directives_for(&["script-src", "script-src-elem"]) {
        let sources = policy.values(name);
        if sources.iter().any(|value| value == "'none'") {
            continue;
        }
        let eval = sources.iter().any(|value| value == "'unsafe-eval'");
        for value in sources.iter().map(String::as_str) {
            let host = !value.starts_with('\'') && !is_scheme(value) && value.contains('.');
            if value == "'self'" {
                let says = "enough, unless the site itself serves JSONP, AngularJS or files of its visitors";
                found.push(weakness(("csp/allowlist", 305, Severity::MediumMaybe), name, Some(value), says));
            } else if let Some((known, serves)) = host.then(|| bypass(value, eval)).flatten() {
                let says = format!("{known} serves {serves}, by which an attacker's script runs");
                found.push(weakness(("csp/allowlist-bypass", 305, Severity::High), name, Some(value), says));
            } else if host {
                let says = "make sure that this host serves neither JSONP nor AngularJS";
                found.push(weakness(("csp/allowlist", 305, Severity::MediumMaybe), name, Some(value), says));
            }
        }
    }
    found
}

fn object_hosts(policy: &Policy) -> Vec<Weakness> {
    let types = policy.values("plugin-types");
    let sources = policy.values("object-src");
    let flash = !policy.has("plugin-types") || types.iter().any(|value| value == "application/x-shockwave-flash");
    if !flash || sources.iter().any(|value| value == "'none'") {
        return Vec::new();
    }
    let of = |value: &String| {
        weakness(("csp/object-allowlist", 306, Severity::MediumMaybe), "object-src", Some(value), "set it to 'none'")
    };
    sources.iter().map(of).collect()
}

fn addresses(policy: &Policy) -> Vec<Weakness> {
    let is_address = |host: &str| {
        let digits = |label: &str| (1..=3).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_digit());
        host.starts_with('[') && host.ends_with(']') || host.split('.').count() == 4 && host.split('.').all(digits)
    };
    let found = everything(policy).filter(|(_, value)| is_address(host(value)));
    found
        .map(|(name, value)| {
            let says = if host(value) == "127.0.0.1" {
                "this machine; take it out for production"
            } else {
                "browsers ignore addresses"
            };
            weakness(("csp/address", 308, Severity::Info), name, Some(value), says)
        })
        .collect()
}

fn nonces(policy: &Policy) -> Vec<Weakness> {
    let mut found = Vec::new();
    for (name, value) in everything(policy) {
        let Some(nonce) = nonce(value) else { continue };
        if nonce.len() < 8 {
            found.push(weakness(
                ("csp/nonce-length", 307, Severity::Medium),
                name,
                Some(value),
                "a nonce has 8 characters or more",
            ));
        }
        if !is_nonce(value) {
            found.push(weakness(
                ("csp/nonce-charset", 106, Severity::Info),
                name,
                Some(value),
                "a nonce is written in base64",
            ));
        }
    }
    found
}

fn plain_http(policy: &Policy) -> Vec<Weakness> {
    let plain = everything(policy).filter(|(_, value)| value.starts_with("http://"));
    plain
        .map(|(name, value)| weakness(("csp/plain-http", 310, Severity::Medium), name, Some(value), "over plain http"))
        .collect()
}

fn deprecated(policy: &Policy) -> Vec<Weakness> {
    let gone = [
        ("reflected-xss", "gone since CSP 2"),
        ("referrer", "gone since CSP 2; use Referrer-Policy"),
        ("disown-opener", "gone since CSP 3; use Cross-Origin-Opener-Policy"),
        ("prefetch-src", "gone since CSP 3"),
    ];
    let found = gone.into_iter().filter(|(name, _)| policy.has(name));
    found.map(|(name, says)| weakness(("csp/deprecated", 309, Severity::Info), name, None, says)).collect()
}

fn unknown(policy: &Policy) -> Vec<Weakness> {
    let names = policy.directives.iter().map(|(name, _)| name.as_str()).filter(|name| !is_known(name));
    names
        .map(|name| {
            weakness(("csp/unknown-directive", 101, Severity::Syntax), name, None, "no directive that browsers know")
        })
        .collect()
}

fn semicolon(policy: &Policy) -> Vec<Weakness> {
    let swallowed = everything(policy).filter(|(_, value)| is_known(value));
    let says = "a directive that stands as a value: a semicolon is missing before it";
    swallowed
        .map(|(name, value)| weakness(("csp/missing-semicolon", 100, Severity::Syntax), name, Some(value), says))
        .collect()
}

fn keywords(policy: &Policy) -> Vec<Weakness> {
    let mut found = Vec::new();
    for (name, value) in everything(policy) {
        let bare = ["nonce-", "sha256-", "sha384-", "sha512-"].iter().any(|start| value.starts_with(start));
        if bare || is_keyword_word(value) {
            found.push(weakness(
                ("csp/keyword", 102, Severity::Syntax),
                name,
                Some(value),
                "quotes are missing around it",
            ));
            continue;
        }
        let fits = match name {
            "require-trusted-types-for" => value == "'script'",
            "trusted-types" => matches!(value, "'allow-duplicates'" | "'none'"),
            _ => is_keyword(value) || proves(value),
        };
        if value.starts_with('\'') && !fits {
            found.push(weakness(
                ("csp/keyword", 102, Severity::Syntax),
                name,
                Some(value),
                "no keyword that browsers know",
            ));
        }
    }
    found
}

fn strict_dynamic(policy: &Policy) -> Vec<Weakness> {
    let name = policy.directive_for("script-src");
    let sources = policy.values(name);
    let strict = sources.iter().any(|value| value == "'strict-dynamic'");
    if !strict && sources.iter().any(|value| !value.starts_with('\'')) {
        let says = "lists of hosts can be got round; a nonce with 'strict-dynamic' cannot";
        return vec![weakness(("csp/strict-dynamic", 400, Severity::Strict), name, None, says)];
    }
    if strict && !sources.iter().any(|value| proves(value)) {
        let says = "without a nonce or a hash it blocks every script";
        return vec![weakness(("csp/strict-dynamic-alone", 401, Severity::Info), name, None, says)];
    }
    Vec::new()
}

/// For browsers that know less: what they would fall back to. What level 3 ignores was taken out before, as with the peer.
fn fallbacks(policy: &Policy) -> Vec<Weakness> {
    let name = policy.directive_for("script-src");
    let sources = policy.values(name);
    let mut found = Vec::new();
    if sources.iter().any(|value| proves(value)) && !sources.iter().any(|value| value == "'unsafe-inline'") {
        let says = "old browsers would need 'unsafe-inline', which those that know nonces ignore";
        found.push(weakness(("csp/inline-fallback", 403, Severity::Strict), name, None, says));
    }
    let listed = |value: &String| matches!(value.as_str(), "http:" | "https:" | "*") || value.contains('.');
    if sources.iter().any(|value| value == "'strict-dynamic'") && !sources.iter().any(listed) {
        let says = "old browsers would need https: and http:, which those that know 'strict-dynamic' ignore";
        found.push(weakness(("csp/allowlist-fallback", 404, Severity::Strict), name, None, says));
    }
    found
}

fn trusted_types(policy: &Policy) -> Vec<Weakness> {
    let name = "require-trusted-types-for";
    if policy.values(name).iter().any(|value| value == "'script'") {
        return Vec::new();
    }
    vec![weakness(
        ("csp/trusted-types", 500, Severity::Info),
        name,
        None,
        "would close the DOM's own ways from text to script",
    )]
}
