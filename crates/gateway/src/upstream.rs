//! The way to the application: pools of connections a thread, one for each upstream, nothing locked.
//!
//! A request is sent again at most once, and only if the first time changed nothing: no byte of it was sent (connecting
//! failed, or a kept connection was closed before), or it is idempotent, without a body, and a kept connection closed
//! without an answer (RFC 9110 section 9.2.2). What was sent and is not idempotent is never sent again.

mod body;
mod choice;
mod connect;
mod fleet;
mod health;
mod member;
mod pool;
mod vital;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use palisade_guard::Fault;
use palisade_tower::Guarded;
use tokio::time::Instant;

use crate::upload::Upload;
pub(crate) use body::Received;
use body::{Progress, Sending, Sent};
use choice::{Choice, Chosen};
pub(crate) use fleet::Fleet;
pub(crate) use health::check;
use member::Member;
use pool::Lease;

use crate::metrics::Counters;

/// The application, behind one upstream or several.
#[derive(Debug)]
pub(crate) struct Upstreams {
    members: Vec<Rc<Member>>,
    choice: Choice,
    counters: Arc<Counters>,
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
    /// It may be sent again: the application never saw the request, or seeing it twice changes nothing. It lies where
    /// it was taken from.
    Again,
    /// It was sent, or some of it was, and the connection closed without an answer.
    Unanswered,
    Fault(Fault),
}

/// A kept connection that was idle for less is taken to be open still: a closing application is noticed within it. For
/// older ones a copy of an idempotent request is kept, in case the close crosses it on the way.
const FRESH: Duration = Duration::from_millis(5);

// === impl Upstreams ===

impl Upstreams {
    /// The upstreams of the fleet. Connections to those that `before` had too are kept.
    pub(crate) fn new(
        fleet: &Fleet,
        patience: Duration,
        counters: &Arc<Counters>,
        thread: usize,
        before: Option<&Upstreams>,
    ) -> Upstreams {
        let before = before.filter(|before| before.patience == patience);
        let member = |seat: &fleet::Seat| {
            let known = before.and_then(|before| before.members.iter().find(|it| it.seat.origin == seat.origin));
            known.map_or_else(|| Rc::new(Member::new(seat, thread, patience)), Rc::clone)
        };
        let members: Vec<Rc<Member>> = fleet.seats.iter().map(member).collect();
        let weights = fleet.seats.iter().map(|seat| seat.weight);
        let choice = Choice::new(members.iter().cloned().zip(weights));
        Upstreams { members, choice, counters: Arc::clone(counters), patience }
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
        let started = Instant::now();
        let (request, progress) = shape(request, trailer)?;
        // It lies in one place until it is sent: what is handed from future to future is copied each time.
        let mut unsent = Some(request);
        let chosen = self.choice.pick(None, mono_micros).ok_or(Fault::Unreachable)?;
        let first = Rc::clone(&chosen.member);
        let mut outcome = self.attempt(chosen, &mut unsent, progress.as_ref(), Some(started)).await;
        if let Err(Failed::Again) = outcome {
            self.counters.retries.add(1);
            let chosen = self.choice.pick(Some(&first), mono_micros).ok_or(Fault::Unreachable)?;
            outcome = self.attempt(chosen, &mut unsent, progress.as_ref(), None).await;
        }
        if outcome.is_ok() {
            self.counters.upstream.observe(started.elapsed());
        }
        outcome.map_err(Failed::fault)
    }

