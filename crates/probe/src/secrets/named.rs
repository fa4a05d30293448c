//! `api_key = "..."`: a telling name, an assignment, and a value that looks like chance.

use super::find::{back, forward};
use super::noise;
use super::shape::Class;

/// What a name of a secret contains; found in any case.
pub(super) const NAMES: &[&str] = &[
    "api_key",
    "apikey",
    "api-key",
    "secret",
    "token",
    "passwd",
    "password",
    "passphrase",
    "private_key",
    "privatekey",
    "access_key",
    "accesskey",
    "auth_key",
    "authkey",
    "encryption_key",
    "encryptionkey",
    "signing_key",
    "signingkey",
    "credential",
    "_key",
];

/// The last word of a name that is a secret; `tokenUrl`, `secretName` and `max_tokens` are none.
const LAST: [&str; 12] = [
    "key",
    "apikey",
    "secret",
    "token",
    "passwd",
    "password",
    "passphrase",
    "credential",
    "credentials",
    "auth",
    "pat",
    "accesskey",
];

/// Words after it that change nothing: `API_KEY_PROD`.
const SUFFIXES: [&str; 9] = ["prod", "production", "live", "dev", "development", "staging", "test", "old", "previous"];

/// Words before `key` that make it a name of something else: `primary_key`, `publicKey`.
const OTHER_KEYS: [&str; 16] = [
    "public",
    "primary",
    "foreign",
    "publishable",
    "sort",
    "partition",
    "cache",
    "storage",
    "query",
    "row",
    "unique",
    "index",
    "react",
    "object",
    "map",
    "translation",
];

/// How values are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// In quotes alone: programs.
    Quoted,
    /// With or without quotes: env files, YAML, ini.
    Bare,
    /// Nowhere: lock files, tests, built files, prose.
    Nowhere,
}

/// Where the value lies that is given to the name at `start..end`.
pub(super) fn value(text: &[u8], start: usize, end: usize, writing: Writing) -> Option<(usize, usize)> {
    let first = start - back(text, start, 60, |byte| Class::Url.has(byte));
    let last = end + forward(text, end, 60, |byte| Class::Url.has(byte));
    let password = is_secret_name(text.get(first..last)?)?;
    let (begin, close) = after_assignment(text, last)?;
    let (begin, length) = match close {
        Some(quote) => {
            (begin, forward(text, begin, 260, |byte| byte != quote && !byte.is_ascii_whitespace() && byte != b'\\'))
        }
        None if writing == Writing::Bare => (
            begin,
            forward(text, begin, 260, |byte| {
                byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b',' | b';')
            }),
        ),
        None => return None,
    };
    let stop = begin + length;
    let closed = match close {
        Some(quote) => text.get(stop) == Some(&quote),
        None => text.get(stop).is_none_or(u8::is_ascii_whitespace),
    };
    let value = text.get(begin..stop)?;
    (closed && length <= 256 && noise::looks_random(value, password)).then_some((begin, stop))
}

/// Whether the identifier names a secret; `Some(true)` for a password.
fn is_secret_name(name: &[u8]) -> Option<bool> {
    let mut words = words(name);
    while words
        .last()
        .is_some_and(|word| SUFFIXES.contains(&word.as_str()) || word.bytes().all(|byte| byte.is_ascii_digit()))
    {
        words.pop();
    }
    let last = words.pop()?;
    if !LAST.contains(&last.as_str()) {
        return None;
    }
    let before = words.last().map(String::as_str).unwrap_or_default();
    let other = last == "key"
        && (words.is_empty() || OTHER_KEYS.contains(&before) || words.iter().any(|word| word == "public"));
    let shown =
        words.iter().any(|word| matches!(word.as_str(), "csrf" | "publishable" | "anon" | "site")) && last != "secret";
    (!other && !shown).then(|| last.starts_with("pass"))
}

/// The words of an identifier, in lower case.
fn words(name: &[u8]) -> Vec<String> {
    name.split(|byte| matches!(byte, b'_' | b'-'))
        .flat_map(|part| part.chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase())))
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
        .collect()
}

/// Where a value begins after `=`, `:`, `=>`, `:=`, `||` or `??`, and the quote that closes it.
fn after_assignment(text: &[u8], end: usize) -> Option<(usize, Option<u8>)> {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    // The quote or bracket that ends the name itself: `"api_key": `, `process.env["API_KEY"] || `.
    let closing = end + forward(text, end, 2, |byte| matches!(byte, b'"' | b'\'' | b'`' | b']' | b'!' | b'?'));
    let mut at = closing + forward(text, closing, 20, blank);
    // `: string = `
    if let Some(typed) = text.get(at..).and_then(|rest| rest.strip_prefix(b": string")) {
        let rest = text.len() - typed.len();
        at = rest + forward(text, rest, 20, blank);
    }
    let rest = text.get(at..)?;
    let operator =
        ["=>", ":=", "||=", "??=", "||", "??", "=", ":"].into_iter().find(|sign| rest.starts_with(sign.as_bytes()))?;
    at += operator.len();
    if text.get(at) == Some(&b'=') {
        return None;
    }
    at += forward(text, at, 20, blank);
    match text.get(at)? {
        quote @ (b'"' | b'\'' | b'`') => Some((at + 1, Some(*quote))),
        _ => Some((at, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "9fK2mXq7Lr4Tz8Bv";

    fn finds(line: &str, writing: Writing) -> bool {
        let lower = line.to_ascii_lowercase();
        NAMES.iter().any(|name| {
            lower.match_indices(name).any(|(at, name)| value(line.as_bytes(), at, at + name.len(), writing).is_some())
        })
    }

    #[test]
    fn assignments_of_all_kinds_are_found() {
        for line in [
            "const api_key = \"V\"",
            "api_key: 'V'",
            "\"apiKey\": \"V\",",
            "API_KEY_PROD = `V`",
            "client_secret => \"V\"",
            "password := \"V\"",
            "const key = process.env.API_KEY || \"V\"",
            "let apiKey: string = \"V\";",
            "process.env['ACCESS_TOKEN'] ?? 'V'",
        ] {
            let line = line.replace('V', VALUE);
            assert!(finds(&line, Writing::Quoted), "{line}");
        }
        assert!(finds(&format!("SESSION_SECRET={VALUE}"), Writing::Bare));
        assert!(finds(&format!("  authToken: {VALUE}\n"), Writing::Bare));
    }

    #[test]
    fn what_is_no_assignment_of_a_secret_is_not() {
        for line in [
            "if (password === \"V\")",
            "tokenUrl = \"V\"",
            "max_tokens: \"V\"",
            "publicKey = \"V\"",
            "primary_key = \"V\"",
            "key = \"V\"",
            "secretName: \"V\"",
            "password_field = \"V\"",
            "csrfToken = \"V\"",
            "token_type: \"V\"",
            "api_key = V",
            "secret: \"V",
            "tokenizer = \"V\"",
        ] {
            let line = line.replace('V', VALUE);
            assert!(!finds(&line, Writing::Quoted), "{line}");
        }
        assert!(!finds("PASSWORD=$(cat /run/secret1)", Writing::Bare));
    }
}
