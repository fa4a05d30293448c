//! `X-Palisade-Event` in an application's answer: what happened, in the application's own words.
//!
//! ```text
//! X-Palisade-Event: AUTH_FAILURE; outcome=failure
//! ```
//!
//! A type of letters, digits, `_`, `-` and `.`, at most 64; then perhaps an outcome: success, failure or unknown. It says
//! nothing else, of nobody else, and never reaches the client. What is malformed, or comes twice, is as if it had not come.
//! On `delegated` routes, whose answers are another provider's, it is not read (`SECURITY.md` 19).

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use palisade_event::{Kind, Outcome};

use crate::exchange::Exchange;

pub(crate) const NAME: HeaderName = HeaderName::from_static("x-palisade-event");

/// The longest type, in bytes.
const MAX_TYPE: usize = 64;

/// What an application said of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) kind: Box<str>,
    pub(crate) outcome: Option<Outcome>,
}

/// Takes note of what the application said. Gives the line back where it is for the gate before this one, which tells it.
pub(crate) fn read(exchange: &mut Exchange, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(NAME).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    if exchange.vouched.is_some() {
        return Some(line.clone());
    }
    if exchange.route().is_none_or(|plan| plan.route.kind != Kind::Delegated) {
        exchange.reported = line.to_str().ok().and_then(parse).map(Box::new);
    }
    None
}

fn parse(line: &str) -> Option<Reported> {
    let (kind, rest) = line.split_once(';').map_or((line, None), |(kind, rest)| (kind, Some(rest)));
    let kind = kind.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if kind.is_empty() || kind.len() > MAX_TYPE || !kind.bytes().all(plain) {
        return None;
    }
    let outcome = match rest {
        None => None,
        Some(rest) => Some(Outcome::from_id(rest.trim().strip_prefix("outcome=")?)?),
    };
    Some(Reported { kind: kind.into(), outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_and_an_outcome_are_read_and_nothing_else_is() {
        let read = |line| parse(line).map(|reported| (reported.kind.into_string(), reported.outcome));
        assert_eq!(read("AUTH_FAILURE"), Some(("AUTH_FAILURE".to_owned(), None)));
        assert_eq!(read(" a.b-c ; outcome=success"), Some(("a.b-c".to_owned(), Some(Outcome::Success))));
        for bad in ["", ";", "a b", "a;", "a; outcome=won", "a; user=root", "a; outcome=failure; x=1", "a\tb", "<b>"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&"a".repeat(65)), None);
    }
}
