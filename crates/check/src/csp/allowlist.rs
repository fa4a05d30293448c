//! Hosts in `script-src` that carry more than the one script that was wanted.

/// Hosts that anybody knows to serve JSONP or AngularJS, from which an attacker's script runs under the policy.
const KNOWN: [(&str, &str); 16] = [
    ("ajax.googleapis.com", "AngularJS"),
    ("cdn.jsdelivr.net", "every package of npm"),
    ("cdnjs.cloudflare.com", "AngularJS"),
    ("code.angularjs.org", "AngularJS"),
    ("unpkg.com", "every package of npm"),
    ("esm.sh", "every package of npm"),
    ("yastatic.net", "AngularJS"),
    ("accounts.google.com", "JSONP"),
    ("www.google.com", "JSONP"),
    ("www.googleapis.com", "JSONP"),
    ("translate.googleapis.com", "JSONP"),
    ("maps.googleapis.com", "JSONP"),
    ("www.youtube.com", "JSONP"),
    ("graph.facebook.com", "JSONP"),
    ("api.twitter.com", "JSONP"),
    ("raw.githubusercontent.com", "files of anybody"),
];

/// Hosts whose JSONP helps an attacker only where `'unsafe-eval'` is allowed.
const WITH_EVAL: [&str; 6] = [
    "googletagmanager.com",
    "www.googletagmanager.com",
    "www.googleadservices.com",
    "google-analytics.com",
    "ssl.google-analytics.com",
    "www.google-analytics.com",
];

/// The host and what it serves, where a source lets one of the known in. A path narrows the source, and is not followed:
/// redirects widen it again.
pub(super) fn bypass(source: &str, eval: bool) -> Option<(&'static str, &'static str)> {
    let host = host(source).to_ascii_lowercase();
    let within = |known: &str| match host.strip_prefix("*.") {
        Some(parent) => known.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
        None => known == host,
    };
    let with_eval = WITH_EVAL.iter().filter(|_| eval).find(|known| within(known)).map(|known| (*known, "JSONP"));
    KNOWN.iter().find(|(known, _)| within(known)).copied().or(with_eval)
}

/// The host of a source, without scheme, port and path.
pub(super) fn host(source: &str) -> &str {
    let rest = without_scheme(source);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.get(..=end).unwrap_or(authority),
        _ => authority.split(':').next().unwrap_or_default(),
    }
}

pub(super) fn without_scheme(source: &str) -> &str {
    let rest = source.split_once("://").map_or(source, |(_, rest)| rest);
    rest.strip_prefix("//").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_matched_whole_or_by_their_wildcard() {
        assert!(bypass("https://cdn.jsdelivr.net", false).is_some());
        assert!(bypass("*.jsdelivr.net", false).is_some());
        assert!(bypass("https://cdn.jsdelivr.net.evil.example", false).is_none());
        assert!(bypass("jsdelivr.net", false).is_none());
        assert!(bypass("www.googletagmanager.com", false).is_none());
        assert!(bypass("www.googletagmanager.com", true).is_some());
    }

    #[test]
    fn the_host_of_a_source() {
        let cases = [("https://a.example:443/x", "a.example"), ("//a.example", "a.example"), ("[::1]:80", "[::1]")];
        for (source, expected) in cases {
            assert_eq!(host(source), expected);
        }
    }
}
