//! A request head, line by line.

use std::ops::Range;

use memchr::memchr;

use super::table::{self, HOST, PATH, QUERY, TOKEN};
use super::{Bounds, Flaw, Follows, MAX_FIELDS, MAX_LINE};

/// What is known of a head; offsets are from its beginning.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the next line begins.
    line: usize,
    /// Up to where there is no line's end.
    searched: usize,
    /// An empty line came before the request line.
    blank: bool,
    version: Option<Version>,
    fields: u32,
    /// The authority of a target in absolute form.
    authority: Option<Range<usize>>,
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Digits of a Content-Length at most: it fits into 63 bits.
const MAX_DIGITS: usize = 18;
/// Bytes of a method at most; the longest in IANA's registry has 17.
const MAX_METHOD: usize = 20;
/// Bytes of a field's name at most.
const MAX_NAME: usize = 256;

impl Head {
    /// Looks at the head so far: nothing yet, or its length and what follows it.
    pub(super) fn scan(&mut self, head: &[u8], bounds: Bounds) -> Result<Option<(usize, Follows)>, Flaw> {
        // A stranger's TLS or binary protocol may never send a line's end.
        if head.first().is_some_and(|first| !first.is_ascii_uppercase() && *first != b'\r') {
            return Err(begins_wrong(head));
        }
        loop {
            let fresh = head.get(self.searched..).unwrap_or_default();
            let Some(found) = memchr(b'\n', fresh) else {
                self.searched = head.len();
                self.measure(head.len(), bounds)?;
                return Ok(None);
            };
            let end = self.searched + found;
            self.measure(end + 1, bounds)?;
            let Some((b'\r', line)) = head.get(self.line..end).unwrap_or_default().split_last() else {
                return Err(Flaw::BareLf);
            };
            let at = std::mem::replace(&mut self.line, end + 1);
            self.searched = end + 1;
            match (line.is_empty(), self.version) {
                (true, None) if !self.blank => self.blank = true,
                (true, None) => return Err(Flaw::RequestLine),
                (true, Some(version)) => return Ok(Some((end + 1, self.finish(head, version)?))),
                (false, None) => self.request_line(line, at)?,
                (false, Some(_)) => self.field(line, at)?,
            }
        }
    }

    fn measure(&self, length: usize, bounds: Bounds) -> Result<(), Flaw> {
        if self.version.is_none() && length > MAX_LINE.min(bounds.bytes) {
            return Err(Flaw::LineTooLong);
        }
        if length > bounds.bytes { Err(Flaw::HeadTooLarge) } else { Ok(()) }
    }

    fn request_line(&mut self, line: &[u8], at: usize) -> Result<(), Flaw> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(Flaw::RequestLine) };
        let version = words.next().ok_or(Flaw::Version)?;
        if words.next().is_some() || target.is_empty() {
            return Err(Flaw::RequestLine);
        }
        check_method(method)?;
        let authority = check_target(method, target)?;
        let from = at + method.len() + 1;
        self.authority = authority.map(|range| range.start + from..range.end + from);
        self.version = Some(match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ => return Err(Flaw::Version),
        });
        Ok(())
    }

    fn field(&mut self, line: &[u8], at: usize) -> Result<(), Flaw> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Flaw::Fold);
        }
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Flaw::HeadTooLarge);
        }
        let colon = line.iter().position(|byte| !table::is(*byte, TOKEN)).ok_or(Flaw::FieldName)?;
        let (name, rest) = line.split_at_checked(colon).unwrap_or_default();
        let Some((b':', value)) = rest.split_first() else { return Err(wrong_name(rest)) };
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(Flaw::FieldName);
        }
        if !table::all_value(value) {
            return Err(Flaw::Control);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value, at + colon + 1),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(trim(value)),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(trim(value)),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8], at: usize) -> Result<(), Flaw> {
        let lead = value.len() - value.trim_ascii_start().len();
        let host = trim(value);
        if self.host.is_some() || !is_authority(host) {
            return Err(Flaw::Host);
        }
        self.host = Some(at + lead..at + lead + host.len());
        Ok(())
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Flaw> {
        let digits = !value.is_empty() && value.len() <= MAX_DIGITS && value.iter().all(u8::is_ascii_digit);
        if self.length.is_some() || !digits {
            return Err(Flaw::Length);
        }
        self.length = Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Flaw> {
        if self.chunked || value != b"chunked" {
            return Err(Flaw::Coding);
        }
        self.chunked = true;
        Ok(())
    }

    fn finish(&self, head: &[u8], version: Version) -> Result<Follows, Flaw> {
        let part = |range: &Range<usize>| head.get(range.clone()).unwrap_or_default();
        let host = self.host.as_ref().map(part).ok_or(Flaw::Host)?;
        if self.authority.as_ref().is_some_and(|authority| !part(authority).eq_ignore_ascii_case(host)) {
            return Err(Flaw::Host);
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Flaw::BothFramings),
            (true, None) if version == Version::Http10 => Err(Flaw::Coding),
            (true, None) => Ok(Follows::Chunked),
            (false, Some(length)) if length > 0 => Ok(Follows::Sized(length)),
            (false, _) if self.upgrade => Ok(Follows::Upgrade),
            (false, _) => Ok(Follows::Nothing),
        }
    }
}

