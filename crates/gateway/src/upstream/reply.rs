//! An answer of the application, as bytes: its head, which can be read in one way only, and its body, piece by piece.
//!
//! As strict as [`crate::framing`] is with clients: an answer that two could read differently is how one visitor gets
//! another's (RFC 9112 section 11.1). Refused are bare LF, folded lines, whitespace before a colon, Content-Length with
//! Transfer-Encoding, lengths that differ, codings other than `chunked`, and chunks that are not spelled as RFC 9112
//! section 7.1 has them. No IO; a head that comes in pieces is looked at once.
//!
//! What it does not do: hand on reason phrases, the fields of interim answers, or trailers.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use memchr::memchr;

use crate::framing::MAX_FIELDS;
use crate::framing::chunks::Chunks;

/// Bytes of a head at most.
pub(crate) const MAX_HEAD: usize = 64 << 10;
/// Digits of a Content-Length at most: it fits into 63 bits.
const MAX_DIGITS: usize = 18;
/// Room for the fields that every answer leaves the gate with, so that the map need not grow.
const MORE_FIELDS: usize = 20;
/// What every head begins with; its version's last digit follows.
const BEGINNING: &[u8] = b"HTTP/1.";

/// It is no answer, or one that could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Looks for the end of a head.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where the current line begins.
    line: usize,
    /// Up to where there is no line's end.
    searched: usize,
    lines: u32,
}

/// A head, read.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// Without Transfer-Encoding: the body is handed on without it.
    pub(crate) headers: HeaderMap,
    pub(crate) follows: Follows,
    /// The application keeps the connection when the body has ended.
    pub(crate) kept: bool,
}

/// What of a body is to come.
#[derive(Debug)]
pub(crate) enum Follows {
    /// Nothing: there is none, or it is over.
    Nothing,
    /// So many bytes.
    Sized(u64),
    Chunked(Chunks),
    /// Whatever comes until the connection is closed.
    Close,
}

/// What the fields say of the body and the connection.
#[derive(Debug, Default)]
struct Framed {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

// === impl Search ===

impl Search {
    /// The length of the head at the beginning of `bytes`, once all of it is there. Called with more of the same.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        // Who speaks another protocol may never send a line's end.
        let begun = bytes.len().min(BEGINNING.len());
        if bytes.get(..begun) != BEGINNING.get(..begun) {
            return Err(Malformed);
        }
        loop {
            let Some(found) = memchr(b'\n', bytes.get(self.searched..).unwrap_or_default()) else {
                self.searched = bytes.len();
                return if bytes.len() > MAX_HEAD { Err(Malformed) } else { Ok(None) };
            };
            let end = self.searched + found;
            let Some((b'\r', line)) = bytes.get(self.line..end).unwrap_or_default().split_last() else {
                return Err(Malformed);
            };
            (self.line, self.searched) = (end + 1, end + 1);
            self.lines += 1;
            if end >= MAX_HEAD || self.lines > MAX_FIELDS + 2 {
                return Err(Malformed);
            }
            if line.is_empty() {
                return Ok(Some(end + 1));
            }
        }
    }
}

// === impl Head ===

impl Head {
    /// The status of a whole head.
    pub(crate) fn status(head: &[u8]) -> Result<StatusCode, Malformed> {
        let line = head.get(..memchr(b'\n', head).ok_or(Malformed)?).and_then(|line| line.strip_suffix(b"\r"));
        let line = line.ok_or(Malformed)?;
        let (code, phrase) =
            line.get(BEGINNING.len() + 2..).and_then(|rest| rest.split_at_checked(3)).ok_or(Malformed)?;
        let version = line.get(BEGINNING.len()..BEGINNING.len() + 2);
        let sound = matches!(phrase.first(), None | Some(b' ')) && !phrase.iter().any(|byte| is_control(*byte));
        if !matches!(version, Some(b"1 " | b"0 ")) || !sound {
            return Err(Malformed);
        }
        StatusCode::from_bytes(code).map_err(|_| Malformed)
    }

