//! A request on its way to the application.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http::header::{self, HeaderMap, HeaderValue};
use http_body::Body as _;
use palisade_guard::Fault;
use palisade_tower::Guarded;
use tokio::io::AsyncWrite;

use crate::upload::Upload;

/// The body of a request, and what is to be written next. Head and first bytes of the body leave in one write where both
/// are there.
#[derive(Debug)]
pub(crate) struct Sent {
    body: Guarded<Upload>,
    framing: Framing,
    sending: Sending,
    /// Bytes of the body so far.
    moved: u64,
    /// Trailers that may pass, by their names.
    announced: Option<HeaderValue>,
    /// What is written first: the head, and the size of a chunk.
    lead: Vec<u8>,
    /// Then a piece of the body,
    piece: Bytes,
    /// and what ends it.
    tail: &'static [u8],
    /// Bytes of these three that are written.
    written: usize,
    /// Something of the request has left.
    begun: bool,
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// So many bytes are to come.
    Sized(u64),
    Chunked,
}

/// What the body of a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// The client is to send more.
    Awaited,
    /// The application is to take more.
    Moving,
    /// All of it was taken from the client.
    Done,
    /// It broke off, or was larger than allowed.
    Broken,
}

/// Why a request is not sent to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// Its body broke off.
    Body,
    /// The application takes no more.
    Refused,
}

// === impl Sent ===

