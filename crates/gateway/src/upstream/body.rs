//! The body of an answer, read from the application's connection as its client takes it.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::pool::Lease;
use super::reply::{Follows, Malformed};
use super::sent::{Sent, Unsent};

/// Bytes that are read at once, at first and at most.
pub(crate) const FIRST_READ: usize = 4 << 10;
const LARGEST_READ: usize = 64 << 10;

/// The body of a response. Its connection goes back to the pool when it has ended, and only if the request's body has
/// ended too, nothing has come beyond, and the application keeps it; in every other case it is closed.
#[derive(Debug)]
pub(crate) struct Received {
    /// What was read with the head.
    first: Bytes,
    rest: Option<Box<Rest>>,
    /// It has broken off, which is told once what came before is on its way.
    broken: Option<io::ErrorKind>,
}

/// What is to come.
#[derive(Debug)]
struct Rest {
    lease: Lease,
    /// A request that is not at its end yet: it goes on while its answer comes.
    sent: Option<Sent>,
    follows: Follows,
    read: BytesMut,
    /// Bytes of the last read.
    last: usize,
    reusable: bool,
}

// === impl Received ===

impl Received {
    pub(crate) fn empty() -> Received {
        Received { first: Bytes::new(), rest: None, broken: None }
    }

    /// The body that follows a head, `read` being what came with it. A request that is not yet `sent` goes on; the
    /// connection is idle from `now` on if all of the body is there.
    ///
    /// # Errors
    /// If what came is no body.
    pub(crate) fn new(
        lease: Lease,
        mut follows: Follows,
        mut read: BytesMut,
        sent: Option<Sent>,
        reusable: bool,
        now: Instant,
    ) -> Result<Received, Malformed> {
        let first = follows.take(&mut read)?.unwrap_or_default();
        if !follows.is_over() {
            let last = read.len() + first.len();
            let rest = Rest { lease, sent, follows, read, last, reusable };
            return Ok(Received { first, rest: Some(Box::new(rest)), broken: None });
        }
        if reusable && sent.is_none() && read.is_empty() {
            lease.give_back(now);
        }
        Ok(Received { first, rest: None, broken: None })
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        if let Some(kind) = self.broken.take() {
            return Poll::Ready(Some(Err(kind.into())));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let piece = match ready!(rest.poll(context)) {
            Ok(piece) => piece,
            Err(error) => {
                // Told at once, it would keep hyper from writing the head and what came of the body.
                (self.rest, self.broken) = (None, Some(error.kind()));
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        if rest.follows.is_over()
            && let Some(rest) = self.rest.take()
        {
            rest.end();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_none() && self.broken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.first.len() as u64;
        let left = match &self.rest {
            Some(rest) => rest.follows.left(),
            None => self.broken.is_none().then_some(0),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(ahead.saturating_add(left.unwrap_or_default()));
        if let Some(left) = left {
            hint.set_upper(ahead.saturating_add(left));
        }
        hint
    }
}

// === impl Rest ===

impl Rest {
    /// The next piece, or the end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if let Some(sent) = &mut self.sent {
            match sent.poll(self.lease.stream(), context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.sent = None,
                // It may have said all it has to say.
                Poll::Ready(Err(Unsent::Refused)) => (self.sent, self.reusable) = (None, false),
                Poll::Ready(Err(Unsent::Body)) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
        }
        loop {
            let piece = self.follows.take(&mut self.read).map_err(|Malformed| io::ErrorKind::InvalidData)?;
            if piece.is_some() || self.follows.is_over() {
                return Poll::Ready(Ok(piece));
            }
            // One byte more than is due would be one too many, and shows that the socket holds no more.
            let due = self.follows.left().map_or(self.last.saturating_mul(2), |left| {
                usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1)
            });
            self.last = ready!(read(self.lease.stream(), &mut self.read, due, context))?;
            if self.last == 0 {
                self.reusable = false;
                self.follows.close().map_err(|Malformed| io::ErrorKind::UnexpectedEof)?;
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Nothing more comes.
    fn end(self) {
        if self.reusable && self.sent.is_none() && self.read.is_empty() {
            self.lease.give_back(Instant::now());
        }
    }
}

/// Reads what is there; `room` is made for it, within bounds, only once there is something. Nothing read is the end.
pub(crate) fn read(
    stream: &mut TcpStream,
    read: &mut BytesMut,
    room: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    ready!(stream.poll_read_ready(context))?;
    let room = room.clamp(FIRST_READ, LARGEST_READ);
    if read.capacity() - read.len() < FIRST_READ {
        read.reserve(room);
    }
    pin!(stream.read_buf(read)).poll(context)
}