/// The method and the target of a request in origin form, each if it is sound.
pub(super) fn start(request: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let request = request.strip_prefix(b"\r\n").unwrap_or(request);
    let line = request.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().filter(|method| check_method(method).is_ok());
    let sound = |target: &&[u8]| line.len() <= MAX_LINE && target.first() == Some(&b'/');
    let target = words.next().filter(sound).filter(|target| check_target(b"", target).is_ok());
    (method, target)
}

/// Why what comes is no request; a lower-case method is a likely one.
fn begins_wrong(head: &[u8]) -> Flaw {
    match head.first() {
        Some(byte) if table::is(*byte, TOKEN) => Flaw::Method,
        Some(b'\n') => Flaw::BareLf,
        _ => Flaw::RequestLine,
    }
}

fn wrong_name(rest: &[u8]) -> Flaw {
    match rest.first() {
        Some(byte) if byte.is_ascii_control() && *byte != b'\t' => Flaw::Control,
        _ => Flaw::FieldName,
    }
}

fn check_method(method: &[u8]) -> Result<(), Flaw> {
    let plain = (1..=MAX_METHOD).contains(&method.len())
        && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-')
        && method.first() != Some(&b'-');
    if plain && method != b"CONNECT" { Ok(()) } else { Err(Flaw::Method) }
}

/// The authority of a target in absolute form, in offsets of the target.
fn check_target(method: &[u8], target: &[u8]) -> Result<Option<Range<usize>>, Flaw> {
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(None) } else { Err(Flaw::Target) };
    }
    let (authority, path) = if target.first() == Some(&b'/') { (None, 0) } else { absolute(target)? };
    let path = target.get(path..).unwrap_or_default();
    let query = memchr(b'?', path).unwrap_or(path.len());
    let (path, query) = path.split_at_checked(query).unwrap_or_default();
    if path.starts_with(b"//") || !table::all(path, PATH) {
        return Err(Flaw::Target);
    }
    let query = query.get(1..).unwrap_or_default();
    if table::all(query, QUERY) { Ok(authority) } else { Err(Flaw::Target) }
}

/// `http://authority/path` (RFC 9112 section 3.2.2): where the authority is, and where the path begins.
fn absolute(target: &[u8]) -> Result<(Option<Range<usize>>, usize), Flaw> {
    let scheme = |name: &[u8]| target.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let from = [&b"http://"[..], b"https://"].into_iter().find(|name| scheme(name)).ok_or(Flaw::Target)?.len();
    let rest = target.get(from..).unwrap_or_default();
    let slash = memchr(b'/', rest).ok_or(Flaw::Target)?;
    if !is_authority(rest.get(..slash).unwrap_or_default()) {
        return Err(Flaw::Host);
    }
    Ok((Some(from..from + slash), from + slash))
}

/// `uri-host [":" port]` of RFC 9110 section 7.2, without what no server is named by: escapes, user names, emptiness.
fn is_authority(text: &[u8]) -> bool {
    let (name, port) = match text.split_first() {
        Some((b'[', rest)) => {
            let Some(end) = memchr(b']', rest) else { return false };
            let (inside, after) = rest.split_at_checked(end).unwrap_or_default();
            let address = std::str::from_utf8(inside).unwrap_or_default();
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (inside, after.get(1..).unwrap_or_default())
        }
        _ => {
            let end = text.iter().position(|byte| !table::is(*byte, HOST)).unwrap_or(text.len());
            text.split_at_checked(end).unwrap_or_default()
        }
    };
    !name.is_empty() && is_port(port)
}

/// Nothing, or `:` and a number up to 65535.
fn is_port(text: &[u8]) -> bool {
    let Some((b':', digits)) = text.split_first() else { return text.is_empty() };
    let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.is_some_and(|number| number.parse::<u16>().is_ok())
}

/// Without SP and HTAB around it (RFC 9110 section 5.5).
fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}
