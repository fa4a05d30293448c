//! Request paths in canonical form: one spelling for one resource, or no entry.

/// Why a path is not canonical. The application behind the gate might read such a path as another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin with `/`.
    NotAbsolute,
    /// It is longer than [`MAX_PATH`].
    TooLong,
    /// It contains a byte that a path may not contain: `\`, controls, 8-bit, `"`, `<`, `>`, `^`, `` ` ``, `{`, `|`, `}`.
    Byte,
    /// Two slashes follow each other.
    EmptySegment,
    /// A segment is `.` or `..`.
    DotSegment,
    /// A `%` is not followed by two hexadecimal digits.
    BadEscape,
    /// An escape spells a character that needs none, a separator (`/`, `\\`, `;`), a control, or another escape.
    NeedlessEscape,
    /// The escapes are not UTF-8.
    NotUtf8,
}

/// The longest path that is matched, in bytes.
pub const MAX_PATH: usize = 4096;

/// Whether `path` is canonical: what is matched is forwarded byte for byte, so nothing is rewritten, only refused.
///
/// Linear, no allocation. Characters as RFC 3986 section 3.3; escapes as its section 6.2.2.2, but refusing instead of
/// normalising.
///
/// # Errors
/// The first reason found.
pub fn canonical(path: &str) -> Result<(), Malformed> {
    if path.len() > MAX_PATH {
        return Err(Malformed::TooLong);
    }
    if is_plain(path.as_bytes()) { Ok(()) } else { look_closely(path) }
}

fn look_closely(path: &str) -> Result<(), Malformed> {
    let rest = path.strip_prefix('/').ok_or(Malformed::NotAbsolute)?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Only the last segment may be empty: `/` and a trailing slash, which is significant.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(Malformed::EmptySegment);
        }
        // Servers cut parameters before they resolve dots (`/..;/admin`).
        let name = segment.split(';').next().unwrap_or_default();
        if name == "." || name == ".." {
            return Err(Malformed::DotSegment);
        }
        check_segment(segment.as_bytes())?;
    }
    Ok(())
}

/// Whether a path is of names with nothing in them that needs a second look, as most are: canonical without more.
fn is_plain(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else { return false };
    let mut last = b'/';
    rest.iter().all(|&byte| {
        let before = std::mem::replace(&mut last, byte);
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (matches!(byte, b'/' | b'.') && before != b'/')
    })
}

fn check_segment(segment: &[u8]) -> Result<(), Malformed> {
    let mut utf8 = Utf8::default();
    let mut rest = segment;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            if !is_path_byte(byte) {
                return Err(Malformed::Byte);
            }
            utf8.literal()?;
            rest = after;
            continue;
        }
        let (Some(high), Some(low)) = (after.first().and_then(hex), after.get(1).and_then(hex)) else {
            return Err(Malformed::BadEscape);
        };
        let decoded = high << 4 | low;
        rest = after.get(2..).unwrap_or_default();
        if decoded < 0x80 {
            utf8.literal()?;
            check_escaped(decoded, rest)?;
        } else {
            utf8.push(decoded)?;
        }
    }
    utf8.literal()
}

/// `%` itself may be escaped, but not so that a second decoding finds an escape.
fn check_escaped(byte: u8, rest: &[u8]) -> Result<(), Malformed> {
    let double = byte == b'%' && rest.first().and_then(hex).is_some() && rest.get(1).and_then(hex).is_some();
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let dangerous = byte < 0x20 || byte == 0x7f || matches!(byte, b'/' | b'\\' | b';');
    if double || unreserved || dangerous { Err(Malformed::NeedlessEscape) } else { Ok(()) }
}

/// `pchar` of RFC 3986 without `%`: unreserved, sub-delims, `:`, `@`; and `[`, `]`, which browsers leave alone.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'['
                | b']'
        )
}

