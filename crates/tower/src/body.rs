//! Bodies on both sides of the gate.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use palisade_guard::{BodyPlan, Identity, trailer_passes};

/// The body of an admitted request. Only the gate makes one, so a service that takes it cannot be reached around the
/// gate. It ends with an error beyond the route's cap, and drops trailers unless the route takes them.
#[derive(Debug)]
pub struct Guarded<B> {
    prefix: Bytes,
    rest: Option<B>,
    client: IpAddr,
    identity: Option<Identity>,
    left: u64,
    trailers: bool,
    overrun: Overrun,
}

/// Set when a body was larger than its route takes; read by the gate when the service has failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrun(Option<Arc<AtomicBool>>);

/// Why a body ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError<E> {
    /// It is larger than the route takes.
    TooLarge,
    /// The connection or its framing broke.
    Broken(E),
}

/// The body of a response: the service's, or the gate's own.
#[derive(Debug)]
pub enum GateBody<B> {
    /// Made by the gate.
    Own(Bytes),
    /// The service's.
    Inner(B),
    /// The service's, and its beginning was read before.
    Ahead(Bytes, Option<B>),
}

// === impl Guarded ===

impl<B: Body<Data = Bytes>> Guarded<B> {
    pub(crate) fn new(
        prefix: Bytes,
        rest: Option<B>,
        plan: BodyPlan,
        identity: Option<Identity>,
    ) -> (Guarded<B>, Overrun) {
        // A body whose length is announced was measured by the guard; only the others can overrun.
        let bounded = rest.as_ref().and_then(|rest| rest.size_hint().upper());
        let fits = rest.is_none() || bounded.is_some_and(|more| more.saturating_add(prefix.len() as u64) <= plan.cap);
        let overrun = Overrun((!fits).then(Arc::default));
        let left = plan.cap.saturating_sub(prefix.len() as u64);
        let BodyPlan { client, cap: _, trailers } = plan;
        (Guarded { prefix, rest, client, identity, left, trailers, overrun: overrun.clone() }, overrun)
    }
}

impl<B> Guarded<B> {
    /// Whose request it is: the client's address, behind the trusted proxies.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The verified caller, where the route looks at one.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the route takes trailers: a server may have to announce them.
    #[must_use]
    pub fn takes_trailers(&self) -> bool {
        self.trailers
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Guarded<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if !this.prefix.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.prefix)))));
        }
        let Some(rest) = this.rest.as_mut() else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(rest).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Some(Ok(frame)) => frame,
        };
        let frame = match frame.into_data() {
            Ok(data) => {
                let Some(left) = this.left.checked_sub(data.remaining() as u64) else {
                    this.overrun.set();
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                };
                this.left = left;
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Err(frame) => frame,
        };
        let Ok(mut fields) = frame.into_trailers() else { return Poll::Ready(None) };
        if !this.trailers {
            return Poll::Ready(None);
        }
        retain_harmless(&mut fields);
        Poll::Ready(Some(Ok(Frame::trailers(fields))))
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        ahead(&self.prefix, self.rest.as_ref())
    }
}

/// The size of a body whose beginning was read before.
fn ahead(read: &Bytes, rest: Option<&impl Body>) -> SizeHint {
    let ahead = read.len() as u64;
    let rest = rest.map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower().saturating_add(ahead));
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper.saturating_add(ahead));
    }
    hint
}

fn retain_harmless(fields: &mut HeaderMap) {
    let dropped: Vec<HeaderName> = fields.keys().filter(|name| !trailer_passes(name)).cloned().collect();
    for name in dropped {
        fields.remove(name);
    }
}

// === impl Overrun ===

impl Overrun {
    fn set(&self) {
        if let Some(flag) = &self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn happened(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

// === impl BodyError ===

impl<E: fmt::Display> fmt::Display for BodyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => f.write_str("the request body is larger than the route takes"),
            BodyError::Broken(error) => write!(f, "the request body broke off: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for BodyError<E> {}

// === impl GateBody ===

impl<B: Body<Data = Bytes> + Unpin> Body for GateBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            GateBody::Own(bytes) | GateBody::Ahead(bytes, None) if bytes.is_empty() => Poll::Ready(None),
            GateBody::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            GateBody::Ahead(bytes, _) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            GateBody::Inner(body) | GateBody::Ahead(_, Some(body)) => Pin::new(body).poll_frame(context),
            GateBody::Ahead(_, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            GateBody::Own(bytes) => bytes.is_empty(),
            GateBody::Inner(body) => body.is_end_stream(),
            GateBody::Ahead(bytes, rest) => bytes.is_empty() && rest.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            GateBody::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            GateBody::Inner(body) => body.size_hint(),
            GateBody::Ahead(bytes, rest) => ahead(bytes, rest.as_ref()),
        }
    }
}
