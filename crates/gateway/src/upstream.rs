//! The way to the application: one pool of connections a thread, nothing shared, nothing locked.

mod body;
mod connect;
mod pool;

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use palisade_guard::Fault;
use palisade_policy::Origin;
use palisade_tower::Guarded;

use crate::upload::Upload;
pub(crate) use body::Received;
use body::{Progress, Sending, Sent};
use connect::Connector;
use pool::{Lease, Pool};

/// The application.
#[derive(Debug)]
pub(crate) struct Upstream {
    connector: Connector,
    pool: Rc<Pool>,
    patience: Duration,
}

/// A WebSocket handshake that the application has accepted or refused.
pub(crate) struct Handshake {
    /// Its answer; what makes a 101 one of WebSocket is not checked yet.
    pub(crate) response: Response<Received>,
    /// Our side of the connection to come.
    pub(crate) upgraded: hyper::upgrade::OnUpgrade,
}

/// Why an exchange failed.
enum Failed {
    /// The connection was closed before anything of the request was sent; here it is again.
    Unsent(Box<Request<Sent>>),
    Fault(Fault),
}

// === impl Upstream ===

impl Upstream {
    pub(crate) fn new(origin: &Origin, patience: Duration) -> Upstream {
        Upstream { connector: Connector::new(origin), pool: Rc::new(Pool::new(patience)), patience }
    }

    /// Sends an admitted request and waits for the head of the response.
    ///
    /// # Errors
    /// [`Fault::Unreachable`] when no connection can be had or it breaks, also when the application answers what
    /// was not asked (101); [`Fault::Timeout`] when no head comes in time; [`Fault::BodyBroken`] when it is the
    /// client's body that breaks off or stands still.
    pub(crate) async fn send(
        &self,
        request: Request<Guarded<Upload>>,
        trailer: Option<HeaderValue>,
    ) -> Result<Response<Received>, Fault> {
        let (mut request, progress) = shape(request, trailer)?;
        if let Some(mut lease) = self.pool.take() {
            match self.exchange(&mut lease, request, progress.as_deref()).await {
                Ok(response) => return received(response, lease, progress),
                Err(Failed::Fault(fault)) => return Err(fault),
                // Closed while it lay idle: the application never saw the request.
                Err(Failed::Unsent(unsent)) => request = *unsent,
            }
        }
        let mut lease = self.pool.lease(self.connector.connect().await?);
        match self.exchange(&mut lease, request, progress.as_deref()).await {
            Ok(response) => received(response, lease, progress),
            Err(Failed::Fault(fault)) => Err(fault),
            Err(Failed::Unsent(_)) => Err(Fault::Unreachable),
        }
    }

    /// Sends a WebSocket handshake over a connection of its own.
    ///
    /// # Errors
    /// As [`Upstream::send`].
    pub(crate) async fn handshake(&self, request: Request<Guarded<Upload>>) -> Result<Handshake, Fault> {
        let (request, progress) = shape(request, None)?;
        let mut lease = self.pool.lease(self.connector.connect_upgradeable().await?);
        let exchanged = self.exchange(&mut lease, request, progress.as_deref()).await;
        let mut response = exchanged.map_err(|failed| match failed {
            Failed::Fault(fault) => fault,
            Failed::Unsent(_) => Fault::Unreachable,
        })?;
        let upgraded = hyper::upgrade::on(&mut response);
        response.extensions_mut().clear();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            lease.release();
        }
        Ok(Handshake { response: response.map(|body| Received::single(body, lease)), upgraded })
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        request: Request<Sent>,
        progress: Option<&Progress>,
    ) -> Result<Response<Incoming>, Failed> {
        let Some((sender, patience)) = lease.parts() else { return Err(Failed::Fault(Fault::Internal)) };
        let mut sending = pin!(sender.try_send_request(request));
        let mut moved = 0;
        let outcome = poll_fn(|context| {
            if let Poll::Ready(outcome) = sending.as_mut().poll(context) {
                return Poll::Ready(Ok(outcome));
            }
            loop {
                if patience.poll(context, self.patience).is_pending() {
                    return Poll::Pending;
                }
                // An upload that goes on may take longer than the application may take to answer it.
                let so_far = progress.map_or(0, Progress::moved);
                if so_far == moved {
                    return Poll::Ready(Err(progress.map_or(Fault::Timeout, Progress::blame)));
                }
                moved = so_far;
                patience.restart();
            }
        })
        .await;
        let mut error = match outcome {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => error,
            Err(fault) => return Err(Failed::Fault(fault)),
        };
        match (error.take_message(), progress.map(Progress::sending)) {
            (Some(unsent), None | Some(Sending::Untouched)) => Err(Failed::Unsent(Box::new(unsent))),
            (_, Some(Sending::Broken)) => Err(Failed::Fault(Fault::BodyBroken)),
            _ => Err(Failed::Fault(Fault::Unreachable)),
        }
    }
}

/// Ties the connection to the body of its response, by whose end it is known to be clean.
fn received(
    mut response: Response<Incoming>,
    lease: Lease,
    progress: Option<Rc<Progress>>,
) -> Result<Response<Received>, Fault> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Unreachable);
    }
    // A reason phrase of the application's own would survive the masking of its error.
    response.extensions_mut().clear();
    Ok(response.map(|body| Received::new(body, lease, progress)))
}

/// The request as it goes out: origin form, HTTP/1.1, its body framed by what is known of it now.
fn shape(
    request: Request<Guarded<Upload>>,
    trailer: Option<HeaderValue>,
) -> Result<(Request<Sent>, Option<Rc<Progress>>), Fault> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(Fault::Internal);
    }
    head.version = Version::HTTP_11;
    head.extensions.clear();
    if head.uri.authority().is_some() || head.uri.path_and_query().is_none() {
        head.uri = head.uri.path_and_query().cloned().map_or(Uri::from_static("/"), Uri::from);
    }
    // The client was told to continue when its body was first read.
    head.headers.remove(header::EXPECT);
    head.headers.remove(header::TRANSFER_ENCODING);
    frame(&mut head.headers, body.size_hint().exact());
    if let Some(trailer) = trailer.filter(|_| body.takes_trailers()) {
        head.headers.insert(header::TRAILER, trailer);
    }
    let (sent, progress) = Sent::new(body);
    Ok((Request::from_parts(head, sent), progress))
}

/// One Content-Length, and only where it is the truth; hyper frames the rest.
fn frame(headers: &mut HeaderMap, exact: Option<u64>) {
    if headers.contains_key(header::CONTENT_LENGTH) || exact.is_some_and(|exact| exact > 0) {
        match exact {
            Some(exact) => headers.insert(header::CONTENT_LENGTH, HeaderValue::from(exact)),
            None => headers.remove(header::CONTENT_LENGTH),
        };
    }
}

/// The address that the guard found for the client of an admitted request.
pub(crate) fn client_of(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("x-forwarded-for")?.to_str().ok()?.parse().ok()
}
