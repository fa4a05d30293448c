//! One request and the head of its answer, over one connection, in the task of whoever asks.

use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use http::{Method, Request, StatusCode};
use palisade_guard::Fault;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Failed;
use super::body::{self, FIRST_READ};
use super::pool::{Lease, Patience};
use super::reply::{Head, Malformed, Search};
use super::sent::{Sent, Unsent};

/// An exchange that waits for the head of its answer. Both directions are served at once: an application may answer before
/// the request is whole.
pub(crate) struct Exchange<'e> {
    stream: &'e mut TcpStream,
    patience: &'e mut Patience,
    request: &'e mut Request<Sent>,
    sends: Sends,
    search: Search,
    read: BytesMut,
    /// Something was answered, if only interim.
    answered: bool,
    /// Bytes of the request's body when its time began.
    moved: u64,
}

/// How far the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sends {
    On,
    Over,
    /// The application takes no more; what it says is still heard.
    Refused,
}

/// An answer whose body is still to come.
pub(crate) struct Answered {
    pub(crate) head: Head,
    /// What was read beyond the head.
    pub(crate) read: BytesMut,
    /// All of the request was taken, and the application keeps the connection.
    pub(crate) reusable: bool,
}

// === impl Exchange ===

impl<'e> Exchange<'e> {
    /// Begins to send the request; `buffer` is room for its head.
    pub(crate) fn begin(
        lease: &'e mut Lease,
        request: &'e mut Request<Sent>,
        buffer: Vec<u8>,
        now: Instant,
    ) -> Exchange<'e> {
        Sent::begin(request, buffer);
        let (stream, patience) = lease.parts(now);
        let moved = request.body().moved();
        let (search, read) = (Search::default(), BytesMut::new());
        Exchange { stream, patience, request, sends: Sends::On, search, read, answered: false, moved }
    }

    /// The buffer for heads, if it is free again.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        self.request.body_mut().spare()
    }

    /// Goes on until the head of the answer is there. What it is read into are the request's fields, which are gone then.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Answered, Failed>> {
        if self.sends == Sends::On {
            match self.request.body_mut().poll(self.stream, context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.sends = Sends::Over,
                Poll::Ready(Err(Unsent::Body)) => return Poll::Ready(Err(Failed::Fault(Fault::BodyBroken))),
                Poll::Ready(Err(Unsent::Refused)) if self.request.body().is_whole() => {
                    return Poll::Ready(Err(Failed::Again));
                }
                Poll::Ready(Err(Unsent::Refused)) => self.sends = Sends::Refused,
            }
        }
        loop {
            let room = self.read.len().saturating_mul(2).max(FIRST_READ);
            match body::read(self.stream, &mut self.read, room, context) {
                Poll::Pending => break,
                Poll::Ready(Ok(1..)) => match self.look() {
                    Ok(None) => {}
                    Ok(Some(answered)) => return Poll::Ready(Ok(answered)),
                    Err(Malformed) => return Poll::Ready(Err(Failed::Fault(Fault::Unreachable))),
                },
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(self.closed())),
            }
        }
        while self.patience.poll(context).is_ready() {
            // An upload that goes on may take longer than the application may take to answer it.
            let body = self.request.body();
            if body.moved() == self.moved {
                return Poll::Ready(Err(Failed::Fault(body.blame())));
            }
            self.moved = body.moved();
            self.patience.restart(Instant::now());
        }
        Poll::Pending
    }

    /// Looks at what was read. Interim answers are for nobody behind the gate; they, and their fields, end here.
    fn look(&mut self) -> Result<Option<Answered>, Malformed> {
        self.answered = true;
        while !self.read.is_empty() {
            let Some(length) = self.search.look(&self.read)? else { return Ok(None) };
            let status = Head::status(&self.read)?;
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                self.read.advance(length);
                self.search = Search::default();
                continue;
            }
            let head = self.read.split_to(length).freeze();
            let bare = *self.request.method() == Method::HEAD;
            let head = Head::read(&head, bare, std::mem::take(self.request.headers_mut()))?;
            let reusable = head.kept && self.sends != Sends::Refused;
            return Ok(Some(Answered { head, read: std::mem::take(&mut self.read), reusable }));
        }
        Ok(None)
    }

    fn closed(&self) -> Failed {
        if self.answered { Failed::Fault(Fault::Unreachable) } else { Failed::Unanswered }
    }
}
