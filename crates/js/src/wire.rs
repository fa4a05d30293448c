//! How messages are written. Numbers are little-endian; a text is its length in four bytes, then its bytes.

use std::str::FromStr as _;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// A message from JavaScript, read from front to back.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// The message is not what the operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// Fields that stand once in an honest request and never hold a comma. `Headers` of the fetch standard joins lines of
/// one name; where such a field was doubled, the guard must see it.
const SINGLE: [&str; 6] =
    ["origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "x-palisade-admitted", "x-request-id"];
/// No script answers more: six for each of the blocks there may be.
const MAX_INTEGERS: usize = 6 * palisade_guard::MAX_BLOCKS;
/// 2^53: what JavaScript counts to without loss.
const SAFE: f64 = 9_007_199_254_740_992.0;

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Reader<'a> {
        Reader(message)
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Bad)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Bad> {
        self.take(1)?.first().copied().ok_or(Bad)
    }

    pub(crate) fn length(&mut self) -> Result<u32, Bad> {
        Ok(u32::from_le_bytes(*self.take(4)?.first_chunk().ok_or(Bad)?))
    }

    /// A whole number, written as JavaScript keeps it: 64 bits of floating point.
    pub(crate) fn number(&mut self) -> Result<u64, Bad> {
        let number = f64::from_le_bytes(*self.take(8)?.first_chunk().ok_or(Bad)?);
        if !(0.0..=SAFE).contains(&number) {
            return Err(Bad);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds, fraction unwanted")]
        Ok(number as u64)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Bad> {
        let length = self.length()?;
        self.take(usize::try_from(length).map_err(|_| Bad)?)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Bad> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Bad)
    }

    /// Whole numbers in decimal, with commas between: what a script answers.
    pub(crate) fn list(bytes: &[u8]) -> Result<Vec<i64>, Bad> {
        let text = std::str::from_utf8(bytes).map_err(|_| Bad)?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        text.split(',').take(MAX_INTEGERS).map(|number| number.parse().map_err(|_| Bad)).collect()
    }

    /// [`Reader::list`] of what comes next.
    pub(crate) fn integers(&mut self) -> Result<Vec<i64>, Bad> {
        Reader::list(self.bytes()?)
    }

    /// `METHOD TARGET\n`, then `name:value\n` for each field; `csrf` is one more field that stands once.
    pub(crate) fn head(&mut self, csrf: &str) -> Result<Head, Bad> {
        let mut lines = self.bytes()?.split(|byte| *byte == b'\n');
        let first = std::str::from_utf8(lines.next().ok_or(Bad)?).map_err(|_| Bad)?;
        let (method, target) = first.split_once(' ').ok_or(Bad)?;
        let headers = fields(lines, csrf)?;
        let uri = Uri::from_str(target).map_err(|_| Bad)?;
        Ok(Head { method: Method::from_str(method).map_err(|_| Bad)?, uri, headers })
    }

    /// `name:value\n` for each field of a response.
    pub(crate) fn headers(&mut self) -> Result<HeaderMap, Bad> {
        fields(self.bytes()?.split(|byte| *byte == b'\n'), "")
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>, csrf: &str) -> Result<HeaderMap, Bad> {
    let mut headers = HeaderMap::with_capacity(24);
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Bad)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Bad)?;
        let name = HeaderName::from_bytes(name).map_err(|_| Bad)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let single = SINGLE.contains(&name.as_str()) || name.as_str().eq_ignore_ascii_case(csrf);
        for value in value.split(|byte| single && *byte == b',') {
            let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| Bad)?;
            headers.try_append(name.clone(), value).map_err(|_| Bad)?;
        }
    }
    Ok(headers)
}

/// Writes an answer: its whole length, the length of its JSON, the JSON, the length of the event line, the line, and
/// whatever is left is a body.
pub(crate) fn answer(out: &mut Vec<u8>, json: &[u8], event: &[u8], body: &[u8]) {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX);
    let whole = [json, event, body].into_iter().map(length).fold(8, u32::saturating_add);
    out.clear();
    out.extend_from_slice(&whole.to_le_bytes());
    out.extend_from_slice(&length(json).to_le_bytes());
    out.extend_from_slice(json);
    out.extend_from_slice(&length(event).to_le_bytes());
    out.extend_from_slice(event);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, csrf: &str) -> Result<HeaderMap, Bad> {
        fields(text.as_bytes().split(|byte| *byte == b'\n'), csrf)
    }

    #[test]
    fn doubled_fields_are_seen_although_they_came_joined() {
        let headers =
            lines("origin: https://a.example, https://b.example\nx-csrf-token:a, b\naccept:a,b\n", "X-CSRF-Token")
                .expect("headers");
        let count = |name: &str| headers.get_all(name).iter().count();
        assert_eq!((count("origin"), count("x-csrf-token"), count("accept")), (2, 2, 1));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bad in ["no colon", "a b:c", "a:\u{0}", ":v"] {
            assert_eq!(lines(bad, ""), Err(Bad), "{bad:?}");
        }
        let mut short = Reader::new(&[9, 0, 0, 0, b'x']);
        assert_eq!(short.bytes(), Err(Bad));
        for bad in [f64::NAN, -1.0, f64::INFINITY, 1e300] {
            assert_eq!(Reader::new(&bad.to_le_bytes()).number(), Err(Bad), "{bad}");
        }
        assert_eq!(Reader::new(&1.5f64.to_le_bytes()).number(), Ok(1));
    }
}