    /// Reads a whole head. `bare` answers have no body, whatever they say of it: those to HEAD. The fields go into
    /// `headers`, which is emptied.
    pub(crate) fn read(head: &Bytes, bare: bool, mut headers: HeaderMap) -> Result<Head, Malformed> {
        let status = Head::status(head)?;
        let old = head.get(BEGINNING.len()) == Some(&b'0');
        let mut at = memchr(b'\n', head).map_or(head.len(), |end| end + 1);
        headers.clear();
        headers.reserve(head.len() / 64 + MORE_FIELDS);
        let mut framed = Framed::default();
        loop {
            let rest = head.get(at..).unwrap_or_default();
            let end = memchr(b'\n', rest).ok_or(Malformed)?;
            let Some((b'\r', line)) = rest.get(..end).unwrap_or_default().split_last() else { return Err(Malformed) };
            if line.is_empty() {
                break;
            }
            let colon = memchr(b':', line).ok_or(Malformed)?;
            // Both look at every byte: names are tokens, values have no control bytes.
            let name = HeaderName::from_bytes(line.get(..colon).unwrap_or_default()).map_err(|_| Malformed)?;
            let (from, to) = trimmed(line, colon + 1);
            let value = HeaderValue::from_maybe_shared(head.slice(at + from..at + to)).map_err(|_| Malformed)?;
            if framed.takes(&name, value.as_bytes())? {
                headers.append(name, value);
            }
            at += end + 1;
        }
        let follows = framed.follows(status, old, bare)?;
        let lasts = !framed.close && (!old || framed.keep_alive);
        let kept = lasts && !matches!(follows, Follows::Close) && status != StatusCode::SWITCHING_PROTOCOLS;
        Ok(Head { status, headers, follows, kept })
    }
}

impl Framed {
    /// Takes note of a field; whether it is handed on.
    fn takes(&mut self, name: &HeaderName, value: &[u8]) -> Result<bool, Malformed> {
        if *name == header::CONTENT_LENGTH {
            let number = digits(value).ok_or(Malformed)?;
            return match self.length.replace(number) {
                None => Ok(true),
                Some(same) if same == number => Ok(false),
                Some(_) => Err(Malformed),
            };
        }
        if *name == header::TRANSFER_ENCODING {
            let again = std::mem::replace(&mut self.chunked, true);
            return if !again && value.eq_ignore_ascii_case(b"chunked") { Ok(false) } else { Err(Malformed) };
        }
        if *name == header::CONNECTION {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(true)
    }

    /// RFC 9112 section 6.3. `old` is HTTP/1.0, which knows no chunks.
    fn follows(&self, status: StatusCode, old: bool, bare: bool) -> Result<Follows, Malformed> {
        if self.chunked && (old || self.length.is_some()) {
            return Err(Malformed);
        }
        let none = bare
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || self.length == Some(0);
        Ok(match self.length {
            _ if none => Follows::Nothing,
            Some(length) => Follows::Sized(length),
            None if self.chunked => Follows::Chunked(Chunks::default()),
            None => Follows::Close,
        })
    }
}

// === impl Follows ===

impl Follows {
    /// Takes the next piece of the body from what was read; none, if more must be read first or it is over.
    pub(crate) fn take(&mut self, read: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        let taken = match self {
            Follows::Nothing => 0,
            Follows::Sized(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= taken as u64;
                if *left == 0 {
                    *self = Follows::Nothing;
                }
                taken
            }
            Follows::Chunked(chunks) => {
                let (framing, over) = chunks.framing(read).map_err(|_| Malformed)?;
                read.advance(framing);
                if over {
                    *self = Follows::Nothing;
                    return Ok(None);
                }
                chunks.data(read.len())
            }
            Follows::Close => read.len(),
        };
        if taken == 0 {
            return Ok(None);
        }
        let piece = read.split_to(taken).freeze();
        if let Follows::Chunked(chunks) = self {
            // What ends the body most often comes with its last piece. A flaw is met again by whoever takes the next.
            let (framing, over) = chunks.framing(read).unwrap_or_else(|(sound, _)| (sound, false));
            read.advance(framing);
            if over {
                *self = Follows::Nothing;
            }
        }
        Ok(Some(piece))
    }

    /// The connection was closed.
    pub(crate) fn close(&mut self) -> Result<(), Malformed> {
        match self {
            Follows::Nothing => Ok(()),
            Follows::Close => {
                *self = Follows::Nothing;
                Ok(())
            }
            Follows::Sized(_) | Follows::Chunked(_) => Err(Malformed),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Follows::Nothing)
    }

    /// Bytes to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Follows::Nothing => Some(0),
            Follows::Sized(left) => Some(*left),
            Follows::Chunked(_) | Follows::Close => None,
        }
    }
}

/// From where to where the value that begins there has no SP or HTAB around it (RFC 9110 section 5.5).
fn trimmed(line: &[u8], from: usize) -> (usize, usize) {
    let value = line.get(from..).unwrap_or_default();
    let start = line.len() - value.trim_ascii_start().len();
    (start, start + value.trim_ascii().len())
}

fn digits(value: &[u8]) -> Option<u64> {
    let sound = !value.is_empty() && value.len() <= MAX_DIGITS && value.iter().all(u8::is_ascii_digit);
    sound.then(|| value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn is_control(byte: u8) -> bool {
    byte < b' ' && byte != b'\t' || byte == 0x7f
}

#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
