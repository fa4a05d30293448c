//! The one form field the gate reads: the CSRF token, from the first bytes of a form.

use http::{HeaderMap, header};

/// A form's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding<'a> {
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data` with its boundary.
    Multipart(&'a str),
}

/// The longest boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY: usize = 70;

impl<'a> Encoding<'a> {
    /// The encoding the head announces, if it is a form.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Encoding<'a>> {
        match essence(headers)? {
            "application/x-www-form-urlencoded" => Some(Encoding::Urlencoded),
            "multipart/form-data" => {
                let boundary = parameter(content_type(headers)?, "boundary").ok()??;
                (!boundary.is_empty() && boundary.len() <= MAX_BOUNDARY).then_some(Encoding::Multipart(boundary))
            }
            _ => None,
        }
    }

    /// The field's value. Of a multipart form only the first part is looked at; of a cut body only what is whole.
    pub(crate) fn field(self, body: &[u8], name: &str, complete: bool) -> Option<String> {
        match self {
            Encoding::Urlencoded => urlencoded(body, name, complete),
            Encoding::Multipart(boundary) => first_part(body, boundary, name),
        }
    }
}

/// The media type without parameters, as sent; `None` where there is none or several.
pub(crate) fn essence(headers: &HeaderMap) -> Option<&str> {
    let essence = content_type(headers)?.split(';').next()?.trim();
    // Lower case is what every browser sends; another spelling is another type here.
    essence.bytes().all(|byte| !byte.is_ascii_uppercase()).then_some(essence)
}

pub(crate) fn charset(headers: &HeaderMap) -> Result<Option<&str>, Odd> {
    content_type(headers).map_or(Ok(None), |line| parameter(line, "charset"))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line)
}

/// Parameters that two readers would find differently: one that comes twice, a separator or an escape inside quotes, the
/// extended form of RFC 8187. An application that splits them with more or less care than the guard reads another body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Odd;

/// The value of a parameter of a header field, which may be quoted. All parameters are looked at, whichever is asked for.
pub(crate) fn parameter<'a>(line: &'a str, name: &str) -> Result<Option<&'a str>, Odd> {
    const BLANK: [char; 2] = [' ', '\t'];
    let mut rest = line.find(';').and_then(|at| line.get(at..)).unwrap_or_default();
    let mut found = None;
    while let Some(next) = rest.strip_prefix(';').map(|next| next.trim_start_matches(BLANK)).filter(|it| !it.is_empty())
    {
        let (key, value) = next.split_once('=').ok_or(Odd)?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(Odd)?,
            None => {
                let (value, after) = value.split_at(value.find(';').unwrap_or(value.len()));
                let value = value.trim_end_matches(BLANK);
                (Some(value).filter(|value| !value.contains(BLANK)).ok_or(Odd)?, after)
            }
        };
        let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let twice = key.eq_ignore_ascii_case(name) && found.replace(value).is_some();
        if !plain || twice || value.contains(['"', '\\', ';', ',']) {
            return Err(Odd);
        }
        rest = after.trim_start_matches(BLANK);
    }
    if rest.trim_matches([';', ' ', '\t']).is_empty() { Ok(found) } else { Err(Odd) }
}

fn urlencoded(body: &[u8], name: &str, complete: bool) -> Option<String> {
    let mut pairs = body.split(|byte| *byte == b'&').peekable();
    let mut found = None;
    while let Some(pair) = pairs.next() {
        if pairs.peek().is_none() && !complete {
            break;
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (Some(key), Some(value)) = (halves.next(), halves.next()) else { continue };
        if decode(key).as_deref() == Some(name) {
            // Two tokens: which one the application would read cannot be known.
            if found.is_some() {
                return None;
            }
            found = Some(decode(value)?);
        }
    }
    found
}

/// A field's text: `+` is a space, escapes are read once; `None` where they are not UTF-8.
pub(crate) fn decode(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The first part of a multipart form (RFC 7578), when its name is `name` and it is whole.
fn first_part(body: &[u8], boundary: &str, name: &str) -> Option<String> {
    let text = body.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?.strip_prefix(b"\r\n")?;
    let head_end = find(text, b"\r\n\r\n")?;
    let (head, content) = (text.get(..head_end)?, text.get(head_end + 4..)?);
    let head = std::str::from_utf8(head).ok()?;
    let mut dispositions = head.split("\r\n").filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    });
    let (disposition, None) = (dispositions.next()?, dispositions.next()) else { return None };
    let form = disposition.split(';').next()?.trim().eq_ignore_ascii_case("form-data");
    let plain = parameter(disposition, "filename") == Ok(None);
    if !form || !plain || parameter(disposition, "name") != Ok(Some(name)) {
        return None;
    }
    let end = find(content, [b"\r\n--".as_slice(), boundary.as_bytes()].concat().as_slice())?;
    String::from_utf8(content.get(..end)?.to_vec()).ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().expect("value"));
        headers
    }

    #[test]
    fn only_the_two_form_encodings_are_forms() {
        for (content_type, expect) in [
            ("application/x-www-form-urlencoded", Some(Encoding::Urlencoded)),
            ("application/x-www-form-urlencoded; charset=utf-8", Some(Encoding::Urlencoded)),
            ("multipart/form-data; boundary=x", Some(Encoding::Multipart("x"))),
            ("multipart/form-data; boundary=\"x y\"", Some(Encoding::Multipart("x y"))),
            ("multipart/form-data; boundary=x;", Some(Encoding::Multipart("x"))),
            ("multipart/form-data; charset=utf-8;boundary=x ; a=b", Some(Encoding::Multipart("x"))),
            ("multipart/form-data; boundary=----=_Part_1.2", Some(Encoding::Multipart("----=_Part_1.2"))),
            ("multipart/form-data", None),
            ("text/plain", None),
            ("application/json", None),
        ] {
            assert_eq!(Encoding::of(&headers(content_type)), expect, "{content_type}");
        }
    }

    /// What busboy and undici, body-parser, PHP and this guard would each cut elsewhere.
    #[test]
    fn parameters_that_two_readers_find_differently_are_none() {
        for content_type in [
            "multipart/form-data; boundary=\"a;b\"",
            "multipart/form-data; boundary=\"a\\b\"",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=a; Boundary=a",
            "multipart/form-data; boundary=a; boundary*=utf-8''b",
            "multipart/form-data; x=\"; boundary=a",
            "multipart/form-data; x=\"a;b\"; boundary=a",
            "multipart/form-data; boundary =a",
            "multipart/form-data; boundary=a b",
            "multipart/form-data; boundary=a, text/plain",
            "multipart/form-data; boundary=\"a\"b",
            "multipart/form-data; boundary=a; b",
        ] {
            assert_eq!(Encoding::of(&headers(content_type)), None, "{content_type}");
        }
        for (content_type, found) in [
            ("application/json", Ok(None)),
            ("application/json; charset=UTF-8", Ok(Some("UTF-8"))),
            ("application/json; profile=\"https://a.example/b c\"; charset=\"utf-8\"", Ok(Some("utf-8"))),
            ("application/json; x=\"a;charset=utf-8;b\"; charset=utf-7", Err(Odd)),
            ("application/json; charset=utf-8; charset=utf-7", Err(Odd)),
            ("application/json; charset*=utf-8''utf-7", Err(Odd)),
        ] {
            assert_eq!(charset(&headers(content_type)), found, "{content_type}");
        }
    }

    #[test]
    fn urlencoded_field_is_found_whole_and_alone() {
        let field = |body: &str, complete| Encoding::Urlencoded.field(body.as_bytes(), "_csrf", complete);
        assert_eq!(field("a=1&_csrf=tok%2Den&b=2", true).as_deref(), Some("tok-en"));
        assert_eq!(field("%5Fcsrf=x", true).as_deref(), Some("x"));
        assert_eq!(field("_csrf=cut", false), None, "the rest of it was not read");
        assert_eq!(field("_csrf=whole&b=", false).as_deref(), Some("whole"));
        assert_eq!(field("_csrf=a&_csrf=b", true), None);
        assert_eq!(field("_csrf=%zz", true), None);
        assert_eq!(field("x_csrf=a", true), None);
    }

    #[test]
    fn multipart_field_must_be_the_first_part() {
        let field = |body: &str| Encoding::Multipart("B").field(body.as_bytes(), "_csrf", false);
        let part = |name: &str| format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\ntoken\r\n");
        assert_eq!(field(&format!("{}--B--", part("_csrf"))).as_deref(), Some("token"));
        assert_eq!(field(&format!("{}{}--B--", part("a"), part("_csrf"))), None);
        assert_eq!(field(&part("_csrf")), None, "no end was read");
        assert_eq!(
            field("--B\r\nContent-Disposition: form-data; name=\"_csrf\"; filename=\"f\"\r\n\r\nt\r\n--B--"),
            None
        );
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), complete: bool) {
            let _ = Encoding::Urlencoded.field(&body, "_csrf", complete);
            let _ = Encoding::Multipart("B").field(&body, "_csrf", complete);
        }
    }
}
