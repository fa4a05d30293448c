//! The words of the language: directives, keywords, nonces, hashes, schemes.

/// Whether it is a directive that some level of CSP knows.
pub(super) fn is_known(name: &str) -> bool {
    is_fetch(name) || OTHER.contains(&name)
}

/// Whether `default-src` stands in for it.
pub(super) fn is_fetch(name: &str) -> bool {
    FETCH.contains(&name)
}

/// Whether it is a keyword, with its quotes.
pub(super) fn is_keyword(value: &str) -> bool {
    value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).is_some_and(is_keyword_word)
}

/// Whether it would be a keyword with quotes around it.
pub(super) fn is_keyword_word(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// `https:` and its like.
pub(super) fn is_scheme(value: &str) -> bool {
    value.strip_suffix(':').is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    })
}

/// Whether it is a nonce or a hash that browsers take.
pub(super) fn proves(value: &str) -> bool {
    is_nonce(value) || is_hash(value)
}

pub(super) fn is_nonce(value: &str) -> bool {
    nonce(value).is_some_and(is_base64)
}

/// What stands between `'nonce-` and the quote, whatever it is.
pub(super) fn nonce(value: &str) -> Option<&str> {
    value.strip_prefix("'nonce-")?.strip_suffix('\'').filter(|nonce| !nonce.is_empty())
}

pub(super) fn is_hash(value: &str) -> bool {
    let body = ["'sha256-", "'sha384-", "'sha512-"].iter().find_map(|start| value.strip_prefix(start));
    body.and_then(|body| body.strip_suffix('\'')).is_some_and(is_base64)
}

fn is_base64(text: &str) -> bool {
    let body = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    !body.is_empty() && body.chars().all(|c| c.is_ascii_alphanumeric() || "+/_-".contains(c))
}

const FETCH: [&str; 16] = [
    "child-src",
    "connect-src",
    "default-src",
    "font-src",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "worker-src",
];

const OTHER: [&str; 18] = [
    "base-uri",
    "block-all-mixed-content",
    "disown-opener",
    "form-action",
    "frame-ancestors",
    "navigate-to",
    "plugin-types",
    "prefetch-src",
    "referrer",
    "reflected-xss",
    "report-to",
    "report-uri",
    "require-sri-for",
    "require-trusted-types-for",
    "sandbox",
    "trusted-types",
    "upgrade-insecure-requests",
    "webrtc",
];

const KEYWORDS: [&str; 13] = [
    "self",
    "none",
    "unsafe-inline",
    "unsafe-eval",
    "wasm-eval",
    "wasm-unsafe-eval",
    "strict-dynamic",
    "unsafe-hashed-attributes",
    "unsafe-hashes",
    "report-sample",
    "block",
    "allow",
    "inline-speculation-rules",
];