impl Sent {
    /// The body, framed by what is known of it now, and the fields that say so. Trailers pass if they are `announced`.
    pub(crate) fn new(body: Guarded<Upload>, announced: Option<HeaderValue>, headers: &mut HeaderMap) -> Sent {
        let exact = body.size_hint().exact();
        let named = headers.contains_key(header::CONTENT_LENGTH);
        let over = body.is_end_stream();
        let framing = match exact {
            None if over => Framing::Sized(0),
            None => Framing::Chunked,
            Some(exact) => Framing::Sized(exact),
        };
        let length = match framing {
            // One Content-Length, and only where it is the truth.
            Framing::Sized(0) if !named => None,
            Framing::Sized(exact) => Some(exact),
            Framing::Chunked => {
                headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                None
            }
        };
        match length {
            Some(length) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length))),
            None if named => drop(headers.remove(header::CONTENT_LENGTH)),
            None => {}
        }
        let announced = announced.filter(|_| framing == Framing::Chunked && body.takes_trailers());
        if let Some(announced) = &announced {
            headers.insert(header::TRAILER, announced.clone());
        }
        let sending = if over { Sending::Done } else { Sending::Awaited };
        Sent {
            body,
            framing,
            sending,
            moved: 0,
            announced,
            lead: Vec::new(),
            piece: Bytes::new(),
            tail: b"",
            written: 0,
            begun: false,
        }
    }

    /// The head is to be written first; `buffer` is room for it. Nothing of the request has left, or it has no body.
    pub(crate) fn begin(request: &mut Request<Sent>, mut buffer: Vec<u8>) {
        buffer.clear();
        encode(request, &mut buffer);
        let sent = request.body_mut();
        (sent.lead, sent.written, sent.begun) = (buffer, 0, false);
    }

    /// The buffer it was given, if it needs it no longer.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        if self.written == 0 && self.lead.is_empty() { std::mem::take(&mut self.lead) } else { Vec::new() }
    }

    /// Sends what the client has sent and the application takes; ready when all of it is on its way.
    pub(crate) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            let mut waits = false;
            if self.sending != Sending::Done && self.written == 0 && self.piece.is_empty() && self.tail.is_empty() {
                match self.fill(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(unsent)) => return Poll::Ready(Err(unsent)),
                    Poll::Pending => waits = true,
                }
            }
            ready!(self.write(stream, context)).map_err(|_| Unsent::Refused)?;
            match self.sending {
                Sending::Done => return Poll::Ready(Ok(())),
                _ if waits => return Poll::Pending,
                Sending::Awaited | Sending::Moving => {}
                Sending::Broken => return Poll::Ready(Err(Unsent::Body)),
            }
        }
    }

    /// Takes the next piece of the body.
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        let frame = loop {
            match Pin::new(&mut self.body).poll_frame(context) {
                // A chunk without bytes would be the last one.
                Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Poll::Ready(frame) => break frame,
                Poll::Pending => {
                    self.sending = Sending::Awaited;
                    return Poll::Pending;
                }
            }
        };
        let taken = match frame {
            None => self.end(None),
            Some(Err(_)) => None,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => self.take(piece),
                Err(frame) => self.end(frame.into_trailers().ok().as_ref()),
            },
        };
        if taken.is_none() {
            self.sending = Sending::Broken;
        }
        Poll::Ready(taken.ok_or(Unsent::Body))
    }

    /// A piece of the body; none may come beyond its length.
    fn take(&mut self, piece: Bytes) -> Option<()> {
        let length = piece.len() as u64;
        let over = match &mut self.framing {
            Framing::Sized(left) => {
                *left = left.checked_sub(length)?;
                *left == 0
            }
            Framing::Chunked => {
                let over = self.body.is_end_stream();
                let _ = write!(self.lead, "{length:x}\r\n");
                self.tail = if over { b"\r\n0\r\n\r\n" } else { b"\r\n" };
                over
            }
        };
        self.moved = self.moved.saturating_add(length);
        self.piece = piece;
        self.sending = if over { Sending::Done } else { Sending::Moving };
        Some(())
    }

    /// The body is over; less than its length is not all of it.
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Option<()> {
        match self.framing {
            Framing::Sized(0) => {}
            Framing::Sized(_) => return None,
            Framing::Chunked => {
                self.lead.extend_from_slice(b"0\r\n");
                let names = self.announced.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
                let named = |name: &[u8]| names.split(|byte| *byte == b',').any(|one| one.trim_ascii() == name);
                for (name, value) in trailers.into_iter().flatten().filter(|(name, _)| named(name.as_str().as_bytes())) {
                    field(&mut self.lead, name.as_str(), value);
                }
                self.lead.extend_from_slice(b"\r\n");
            }
        }
        self.sending = Sending::Done;
        Some(())
    }

    fn write<W: AsyncWrite + Unpin>(&mut self, stream: &mut W, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (lead, piece) = (self.lead.len(), self.piece.len());
        while self.written < lead + piece + self.tail.len() {
            let stream = Pin::new(&mut *stream);
            let rest = self.lead.get(self.written..).unwrap_or_default();
            let written = if piece == 0 {
                stream.poll_write(context, rest)
            } else {
                let second = self.piece.get(self.written.saturating_sub(lead)..).unwrap_or_default();
                let third = self.tail.get(self.written.saturating_sub(lead + piece)..).unwrap_or_default();
                stream.poll_write_vectored(context, &[IoSlice::new(rest), IoSlice::new(second), IoSlice::new(third)])
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
            self.begun = true;
        }
        self.lead.clear();
        self.piece = Bytes::new();
        self.tail = b"";
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Whether all of it is on its way.
    pub(crate) fn is_done(&self) -> bool {
        self.sending == Sending::Done && self.lead.is_empty() && self.piece.is_empty()
    }

    /// Whether it can be sent as if for the first time: nothing of it has left, and what was taken from the client waits
    /// still.
    pub(crate) fn is_whole(&self) -> bool {
        !self.begun && self.framing != Framing::Chunked
    }

    /// Whether it can be sent a second time although it was sent: there are no bytes in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.framing == Framing::Sized(0) && self.moved == 0
    }

    /// Bytes so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whose fault it is that nothing moves.
    pub(crate) fn blame(&self) -> Fault {
        match self.sending {
            Sending::Awaited | Sending::Broken => Fault::BodyBroken,
            Sending::Moving | Sending::Done => Fault::Timeout,
        }
    }
}

/// The head in origin form. What stands in it was checked when it was read: no name, value or target holds a line's end.
fn encode(request: &Request<Sent>, head: &mut Vec<u8>) {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    for part in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    for (name, value) in request.headers() {
        field(head, name.as_str(), value);
    }
    head.extend_from_slice(b"\r\n");
}

fn field(head: &mut Vec<u8>, name: &str, value: &HeaderValue) {
    for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        head.extend_from_slice(part);
    }
}
