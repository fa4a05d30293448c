//! What of HTTP/1.1 is let through to hyper: requests that can be read in one way only.
//!
//! A proxy that takes a message one way and its neighbour who takes it another are how requests are smuggled (RFC 9112
//! section 11.2). hyper is generous where the RFC lets it be; here nothing is mended and nothing guessed. [`Scanner`]
//! sees the bytes of a connection before hyper does: it tells whole heads, whose every byte was looked at, from
//! unfinished ones, follows bodies to their end, and names the first flaw. No IO, no copy; one pass, and a head that
//! comes in pieces is not read again from its beginning.
//!
//! What it does not do: judge paths, hosts and methods (the guard does), or responses (`upstream/reply.rs` does). It is
//! stricter than RFC 9112: no whitespace in chunk sizes, `chunked` in lower case and alone, one Content-Length of digits,
//! no empty lines but one.

// With paths, so that the fuzz targets can take this file in without the gateway's TLS library and runtime.
#[path = "framing/chunks.rs"]
pub(crate) mod chunks;
#[path = "framing/head.rs"]
mod head;
#[path = "framing/table.rs"]
mod table;

use palisade_event::Code;

use chunks::Chunks;
use head::Head;

/// How large a head may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of the whole head.
    pub(crate) bytes: usize,
}

/// Fields of a head at most; hyper's own bound is the same.
pub(crate) const MAX_FIELDS: u32 = 100;
/// Bytes of a request line at most (RFC 9112 section 3 wants 8,000 at least).
pub(crate) const MAX_LINE: usize = 8 << 10;

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Flaw {
    /// The request line is not `method SP target SP version` (RFC 9112 section 3).
    RequestLine = 1,
    /// The method is not of capital letters, or is CONNECT.
    Method,
    /// The target is in no form that a server takes, or has bytes that no target has (section 3.2).
    Target,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version,
    /// The request line is too long.
    LineTooLong,
    /// The head is too large, or has too many fields.
    HeadTooLarge,
    /// A line ends in LF alone (section 2.2).
    BareLf,
    /// A control byte, CR alone included (section 2.2, RFC 9110 section 5.5).
    Control,
    /// A line goes on in the next (section 5.2).
    Fold,
    /// A field's name is empty, is no token, or has whitespace after it (section 5.1).
    FieldName,
    /// Host is missing, comes twice, is no authority, or is not that of the target (section 3.2).
    Host,
    /// Content-Length is not one number (section 6.3).
    Length,
    /// Transfer-Encoding is not `chunked` alone, or comes in HTTP/1.0 (section 6.1).
    Coding,
    /// Content-Length and Transfer-Encoding (section 6.1).
    BothFramings,
    /// The size of a chunk is no number, or too large a one (section 7.1).
    ChunkSize,
    /// A chunk's extension is too long, or has bytes that none has (section 7.1.1).
    ChunkExtension,
    /// The data of a chunk is not followed by a line's end (section 7.1).
    ChunkEnd,
    /// Trailers are malformed, too many, or name what frames messages (RFC 9110 section 6.5.1).
    Trailer,
}

/// How far the bytes of a connection are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// All of them are of messages that may be taken.
    All,
    /// Up to there; then comes the beginning of a head, or what must wait.
    Until(usize),
    /// Up to there; the request that begins there is refused as a whole.
    Refused(usize, Flaw),
    /// Up to there; the body of a request that was let through before is broken.
    Broken(usize, Flaw),
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(crate) struct Scanner {
    bounds: Bounds,
    state: State,
    /// Whole heads seen, wrapping.
    heads: u32,
    /// Bytes of the current body so far.
    body: u64,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// A body of a known length; so many bytes are to come.
    Sized(u64),
    Chunked(Chunks),
    /// The request asks for another protocol: what comes next is read once it has been answered.
    Waiting,
    /// Nothing more is looked at: refused, or broken.
    Over,
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    Nothing,
    Sized(u64),
    Chunked,
    /// No body, and maybe another protocol.
    Upgrade,
}

// === impl Flaw ===

