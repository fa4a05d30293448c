//! The way to the application: pools of connections a thread, one for each upstream, nothing locked. HTTP/1.1 is spoken here,
//! in the request's own task: a request is written, and its answer read, by whoever waits for it.
//!
//! A request is sent again at most once, and only if the first time changed nothing: no byte of it was sent (connecting
//! failed, or a kept connection was closed before), or it is idempotent, without a body, and a kept connection closed
//! without an answer (RFC 9110 section 9.2.2). What was sent and is not idempotent is never sent again.

mod body;
mod choice;
mod connect;
mod exchange;
mod fleet;
mod health;
mod member;
mod pool;
mod reply;
mod sent;
mod vital;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request, Response, StatusCode};
use palisade_guard::Fault;
use palisade_tower::Guarded;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::upload::Upload;
pub(crate) use body::Received;
use choice::{Choice, Chosen};
use exchange::{Answered, Exchange};
pub(crate) use fleet::Fleet;
pub(crate) use health::check;
use member::Member;
use pool::Lease;
use reply::Malformed;
use sent::Sent;

use crate::metrics::Counters;

/// The application, behind one upstream or several.
#[derive(Debug)]
pub(crate) struct Upstreams {
    members: Vec<Rc<Member>>,
    choice: Choice,
    counters: Arc<Counters>,
    patience: Duration,
    /// Room to write heads into. Most leave at once, so that one is enough.
    heads: RefCell<Vec<u8>>,
}

/// A WebSocket handshake that the application has accepted or refused.
pub(crate) struct Handshake {
    /// Its answer; what makes a 101 one of WebSocket is not checked yet.
    pub(crate) response: Response<Received>,
    /// The connection, if the answer is 101.
    pub(crate) upgraded: Option<Upgraded>,
}

/// A connection that speaks another protocol from now on.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) stream: TcpStream,
    /// What has come of it already.
    pub(crate) ahead: Bytes,
}

/// Why an exchange failed.
enum Failed {
    /// It may be sent again: the application never saw the request, or seeing it twice changes nothing.
    Again,
    /// It was sent, or some of it was, and the connection closed without an answer.
    Unanswered,
    Fault(Fault),
}

