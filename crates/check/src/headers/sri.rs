//! Scripts of others, and whether the page pins them (SRI).

use super::html::tags;
use super::outcome::{
    Outcome, SRI_ALL, SRI_EXTERNAL, SRI_INSECURE, SRI_MISSING, SRI_MISSING_INSECURE, SRI_NO_SCRIPTS, SRI_NOT_HTML,
    SRI_OWN,
};
use super::site::Page;

/// `host`: the one that was asked for.
pub(crate) fn judge(page: &Page, host: &str) -> &'static Outcome {
    if !page.is_html() {
        return &SRI_NOT_HTML;
    }
    let scripts: Vec<_> = tags(&page.body).into_iter().filter(|tag| tag.name == "script").collect();
    let (mut worst, mut foreign) = (None, false);
    for script in &scripts {
        let Some(source) = script.get("src").filter(|source| !source.is_empty()) else { continue };
        let pinned = script.get("integrity").is_some_and(|hash| !hash.is_empty());
        let place = place(source, host);
        let secure = place.https.unwrap_or(page.place.https && !place.foreign);
        if !place.foreign {
            if pinned && secure && worst.is_none() {
                worst = Some(&SRI_ALL);
            }
            continue;
        }
        foreign = true;
        let found = match (pinned, secure) {
            (true, true) => continue,
            (true, false) => &SRI_INSECURE,
            (false, true) => &SRI_MISSING,
            (false, false) => &SRI_MISSING_INSECURE,
        };
        worst = worst.max_by_badness(found);
    }
    match worst {
        _ if scripts.is_empty() => &SRI_NO_SCRIPTS,
        Some(outcome) => outcome,
        None if foreign => &SRI_EXTERNAL,
        None => &SRI_OWN,
    }
}

struct Script {
    /// `None`: as the page.
    https: Option<bool>,
    foreign: bool,
}

/// An address without its scheme counts as foreign and insecure, whatever host it names: so does the Observatory.
fn place(source: &str, host: &str) -> Script {
    if source.starts_with("//") && !source.starts_with("///") {
        return Script { https: None, foreign: true };
    }
    let rest = source.strip_prefix("https://").map(|rest| (true, rest));
    let Some((https, rest)) = rest.or_else(|| source.strip_prefix("http://").map(|rest| (false, rest))) else {
        return Script { https: None, foreign: false };
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let named = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    Script { https: Some(https), foreign: registrable(&named.to_ascii_lowercase()) != registrable(host) }
}

/// The part of a host that somebody registered: two labels, three under `co.uk` and its like.
///
/// The public suffix list is not here: under the rarer suffixes two sites may look like one.
#[must_use]
pub(super) fn registrable(host: &str) -> &str {
    let dots: Vec<_> = host.rmatch_indices('.').map(|(at, _)| at).collect();
    let is_address = host.starts_with('[') || host.split('.').all(|label| label.parse::<u8>().is_ok());
    let labels: Vec<_> = host.rsplit('.').take(2).collect();
    let country = matches!(labels.as_slice(), [top, second] if top.len() == 2 && SECOND_LEVEL.contains(second));
    match dots.get(if country { 2 } else { 1 }) {
        Some(dot) if !is_address => host.get(dot + 1..).unwrap_or(host),
        _ => host,
    }
}

/// What countries put before their own label.
const SECOND_LEVEL: [&str; 10] = ["ac", "co", "com", "edu", "gov", "ne", "net", "or", "org", "gob"];

trait Worst {
    fn max_by_badness(self, other: &'static Outcome) -> Self;
}

impl Worst for Option<&'static Outcome> {
    fn max_by_badness(self, other: &'static Outcome) -> Self {
        let rank = |outcome: &Outcome| WORSE.iter().position(|known| *known == outcome);
        match self {
            Some(known) if rank(known) >= rank(other) => Some(known),
            _ => Some(other),
        }
    }
}

/// From good to bad, in the Observatory's own order: to be missing over https ranks above a pin over plain http.
static WORSE: [&Outcome; 4] = [&SRI_ALL, &SRI_INSECURE, &SRI_MISSING, &SRI_MISSING_INSECURE];

#[cfg(test)]
mod tests {
    use super::registrable;

    #[test]
    fn sites_are_told_apart_by_what_was_registered() {
        let cases = [
            ("a.b.shop.example", "shop.example"),
            ("shop.example", "shop.example"),
            ("www.shop.co.uk", "shop.co.uk"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
        ];
        for (host, expected) in cases {
            assert_eq!(registrable(host), expected, "{host}");
        }
    }
}
