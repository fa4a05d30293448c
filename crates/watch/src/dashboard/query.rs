//! The query of a page, and links that keep most of it.

use std::fmt::Write as _;

/// Names and values, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Values beyond it are cut, in bytes.
const CAP: usize = 300;

// === impl Query ===

impl Query {
    pub(crate) fn read(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(32);
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    /// The value of a name; none where it is missing or empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    /// The same query with another value for a name, after a `?`.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mut text = String::from("?");
        let kept = self.0.iter().filter(|(known, kept)| known != name && !kept.is_empty());
        for (name, value) in kept.map(|(name, value)| (name.as_str(), value.as_str())).chain([(name, value)]) {
            if text.len() > 1 {
                text.push('&');
            }
            let _ = write!(text, "{}={}", encoded(name), encoded(value));
        }
        text
    }
}

/// A text as part of a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        if bytes.len() >= CAP {
            break;
        }
        rest = after;
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, beyond @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push(hex(high).unwrap_or(0) << 4 | hex(low).unwrap_or(0));
                rest = beyond;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_kept_and_changed() {
        let query = Query::read("status=429&route=%2Fa%3Fb+c&empty=&page=2");
        assert_eq!((query.value("status"), query.value("route")), (Some("429"), Some("/a?b c")));
        assert_eq!((query.value("empty"), query.value("nothing")), (None, None));
        assert_eq!(query.with("page", "3"), "?status=429&route=%2Fa%3Fb%20c&page=3");
        assert_eq!(Query::read("a=%").value("a"), Some("%"));
        assert!(Query::read(&format!("a={}", "x".repeat(9999))).value("a").is_some_and(|value| value.len() == CAP));
    }
}