impl Flaw {
    /// What the client is told.
    pub(crate) fn code(self) -> Code {
        match self {
            Flaw::LineTooLong => Code::TargetTooLong,
            Flaw::HeadTooLarge => Code::HeadTooLarge,
            Flaw::RequestLine
            | Flaw::Method
            | Flaw::Target
            | Flaw::Version
            | Flaw::BareLf
            | Flaw::Control
            | Flaw::Fold
            | Flaw::FieldName
            | Flaw::Host
            | Flaw::Length
            | Flaw::Coding
            | Flaw::BothFramings
            | Flaw::ChunkSize
            | Flaw::ChunkExtension
            | Flaw::ChunkEnd
            | Flaw::Trailer => Code::FramingMalformed,
        }
    }
}

// === impl Scanner ===

impl Scanner {
    pub(crate) fn new(bounds: Bounds) -> Scanner {
        Scanner { bounds, state: State::Head(Head::default()), heads: 0, body: 0 }
    }

    /// Whole heads seen, wrapping.
    pub(crate) fn heads(&self) -> u32 {
        self.heads
    }

    /// Bytes of the current body so far, its framing included; none between messages.
    pub(crate) fn body(&self) -> Option<u64> {
        matches!(self.state, State::Sized(_) | State::Chunked(_)).then_some(self.body)
    }

    /// Whether the next bytes wait until a request for another protocol has been answered.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// The request was answered, and HTTP goes on.
    pub(crate) fn resume(&mut self) {
        if self.waits() {
            self.state = State::Head(Head::default());
        }
    }

    /// Looks at what has come. After [`Found::Until`] the next call brings the bytes from there on again, and more.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Found {
        let mut at = 0;
        // Where the message began whose head is among these bytes.
        let mut begun = None;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Found::All;
            }
            let step = match &mut self.state {
                State::Head(head) => {
                    begun = Some(at);
                    match head.scan(rest, self.bounds) {
                        Ok(None) => return Found::Until(at),
                        Ok(Some((length, follows))) => {
                            self.heads = self.heads.wrapping_add(1);
                            self.enter(follows);
                            Ok(length)
                        }
                        Err(flaw) => Err((0, flaw)),
                    }
                }
                State::Sized(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= taken as u64;
                    let over = *left == 0;
                    self.took(taken, over);
                    Ok(taken)
                }
                State::Chunked(chunks) => match chunks.scan(rest) {
                    Ok((taken, over)) => {
                        self.took(taken, over);
                        Ok(taken)
                    }
                    Err((taken, flaw)) => Err((taken, flaw)),
                },
                State::Waiting | State::Over => return Found::Until(at),
            };
            match (step, begun) {
                (Ok(taken), _) => at += taken,
                (Err((taken, flaw)), began) => return self.end(at + taken, began, flaw),
            }
        }
    }

    /// A request whose head has not been handed on is refused whole, so that nobody sees a part of it.
    fn end(&mut self, at: usize, begun: Option<usize>, flaw: Flaw) -> Found {
        let bodied = self.body().is_some();
        self.state = State::Over;
        let Some(begun) = begun else { return Found::Broken(at, flaw) };
        if bodied {
            self.heads = self.heads.wrapping_sub(1);
        }
        Found::Refused(begun, flaw)
    }

    fn enter(&mut self, follows: Follows) {
        self.body = 0;
        self.state = match follows {
            Follows::Nothing | Follows::Sized(0) => State::Head(Head::default()),
            Follows::Sized(length) => State::Sized(length),
            Follows::Chunked => State::Chunked(Chunks::default()),
            Follows::Upgrade => State::Waiting,
        };
    }

    fn took(&mut self, bytes: usize, over: bool) {
        self.body = self.body.saturating_add(bytes as u64);
        if over {
            self.state = State::Head(Head::default());
        }
    }
}

/// A request that stands for one that was refused: hyper reads it, and the service refuses it in its place, behind the
/// answers that came before. It says of the refused one what may be said: its method and target, where they are sound.
pub(crate) fn stand_in(refused: &[u8]) -> Vec<u8> {
    let (method, target) = head::start(refused);
    [method.unwrap_or(b"-"), b" ", target.unwrap_or(b"*"), b" HTTP/1.1\r\nconnection: close\r\n\r\n"].concat()
}

#[cfg(test)]
#[path = "framing/tests.rs"]
mod tests;
