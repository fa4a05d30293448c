//! Pieces of text that several formats share.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use memchr::{memchr, memchr2, memrchr};
use palisade_event::Seen;

/// Bytes as text; what is no UTF-8 becomes U+FFFD.
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    // What is text, as nearly everything is, is looked at word by word.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Whether a line holds a backslash: nearly none does, and then no part of it is searched for one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Escapes(bool);

impl Escapes {
    pub(super) fn of(line: &str) -> Escapes {
        Escapes(memchr(b'\\', line.as_bytes()).is_some())
    }

    /// As [`plain`].
    pub(super) fn plain(self, written: &str) -> Cow<'_, str> {
        if self.0 { plain(written) } else { Cow::Borrowed(written) }
    }

    /// As [`given`].
    pub(super) fn given(self, text: &str) -> Option<Cow<'_, str>> {
        is_given(text).then(|| self.plain(text))
    }

    /// As [`quoted`].
    pub(super) fn quoted(self, text: &str) -> Option<(&str, &str)> {
        if self.0 {
            return quoted(text);
        }
        let inside = text.strip_prefix('"')?;
        let at = memchr(b'"', inside.as_bytes())?;
        Some((inside.get(..at)?, inside.get(at + 1..)?))
    }
}

/// As [`plain`], and nothing for what loggers write where there is nothing.
pub(super) fn given(text: &str) -> Option<Cow<'_, str>> {
    is_given(text).then(|| plain(text))
}

fn is_given(text: &str) -> bool {
    !text.is_empty() && text != "-"
}

/// Text as loggers escape it: `\x22`, `\"`, `\\`, `\u0022`, `\n`.
pub(super) fn plain(written: &str) -> Cow<'_, str> {
    let mut rest = written.as_bytes();
    if memchr(b'\\', rest).is_none() {
        return Cow::Borrowed(written);
    }
    let mut text = Vec::with_capacity(rest.len());
    while let Some(at) = memchr(b'\\', rest) {
        let (before, from) = rest.split_at(at);
        text.extend_from_slice(before);
        rest = unescape(from.get(1..).unwrap_or_default(), &mut text);
    }
    text.extend_from_slice(rest);
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
}

/// Writes what the escape after a backslash stands for; gives what follows it.
fn unescape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    match rest {
        [b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            text.push(hex(*high) << 4 | hex(*low));
            after
        }
        [b'u', a, b, c, d, after @ ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            let unit = [a, b, c, d].iter().fold(0, |unit, digit| unit << 4 | u32::from(hex(**digit)));
            let char = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            after
        }
        [escaped, after @ ..] => {
            text.push(match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                other => *other,
            });
            after
        }
        [] => {
            text.push(b'\\');
            rest
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// What stands between the quote at the start and the next that is not escaped, and what follows it.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let bytes = inside.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((inside.get(..at)?, inside.get(at + 1..)?));
        }
        from = at + 2;
    }
}

/// What stands before the first blank, and after it.
pub(super) fn word(text: &str) -> Option<(&str, &str)> {
    let at = memchr(b' ', text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// `GET /a?b HTTP/1.1` into method, path and query. What is none (`-`, binary noise) sets nothing.
pub(super) fn request<'a>(seen: &mut Seen<'a>, line: &'a str, escapes: Escapes) {
    let Some((method, rest)) = word(line) else { return };
    // Without a protocol it is HTTP/0.9, which ends at the target.
    let end = memrchr(b' ', rest.as_bytes());
    let end = end.filter(|at| rest.get(at + 1..).is_some_and(|after| after.starts_with("HTTP/")));
    let named = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
    {
        return;
    }
    seen.method = Some(Cow::Borrowed(method));
    target(seen, escapes.plain(named));
}

/// A request target: its path and query; of `http://host/path` what follows the host.
pub(super) fn target<'a>(seen: &mut Seen<'a>, text: Cow<'a, str>) {
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(origin_form(text)),
        Cow::Owned(text) => Cow::Owned(origin_form(&text).to_owned()),
    };
    match text {
        Cow::Borrowed(text) => match memchr(b'?', text.as_bytes()).and_then(|at| text.split_at_checked(at)) {
            Some((path, query)) => {
                seen.path = Some(Cow::Borrowed(path));
                seen.query = Some(Cow::Borrowed(query.get(1..).unwrap_or_default()));
            }
            None => seen.path = Some(Cow::Borrowed(text)),
        },
        Cow::Owned(text) => match text.split_once('?') {
            Some((path, query)) => {
                seen.path = Some(Cow::Owned(path.to_owned()));
                seen.query = Some(Cow::Owned(query.to_owned()));
            }
            None => seen.path = Some(Cow::Owned(text)),
        },
    }
}

fn origin_form(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else { return text };
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// An address as proxies write it: bare, with a port, in brackets, with a zone.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    if text.len() > 64 {
        return None;
    }
    if let Some(v4) = dotted(text) {
        return Some(IpAddr::V4(v4));
    }
    let text = str::from_utf8(text).ok()?;
    let plain = text.parse::<IpAddr>().ok();
    let address = plain.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).or_else(|| {
        let inner = text.strip_prefix('[')?.strip_suffix(']').unwrap_or(text);
        let bare = inner.split_once('%').map_or(inner, |(bare, _)| bare);
        bare.parse::<IpAddr>().ok()
    });
    address.map(|address| address.to_canonical())
}

/// Four numbers without leading zeros, as nearly every line begins.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let (a, rest) = octet(text)?;
    let (b, rest) = octet(rest.strip_prefix(b".")?)?;
    let (c, rest) = octet(rest.strip_prefix(b".")?)?;
    let (d, rest) = octet(rest.strip_prefix(b".")?)?;
    rest.is_empty().then(|| Ipv4Addr::new(a, b, c, d))
}

/// One to three digits that are below 256 and begin with no needless zero, and what follows.
fn octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: &u8| Some(u16::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
    let (first, rest) = text.split_first()?;
    let first = digit(first)?;
    let Some((second, after)) = rest.split_first().and_then(|(byte, after)| Some((digit(byte)?, after))) else {
        return Some((u8::try_from(first).ok()?, rest));
    };
    let two = first * 10 + second;
    let (number, rest) = match after.split_first().and_then(|(byte, last)| Some((digit(byte)?, last))) {
        Some((third, last)) => (two * 10 + third, last),
        None => (two, after),
    };
    (first > 0).then_some((u8::try_from(number).ok()?, rest))
}

/// A whole number, at most 18 digits, nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// A status: three digits from 100 to 999.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    number(text)
        .filter(|_| text.len() == 3)
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| *status >= 100)
}

/// Seconds with a fraction, as microseconds; of `0.004, 0.120` (one for each upstream) the sum is not taken, but the last.
pub(super) fn seconds(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let seconds: f64 = text.rsplit([',', ' ']).next()?.trim().parse().ok()?;
    micros(seconds * 1e6)
}

/// A size or duration out of JSON, where it is one.
pub(super) fn micros(micros: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    (micros.is_finite() && (0.0..1e15).contains(&micros)).then_some(micros as u64)
}
