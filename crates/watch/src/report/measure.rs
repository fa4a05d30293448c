//! What counts as what. One place, so that the report, the pages and the documentation mean the same by a word.

use crate::store::{Cell, Share};

/// Something that is counted week after week.
#[derive(Debug)]
pub(crate) struct Measure {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its colour in plots.
    pub(crate) class: &'static str,
    /// Whether a cell's events count.
    pub(crate) counts: fn(&Cell) -> bool,
}

/// What is compared hour by hour.
pub(crate) const MEASURES: &[Measure] = &[
    Measure { name: "Requests", class: "c-pass", counts: |cell| cell.status != 0 },
    Measure { name: "Failed sign-ins", class: "c-held", counts: |cell| is_failed_sign_in(&cell.kind, &cell.what) },
    Measure { name: "Too many requests (429)", class: "c-held", counts: |cell| cell.status == 429 },
    Measure { name: "CSRF failures", class: "c-held", counts: |cell| is_csrf(&cell.code) },
    Measure { name: "Unauthorized (401)", class: "c-held", counts: |cell| cell.status == 401 },
    Measure { name: "Forbidden (403)", class: "c-held", counts: |cell| cell.status == 403 },
    Measure { name: "Server errors", class: "c-bad", counts: |cell| cell.status >= 500 },
];

/// The word `field:` before a field that failed validation.
const FIELD: &str = "field:";

/// Whether one of the words of what happened is that one.
pub(crate) fn says(what: &str, word: &str) -> bool {
    what.split(' ').any(|known| known == word)
}

/// An attempt to sign in: on a `login` route, or reported as one.
fn is_sign_in(kind: &str, what: &str) -> bool {
    kind == "login" || says(what, "login") || says(what, "auth-failure")
}

/// An attempt to sign in that the application refused.
pub(crate) fn is_failed_sign_in(kind: &str, what: &str) -> bool {
    is_sign_in(kind, what) && (says(what, "failure") || says(what, "auth-failure"))
}

/// An attempt to sign in that the application took.
pub(crate) fn is_good_sign_in(kind: &str, what: &str) -> bool {
    is_sign_in(kind, what) && says(what, "success")
}

/// A refusal for want of a good CSRF token or origin.
pub(crate) fn is_csrf(code: &str) -> bool {
    code.starts_with("csrf-")
}

/// Input that broke off a schema.
pub(crate) fn is_invalid(code: &str) -> bool {
    code == "validation-failed"
}

/// The fields of what happened that failed validation.
pub(crate) fn fields(what: &str) -> impl Iterator<Item = &str> {
    what.split(' ').filter_map(|word| word.strip_prefix(FIELD))
}

/// How much a client's doing is worth a look: failed sign-ins, lockouts, attack signals, probes.
pub(crate) fn is_suspicious(share: &Share) -> bool {
    let Share { code, kind, what, .. } = share;
    is_failed_sign_in(kind, what) || code == "login-locked" || SIGNALS.iter().any(|(signal, _)| says(what, signal))
}

/// Signals of attacks in input, and what people call them.
pub(crate) const SIGNALS: [(&str, &str); 5] = [
    ("xss", "script (XSS) attempts"),
    ("sql-injection", "SQL injection attempts"),
    ("excessive-length", "excessive lengths"),
    ("traversal", "path traversal attempts"),
    ("known-exploit", "probes for known holes"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_words_and_sign_ins_are_told_from_the_rest() {
        assert!(is_failed_sign_in("login", "failure") && is_failed_sign_in("", "login failure"));
        assert!(!is_failed_sign_in("account", "admin-action failure") && !is_failed_sign_in("login", "success"));
        assert!(
            is_failed_sign_in("", "auth-failure AUTH_FAILURE") && is_good_sign_in("", "login session.created success")
        );
        assert_eq!(fields("xss field:/email field:/a/*/b").collect::<Vec<_>>(), ["/email", "/a/*/b"]);
        assert!(!says("failures", "failure"));
    }
}
