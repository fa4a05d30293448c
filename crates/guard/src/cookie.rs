//! Cookies as browsers send them (RFC 6265 section 5.4), read strictly.

use http::{HeaderMap, HeaderValue, header};

use crate::login::strip_device;

/// The names that the gate's own dashboard keeps for itself.
const ADMIN_COOKIES: [&str; 2] = ["palisade-admin", "__Host-palisade-admin"];

/// What the Cookie headers say of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie<'a> {
    /// No such cookie.
    Absent,
    /// Exactly one.
    One(&'a str),
    /// Several: a sibling domain or another path tossed one; no telling which is ours.
    Ambiguous,
}

/// Finds the cookie `name` over all Cookie lines.
///
/// Pairs are split at `;` and stripped of space and tab alone; names match by case. There is no `$Version`, no quoting,
/// and a pair without `=` is a value without a name, which names nothing.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Cookie<'a> {
    let mut found = Cookie::Absent;
    for line in headers.get_all(header::COOKIE) {
        for pair in pairs(line.as_bytes()) {
            // No name has a space or `=` in it, so what begins with it is either it or a longer one.
            let Some(rest) = trim(pair).strip_prefix(name.as_bytes()) else { continue };
            let Some((b'=', value)) = trim(rest).split_first() else { continue };
            // A value that is not text is none of ours, and the application may read it otherwise.
            found = match (found, std::str::from_utf8(trim(value))) {
                (Cookie::Absent, Ok(value)) => Cookie::One(value),
                _ => Cookie::Ambiguous,
            };
        }
    }
    found
}

/// The pairs of a line, untrimmed.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let all = rest.take()?;
        let Some(end) = memchr::memchr(b';', all) else { return Some(all) };
        rest = all.get(end + 1..);
        all.get(..end)
    })
}

/// Takes out of a request the cookies that are the gate's business alone.
pub(crate) fn strip(headers: &mut HeaderMap) {
    strip_admin(headers);
    strip_device(headers);
}

/// Whether a line may hold a cookie of one of the gate's names. Most hold none that looks like one.
pub(crate) fn may_hold_ours(line: &[u8]) -> bool {
    pairs(line).any(|pair| may_be_ours(trim(pair)))
}

/// Takes the cookies of the gate's own dashboard out of a request: browsers send a cookie to every port of a host, and
/// the application has no business with them (SECURITY.md 20). Other cookies pass byte for byte.
fn strip_admin(headers: &mut HeaderMap) {
    let lines = || headers.get_all(header::COOKIE).iter();
    if !lines().any(|line| pairs(line.as_bytes()).any(is_admin)) {
        return;
    }
    let kept: Vec<Vec<u8>> = lines()
        .map(|line| {
            let pairs = line.as_bytes().split(|byte| *byte == b';').filter(|pair| !is_admin(pair));
            trim(&pairs.collect::<Vec<_>>().join(&b';')).to_vec()
        })
        .collect();
    headers.remove(header::COOKIE);
    for line in kept.into_iter().filter(|line| !line.is_empty()) {
        if let Ok(line) = HeaderValue::from_maybe_shared(bytes::Bytes::from(line)) {
            headers.append(header::COOKIE, line);
        }
    }
}

/// Takes away what an application would set under the dashboard's names: it could sign an operator in as somebody else.
pub(crate) fn strip_admin_set(headers: &mut HeaderMap) {
    if !headers.get_all(header::SET_COOKIE).iter().any(|line| is_admin(line.as_bytes())) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|line| !is_admin(line.as_bytes())).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for line in kept {
        headers.append(header::SET_COOKIE, line);
    }
}

/// Whether a pair begins as `palisade-...` and `__Host-palisade-...` do.
fn may_be_ours(pair: &[u8]) -> bool {
    matches!(pair.first(), Some(b'p' | b'P' | b'_'))
}

/// Whether a pair has one of [`ADMIN_COOKIES`] as its name.
fn is_admin(pair: &[u8]) -> bool {
    let pair = trim(pair);
    if !may_be_ours(pair) {
        return false;
    }
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    ADMIN_COOKIES.iter().any(|own| trim(name).eq_ignore_ascii_case(own.as_bytes()))
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, http::HeaderValue::from_bytes(line).expect("value"));
        }
        headers
    }

    #[test]
    fn finds_exactly_one() {
        let cases: &[(&[&[u8]], Cookie<'_>)] = &[
            (&[], Cookie::Absent),
            (&[b"sid=1"], Cookie::One("1")),
            (&[b"a=2; sid=1; b=3"], Cookie::One("1")),
            (&[b"a=2;\t sid = 1 "], Cookie::One("1")),
            (&[b"a=2", b"sid=1"], Cookie::One("1")),
            (&[b"sid=1; sid=1"], Cookie::Ambiguous),
            (&[b"sid=1", b"sid=2"], Cookie::Ambiguous),
            (&[b"SID=1; xsid=2; sid"], Cookie::Absent),
            (&[b"=sid=1"], Cookie::Absent),
            (&[b"a=\"x; sid=1; y\""], Cookie::One("1")),
            (&[b"$Version=1; sid=1"], Cookie::One("1")),
            (&[b"sid=a=b"], Cookie::One("a=b")),
            (&[b"\xff=1; sid=9"], Cookie::One("9")),
            (&[b"name=\xc3\xa9; sid=1", b"sid=2"], Cookie::Ambiguous),
            (&[b"sid=\xff"], Cookie::Ambiguous),
        ];
        for (lines, expect) in cases {
            assert_eq!(cookie(&headers(lines), "sid"), *expect, "{lines:?}");
        }
    }

    #[test]
    fn the_dashboards_cookies_never_reach_the_application_nor_come_from_it() {
        for (lines, left) in [
            (&["a=1; palisade-admin=x; b=2"][..], &["a=1; b=2"][..]),
            (&["palisade-admin=x"], &[]),
            (&["PALISADE-ADMIN=x;a=1", "b=2;__host-palisade-admin=y"], &["a=1", "b=2"]),
            (&["palisade-admin"], &[]),
            (&["palisade-admin2=x;  a=palisade-admin"], &["palisade-admin2=x;  a=palisade-admin"]),
        ] {
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let mut headers = headers(&bytes);
            strip_admin(&mut headers);
            assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), left, "{lines:?}");
        }
        let mut set = HeaderMap::new();
        for line in ["a=1; Path=/", "palisade-admin=evil; Path=/", " __Host-Palisade-Admin =evil"] {
            set.append(header::SET_COOKIE, HeaderValue::from_str(line).expect("value"));
        }
        strip_admin_set(&mut set);
        assert_eq!(set.get_all(header::SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1; Path=/"]);
    }
}
