//! Cookies as browsers send them (RFC 6265 section 5.4), read strictly.

use http::{HeaderMap, header};

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
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (Some(key), Some(value)) = (halves.next(), halves.next()) else { continue };
            if trim(key) != name.as_bytes() {
                continue;
            }
            // A value that is not text is none of ours, and the application may read it otherwise.
            found = match (found, std::str::from_utf8(trim(value))) {
                (Cookie::Absent, Ok(value)) => Cookie::One(value),
                _ => Cookie::Ambiguous,
            };
        }
    }
    found
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
}