    /// Sends the request to one upstream; over a kept connection only the first time, for which `begun` is the time.
    async fn attempt(
        &self,
        chosen: Chosen,
        unsent: &mut Option<Request<Sent>>,
        progress: Option<&Rc<Progress>>,
        begun: Option<Instant>,
    ) -> Result<Response<Received>, Failed> {
        let Chosen { member, turn, trial } = chosen;
        if let Some(tally) = member.tally() {
            tally.requests.add(1);
        }
        let kept = begun.filter(|_| !trial).and_then(|now| member.pool.take(now));
        let (mut lease, begun, copy) = match (kept, begun) {
            (Some((connection, idle)), Some(begun)) => {
                let copy = unsent.as_ref().filter(|_| idle >= FRESH).and_then(copy);
                (member.pool.lease(connection, turn), begun, copy.map(Box::new))
            }
            _ => match member.connect(turn, trial).await {
                Ok(lease) => (lease, Instant::now(), None),
                Err(_) => return Err(Failed::Again),
            },
        };
        match self.exchange(&mut lease, unsent, progress.map(Rc::as_ref), begun).await {
            Ok(response) => received(response, lease, progress.cloned()).map_err(Failed::Fault),
            Err(Failed::Unanswered) => {
                *unsent = copy.map(|copy| *copy);
                Err(if unsent.is_some() { Failed::Again } else { Failed::Fault(Fault::Unreachable) })
            }
            Err(failed) => Err(failed),
        }
    }

    /// Sends a WebSocket handshake over a connection of its own.
    ///
    /// # Errors
    /// As [`Upstreams::send`].
    pub(crate) async fn handshake(&self, request: Request<Guarded<Upload>>) -> Result<Handshake, Fault> {
        let (request, progress) = shape(request, None)?;
        let mut lease = self.open_upgradeable().await?;
        let exchanged = self.exchange(&mut lease, &mut Some(request), progress.as_deref(), Instant::now()).await;
        let mut response = exchanged.map_err(Failed::fault)?;
        let upgraded = hyper::upgrade::on(&mut response);
        response.extensions_mut().clear();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            lease.release();
        }
        Ok(Handshake { response: response.map(|body| Received::single(body, lease)), upgraded })
    }

    async fn open_upgradeable(&self) -> Result<Lease, Fault> {
        let Chosen { member, turn, trial } = self.choice.pick(None, mono_micros).ok_or(Fault::Unreachable)?;
        if let Ok(lease) = member.connect_upgradeable(turn, trial).await {
            return Ok(lease);
        }
        self.counters.retries.add(1);
        let Chosen { member, turn, trial } = self.choice.pick(Some(&member), mono_micros).ok_or(Fault::Unreachable)?;
        member.connect_upgradeable(turn, trial).await
    }

    async fn exchange(
        &self,
        lease: &mut Lease,
        unsent: &mut Option<Request<Sent>>,
        progress: Option<&Progress>,
        begun: Instant,
    ) -> Result<Response<Incoming>, Failed> {
        let (Some((sender, patience)), Some(request)) = (lease.parts(begun), unsent.take()) else {
            return Err(Failed::Fault(Fault::Internal));
        };
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
                patience.restart(Instant::now());
            }
        })
        .await;
        let mut error = match outcome {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => error,
            Err(fault) => return Err(Failed::Fault(fault)),
        };
        match (error.take_message(), progress.map(Progress::sending)) {
            (Some(again), None | Some(Sending::Untouched)) => {
                *unsent = Some(again);
                Err(Failed::Again)
            }
            (_, Some(Sending::Broken)) => Err(Failed::Fault(Fault::BodyBroken)),
            _ if error.error().is_parse() => Err(Failed::Fault(Fault::Unreachable)),
            _ => Err(Failed::Unanswered),
        }
    }
}

impl Failed {
    /// What it is when nothing is sent again.
    fn fault(self) -> Fault {
        match self {
            Failed::Fault(fault) => fault,
            Failed::Again | Failed::Unanswered => Fault::Unreachable,
        }
    }
}

/// Microseconds of the stopwatch.
fn mono_micros() -> u64 {
    palisade_backend::now().mono.0
}

/// What may be sent a second time although the first was sent: idempotent, and without a body.
fn copy(request: &Request<Sent>) -> Option<Request<Sent>> {
    if !request.method().is_idempotent() {
        return None;
    }
    let mut copy = Request::new(request.body().again()?);
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    *copy.version_mut() = request.version();
    request.headers().clone_into(copy.headers_mut());
    Some(copy)
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

/// The request as it goes out: origin form, HTTP/1.1, its body framed by what is known of it now. The guard has taken away
/// how it was framed before, and `Expect`: the client was told to continue when its body was first read.
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