/// A kept connection that was idle for less was open: a closing application is noticed within it. When it closes without an
/// answer it is the request that the application fails over, and others of it need not meet it too.
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
        Upstreams { members, choice, counters: Arc::clone(counters), patience, heads: RefCell::default() }
    }

    /// Sends an admitted request and waits for the head of the response.
    ///
    /// # Errors
    /// [`Fault::Unreachable`] when no connection can be had or it breaks, also when the application answers what
    /// was not asked (101) or what can be read in two ways; [`Fault::Timeout`] when no head comes in time;
    /// [`Fault::BodyBroken`] when it is the client's body that breaks off or stands still.
    pub(crate) async fn send(
        &self,
        request: Request<Guarded<Upload>>,
        trailer: Option<HeaderValue>,
    ) -> Result<Response<Received>, Fault> {
        let started = Instant::now();
        // It lies in one place until it is sent: what is handed from future to future is copied each time.
        let mut request = shape(request, trailer)?;
        let chosen = self.choice.pick(None, mono_micros).ok_or(Fault::Unreachable)?;
        let first = Rc::clone(&chosen.member);
        let mut outcome = self.attempt(chosen, &mut request, Some(started)).await;
        if let Err(Failed::Again) = outcome {
            self.counters.retries.add(1);
            let chosen = self.choice.pick(Some(&first), mono_micros).ok_or(Fault::Unreachable)?;
            outcome = self.attempt(chosen, &mut request, None).await;
        }
        let (answered, lease) = outcome.map_err(Failed::fault)?;
        if answered.head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Fault::Unreachable);
        }
        let now = Instant::now();
        self.counters.upstream.observe(now.saturating_duration_since(started));
        received(answered, lease, request.into_body(), now)
    }

    /// Sends the request to one upstream; over a kept connection only the first time, for which `begun` is the time.
    async fn attempt(
        &self,
        chosen: Chosen,
        request: &mut Request<Sent>,
        begun: Option<Instant>,
    ) -> Result<(Answered, Lease), Failed> {
        let Chosen { member, turn, trial } = chosen;
        if let Some(tally) = member.tally() {
            tally.requests.add(1);
        }
        let kept = begun.filter(|_| !trial).and_then(|now| member.pool.take(now));
        let aged = kept.as_ref().is_some_and(|(_, idle)| *idle >= FRESH);
        let again = aged && request.method().is_idempotent() && request.body().is_empty();
        let (mut lease, now) = match (kept, begun) {
            (Some((connection, _)), Some(begun)) => (member.pool.lease(connection, turn), begun),
            // Apart, so that the futures of most requests stay small.
            _ => match Box::pin(member.connect(turn, trial)).await {
                Ok(lease) => (lease, Instant::now()),
                Err(_) => return Err(Failed::Again),
            },
        };
        match self.exchange(&mut lease, request, now).await {
            Ok(answered) => Ok((answered, lease)),
            Err(Failed::Unanswered) if again => Err(Failed::Again),
            Err(failed) => Err(failed),
        }
    }

    /// Sends a WebSocket handshake over a connection of its own.
    ///
    /// # Errors
    /// As [`Upstreams::send`].
    pub(crate) async fn handshake(&self, request: Request<Guarded<Upload>>) -> Result<Handshake, Fault> {
        let mut request = shape(request, None)?;
        let mut lease = self.open().await?;
        let answered = self.exchange(&mut lease, &mut request, Instant::now()).await.map_err(Failed::fault)?;
        if answered.head.status != StatusCode::SWITCHING_PROTOCOLS {
            let answered = Answered { reusable: false, ..answered };
            let response = received(answered, lease, request.into_body(), Instant::now())?;
            return Ok(Handshake { response, upgraded: None });
        }
        let Answered { head, read, .. } = answered;
        let mut response = Response::new(Received::empty());
        (*response.status_mut(), *response.headers_mut()) = (head.status, head.headers);
        let upgraded = Upgraded { stream: lease.into_stream(), ahead: read.freeze() };
        Ok(Handshake { response, upgraded: Some(upgraded) })
    }

    async fn open(&self) -> Result<Lease, Fault> {
        let Chosen { member, turn, trial } = self.choice.pick(None, mono_micros).ok_or(Fault::Unreachable)?;
        if let Ok(lease) = member.connect(turn, trial).await {
            return Ok(lease);
        }
        self.counters.retries.add(1);
        let Chosen { member, turn, trial } = self.choice.pick(Some(&member), mono_micros).ok_or(Fault::Unreachable)?;
        member.connect(turn, trial).await
    }

    async fn exchange(&self, lease: &mut Lease, request: &mut Request<Sent>, now: Instant) -> Result<Answered, Failed> {
        let mut exchange = Exchange::begin(lease, request, self.heads.take(), now);
        poll_fn(|context| {
            let polled = exchange.poll(context);
            let spare = exchange.spare();
            if spare.capacity() > 0 {
                self.heads.replace(spare);
            }
            polled
        })
        .await
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

/// Ties the connection to the body of its response, by whose end it is known to be clean.
fn received(answered: Answered, lease: Lease, sent: Sent, now: Instant) -> Result<Response<Received>, Fault> {
    let Answered { head, read, reusable } = answered;
    let sent = Some(sent).filter(|sent| !sent.is_done());
    let body = Received::new(lease, head.follows, read, sent, reusable, now);
    let mut response = Response::new(body.map_err(|Malformed| Fault::Unreachable)?);
    (*response.status_mut(), *response.headers_mut()) = (head.status, head.headers);
    Ok(response)
}

/// The request as it goes out, its body framed by what is known of it now. The guard has taken away how it was framed before,
/// and `Expect`: the client was told to continue when its body was first read.
fn shape(request: Request<Guarded<Upload>>, trailer: Option<HeaderValue>) -> Result<Request<Sent>, Fault> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(Fault::Internal);
    }
    head.extensions.clear();
    let sent = Sent::new(body, trailer, &mut head.headers);
    Ok(Request::from_parts(head, sent))
}