fn hex(byte: &u8) -> Option<u8> {
    char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Collects the bytes of one escaped character.
#[derive(Default)]
struct Utf8 {
    bytes: [u8; 4],
    len: usize,
}

impl Utf8 {
    fn push(&mut self, byte: u8) -> Result<(), Malformed> {
        *self.bytes.get_mut(self.len).ok_or(Malformed::NotUtf8)? = byte;
        self.len += 1;
        match std::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_some() => return Err(Malformed::NotUtf8),
            Err(_) => {}
        }
        Ok(())
    }

    /// A plain character follows: no character may be half done.
    fn literal(&self) -> Result<(), Malformed> {
        if self.len == 0 { Ok(()) } else { Err(Malformed::NotUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_paths_pass() {
        for path in [
            "/",
            "/api/contact",
            "/api/contact/",
            "/a.b/..c/d..",
            "/caf%C3%A9",
            "/caf%c3%a9/%F0%9F%98%80",
            "/a%20b",
            "/100%25",
            "/100%25-off",
            "/x;v=1/y",
            "/@user/(group)/a+b,c=d:e!$&'*",
            "/_next/static/chunks/app/%5Bid%5D/page.js",
            "/[slug]",
            "/%22quoted%22",
        ] {
            assert_eq!(canonical(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused_with_its_reason() {
        for (path, reason) in [
            ("", Malformed::NotAbsolute),
            ("*", Malformed::NotAbsolute),
            ("api", Malformed::NotAbsolute),
            ("//evil.example/x", Malformed::EmptySegment),
            ("/api//contact", Malformed::EmptySegment),
            ("/api/./contact", Malformed::DotSegment),
            ("/api/../admin", Malformed::DotSegment),
            ("/api/..", Malformed::DotSegment),
            ("/..;/admin", Malformed::DotSegment),
            ("/api/%2e%2e/admin", Malformed::NeedlessEscape),
            ("/api/%63ontact", Malformed::NeedlessEscape),
            ("/api%2fcontact", Malformed::NeedlessEscape),
            ("/api%5ccontact", Malformed::NeedlessEscape),
            ("/..%3b/admin", Malformed::NeedlessEscape),
            ("/api/contact%3Bx=1", Malformed::NeedlessEscape),
            ("/api/contact%00", Malformed::NeedlessEscape),
            ("/api/contact%0a", Malformed::NeedlessEscape),
            ("/api/%252e%252e", Malformed::NeedlessEscape),
            ("/api/contact%", Malformed::BadEscape),
            ("/api/contact%2", Malformed::BadEscape),
            ("/api/%zz", Malformed::BadEscape),
            ("/api\\contact", Malformed::Byte),
            ("/api/con tact", Malformed::Byte),
            ("/api/\u{e9}", Malformed::Byte),
            ("/a|b", Malformed::Byte),
            ("/%ff", Malformed::NotUtf8),
            ("/%c3", Malformed::NotUtf8),
            ("/%c3x", Malformed::NotUtf8),
            ("/%c0%af", Malformed::NotUtf8),
            ("/%ed%a0%80", Malformed::NotUtf8),
            ("/%c3/%a9", Malformed::NotUtf8),
        ] {
            assert_eq!(canonical(path), Err(reason), "{path}");
        }
        assert_eq!(canonical(&format!("/{}", "a".repeat(MAX_PATH))), Err(Malformed::TooLong));
    }

    proptest! {
        /// What passes has exactly one spelling: decoding finds no separator, no dot segment, no further escape.
        #[test]
        fn what_passes_decodes_to_nothing_new(path in "/(%[0-9a-f]{2}|[a-zA-Z.%;/]){0,12}") {
            if canonical(&path).is_ok() {
                let decoded = decode(&path);
                prop_assert_eq!(decoded.matches('/').count(), path.matches('/').count());
                prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert_eq!(decode(&decoded), decoded);
            }
        }

        #[test]
        fn what_is_plain_at_once_is_so_looked_at_closely(path in "[/]{0,1}[a-zA-Z0-9./_%;-]{0,12}") {
            prop_assert!(!is_plain(path.as_bytes()) || look_closely(&path).is_ok());
        }

        #[test]
        fn never_panics(path in any::<String>()) {
            let _ = canonical(&path);
        }
    }

    fn decode(path: &str) -> String {
        let bytes = path.as_bytes();
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let escape = bytes.get(at + 1..at + 3).and_then(|two| Some(hex(&two[0])? << 4 | hex(&two[1])?));
            match escape {
                Some(byte) if bytes[at] == b'%' => {
                    out.push(byte);
                    at += 3;
                }
                _ => {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
        String::from_utf8(out).expect("utf-8")
    }
}
