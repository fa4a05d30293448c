//! The fields that are judged by their value alone.

use super::html::tags;
use super::outcome::{
    COEP_CREDENTIALLESS, COEP_INVALID, COEP_NONE, COEP_REQUIRE, COEP_UNSAFE, COOP_INVALID, COOP_NONE, COOP_NOOPENER,
    COOP_POPUPS, COOP_SAME, COOP_UNSAFE, CORP_CROSS, CORP_INVALID, CORP_NONE, CORP_ORIGIN, CORP_SITE, CORS_NONE,
    CORS_PUBLIC, CORS_RESTRICTED, CORS_UNIVERSAL, FRAMING_ALLOW, FRAMING_CSP, FRAMING_INVALID, FRAMING_NONE,
    FRAMING_SET, NOSNIFF_INVALID, NOSNIFF_NONE, NOSNIFF_SET, Outcome, REFERRER_INVALID, REFERRER_NONE,
    REFERRER_PRIVATE, REFERRER_UNSAFE,
};
use super::site::{Page, Preflight, values};

pub(crate) fn embedder(page: &Page) -> &'static Outcome {
    match isolation(page, "cross-origin-embedder-policy") {
        Isolation::Missing => &COEP_NONE,
        Isolation::Token("require-corp") => &COEP_REQUIRE,
        Isolation::Token("credentialless") => &COEP_CREDENTIALLESS,
        Isolation::Token("unsafe-none") => &COEP_UNSAFE,
        Isolation::Token(_) | Isolation::Unreadable => &COEP_INVALID,
    }
}

pub(crate) fn opener(page: &Page) -> &'static Outcome {
    match isolation(page, "cross-origin-opener-policy") {
        Isolation::Missing => &COOP_NONE,
        Isolation::Token("same-origin") => &COOP_SAME,
        Isolation::Token("same-origin-allow-popups") => &COOP_POPUPS,
        Isolation::Token("noopener-allow-popups") => &COOP_NOOPENER,
        Isolation::Token("unsafe-none") => &COOP_UNSAFE,
        Isolation::Token(_) | Isolation::Unreadable => &COOP_INVALID,
    }
}

pub(crate) fn resource(page: &Page) -> &'static Outcome {
    let all: Vec<_> = page.all("cross-origin-resource-policy").collect();
    match all.join(", ").trim().to_ascii_lowercase().as_str() {
        "" => &CORP_NONE,
        "same-site" => &CORP_SITE,
        "same-origin" => &CORP_ORIGIN,
        "cross-origin" => &CORP_CROSS,
        _ => &CORP_INVALID,
    }
}

pub(crate) fn nosniff(page: &Page) -> &'static Outcome {
    match page.first("x-content-type-options").unwrap_or_default() {
        "" => &NOSNIFF_NONE,
        value if value.trim().eq_ignore_ascii_case("nosniff") => &NOSNIFF_SET,
        _ => &NOSNIFF_INVALID,
    }
}

/// `by_policy`: whether the merged content security policy has `frame-ancestors`.
pub(crate) fn framing(page: &Page, by_policy: bool) -> &'static Outcome {
    let value = page.first("x-frame-options").unwrap_or_default();
    match value.trim().to_ascii_lowercase().as_str() {
        _ if by_policy => &FRAMING_CSP,
        "" if value.is_empty() => &FRAMING_NONE,
        "deny" | "sameorigin" => &FRAMING_SET,
        other if other.starts_with("allow-from") => &FRAMING_ALLOW,
        _ => &FRAMING_INVALID,
    }
}

/// The last value that is known counts, and a meta element comes after the field.
pub(crate) fn referrer(page: &Page) -> &'static Outcome {
    let typed = page.first("content-type").is_some_and(|value| !value.is_empty());
    let tags = if typed && page.is_html() { tags(&page.body) } else { Vec::new() };
    let named =
        |tag: &&super::html::Tag| tag.get("name").is_some_and(|name| name.trim().eq_ignore_ascii_case("referrer"));
    let metas = tags.iter().filter(|tag| tag.name == "meta").filter(named);
    // One that sets a field is none that names one.
    let metas = metas.filter(|tag| tag.get("http-equiv").is_none() || tag.get("content").is_none());
    let meta = metas.filter_map(|tag| tag.get("content")).rfind(|content| !content.is_empty());
    let all: Vec<_> = page.all("referrer-policy").chain(meta).collect();
    if all.is_empty() {
        return &REFERRER_NONE;
    }
    let words = all.iter().flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase());
    let mut known = words.filter_map(|word| match word.as_str() {
        "no-referrer" | "same-origin" | "strict-origin" | "strict-origin-when-cross-origin" => Some(&REFERRER_PRIVATE),
        "origin" | "origin-when-cross-origin" | "unsafe-url" | "no-referrer-when-downgrade" => Some(&REFERRER_UNSAFE),
        _ => None,
    });
    known.next_back().unwrap_or(&REFERRER_INVALID)
}

/// The peer never sees the origin that it sent, and calls a reflected one with credentials restricted; it is universal.
pub(crate) fn sharing(preflight: Option<&Preflight>) -> &'static Outcome {
    let Some(answer) = preflight else { return &CORS_NONE };
    let first = |name| values(&answer.headers, name).next().unwrap_or_default();
    let allowed = first("access-control-allow-origin");
    let credentials = first("access-control-allow-credentials").trim().eq_ignore_ascii_case("true");
    match allowed.trim() {
        "" if allowed.is_empty() => &CORS_NONE,
        "*" => &CORS_PUBLIC,
        allowed if allowed == answer.origin && credentials => &CORS_UNIVERSAL,
        _ => &CORS_RESTRICTED,
    }
}

enum Isolation<'a> {
    Missing,
    Token(&'a str),
    Unreadable,
}

/// An item whose value is a token (RFC 8941, 3.3), as the HTML standard reads both fields; sent once.
fn isolation<'a>(page: &'a Page, name: &'a str) -> Isolation<'a> {
    let mut all = page.all(name);
    match (all.next().unwrap_or_default(), all.next()) {
        (_, Some(_)) => Isolation::Unreadable,
        ("", None) => Isolation::Missing,
        (value, None) => token(value.trim_matches(' ')).map_or(Isolation::Unreadable, Isolation::Token),
    }
}

fn token(value: &str) -> Option<&str> {
    let end =
        value.find(|c: char| !c.is_ascii_alphanumeric() && !":/!#$%&'*+-.^_`|~".contains(c)).unwrap_or(value.len());
    let (token, rest) = value.split_at(end);
    (token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '*') && parameters(rest)).then_some(token)
}

/// Whether parameters of an item can be read: `;key`, `;key=token`, `;key="text"`, numbers and booleans.
fn parameters(mut rest: &str) -> bool {
    while let Some(after) = rest.strip_prefix(';') {
        let after = after.trim_start_matches(' ');
        if !after.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return false;
        }
        let key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c);
        rest = after.trim_start_matches(key);
        let Some(value) = rest.strip_prefix('=') else { continue };
        if let Some(text) = value.strip_prefix('"') {
            let Some((_, after)) = text.split_once('"') else { return false };
            rest = after;
            continue;
        }
        rest = value.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || ":/!#$%&'*+-.^_`|~?".contains(c));
        if rest.len() == value.len() {
            return false;
        }
    }
    rest.is_empty()
}
