//! HSTS, and where plain http leads to.
//!
//! The list that browsers carry of hosts with HSTS is not here: `hsts-preloaded` and `redirection-all-redirects-preloaded`
//! are never a result of ours.

use super::outcome::{
    HSTS_CERTIFICATE, HSTS_INVALID, HSTS_LONG, HSTS_NO_HTTPS, HSTS_NONE, HSTS_SHORT, Outcome, REDIRECT_CERTIFICATE,
    REDIRECT_HTTPS, REDIRECT_LATE, REDIRECT_MISSING, REDIRECT_NOT_HTTPS, REDIRECT_OFF_HOST, REDIRECT_UNNEEDED,
};
use super::site::Site;

/// Six months as many sites write them: 180 days.
const SIX_MONTHS: u64 = 15_552_000;

pub(crate) fn hsts(site: &Site) -> &'static Outcome {
    let Some(page) = &site.https else { return &HSTS_NO_HTTPS };
    if !page.verified {
        return &HSTS_CERTIFICATE;
    }
    let Some(value) = page.first("strict-transport-security") else { return &HSTS_NONE };
    match max_age(value) {
        None => &HSTS_INVALID,
        Some(seconds) if seconds < SIX_MONTHS => &HSTS_SHORT,
        Some(_) => &HSTS_LONG,
    }
}

/// The seconds that a field's value names; `None` where it cannot be read, or was sent twice.
#[must_use]
pub fn max_age(value: &str) -> Option<u64> {
    if value.contains(',') {
        return None;
    }
    let mut ages = value.split(';').filter_map(|part| {
        let part = part.trim().to_ascii_lowercase();
        let digits = part.strip_prefix("max-age=")?.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        // What begins with no digit is still a max-age, one that says nothing.
        Some(digits.get(..end).filter(|digits| !digits.is_empty()).map(|digits| digits.parse().unwrap_or(u64::MAX)))
    });
    ages.next_back().flatten()
}

pub(crate) fn redirection(site: &Site) -> &'static Outcome {
    let Some(page) = &site.http else { return &REDIRECT_UNNEEDED };
    if !page.verified {
        return &REDIRECT_CERTIFICATE;
    }
    match site.route.as_slice() {
        [] | [_] => &REDIRECT_MISSING,
        [.., last] if !last.https => &REDIRECT_NOT_HTTPS,
        [_, second, ..] if !second.https => &REDIRECT_LATE,
        [first, second, ..] if first.host != second.host => &REDIRECT_OFF_HOST,
        _ => &REDIRECT_HTTPS,
    }
}
