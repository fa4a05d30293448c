//! Bodies on the way to the application and back, and what they say of the connection they travel on.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use palisade_guard::Fault;
use palisade_tower::{BodyError, Guarded};

use super::pool::Lease;
use crate::upload::{Upload, UploadError};

/// The body of a request, watched.
#[derive(Debug)]
pub(crate) struct Sent {
    body: Guarded<Upload>,
    progress: Option<Rc<Progress>>,
}

/// How far the body of a request has come.
#[derive(Debug)]
pub(crate) struct Progress {
    sending: Cell<Sending>,
    moved: Cell<u64>,
}

/// What the body of a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Nobody has asked for it.
    Untouched,
    /// The client is to send more.
    Awaited,
    /// The application is to take more.
    Moving,
    /// All of it is sent.
    Done,
    /// It broke off, or was larger than allowed.
    Broken,
}

/// The body of a response. Its connection goes back to the pool when it has ended, and only if the request's body has
/// ended too; in every other case it is closed.
#[derive(Debug)]
pub(crate) struct Received {
    body: Incoming,
    lease: Option<Lease>,
    progress: Option<Rc<Progress>>,
    reusable: bool,
}

// === impl Sent ===

impl Sent {
    pub(crate) fn new(body: Guarded<Upload>) -> (Sent, Option<Rc<Progress>>) {
        let fresh = || Rc::new(Progress { sending: Cell::new(Sending::Untouched), moved: Cell::new(0) });
        let progress = (!body.is_end_stream()).then(fresh);
        (Sent { body, progress: progress.clone() }, progress)
    }
}

impl Sent {
    /// The same once more, if there are no bytes in it.
    pub(crate) fn again(&self) -> Option<Sent> {
        self.body.again().map(|body| Sent { body, progress: None })
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BodyError<UploadError>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let Some(progress) = &self.progress else { return frame };
        progress.sending.set(match &frame {
            Poll::Pending => Sending::Awaited,
            Poll::Ready(None) => Sending::Done,
            Poll::Ready(Some(Err(_))) => Sending::Broken,
            // Trailers end a body; a known length ends it with its last byte.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || self.body.is_end_stream() => Sending::Done,
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                progress.moved.set(progress.moved.get().saturating_add(bytes as u64));
                Sending::Moving
            }
        });
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Progress ===

impl Progress {
    pub(crate) fn sending(&self) -> Sending {
        self.sending.get()
    }

    /// Bytes so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.get()
    }

    /// Whose fault it is that nothing moves.
    pub(crate) fn blame(&self) -> Fault {
        match self.sending.get() {
            Sending::Awaited | Sending::Broken => Fault::BodyBroken,
            Sending::Untouched | Sending::Moving | Sending::Done => Fault::Timeout,
        }
    }
}

// === impl Received ===

impl Received {
    pub(crate) fn new(body: Incoming, lease: Lease, progress: Option<Rc<Progress>>) -> Received {
        Received::start(body, lease, progress, true)
    }

    /// The answer to a handshake: its connection is used once.
    pub(crate) fn single(body: Incoming, lease: Lease) -> Received {
        Received::start(body, lease, None, false)
    }

    fn start(body: Incoming, lease: Lease, progress: Option<Rc<Progress>>, reusable: bool) -> Received {
        let mut received = Received { body, lease: Some(lease), progress, reusable };
        if received.body.is_end_stream() {
            received.end();
        }
        received
    }

    fn end(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let sent = self.progress.as_ref().is_none_or(|progress| progress.sending() == Sending::Done);
        if sent && self.reusable {
            lease.give_back();
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match &frame {
                Some(Ok(frame)) if frame.is_trailers() => continue,
                Some(Ok(_)) if self.body.is_end_stream() => self.end(),
                Some(Ok(_)) => {}
                Some(Err(_)) => self.lease = None,
                None => self.end(),
            }
            return Poll::Ready(frame);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
