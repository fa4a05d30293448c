//! One thread: its listener, its connections, its way to the application, its events.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use palisade_backend::{Jwks, Linked, Local, Shared};
use palisade_guard::{Fault, Peer, Plan, trailer_passes};
use palisade_policy::{Limits, Origin};
use palisade_tower::{Gate, GateBody, Guarded};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::census::{Census, Permit};
use crate::events::{Lines, Queue, Surroundings, flusher};
use crate::roster::Roster;
use crate::serve::{Answers, Link, builder, serve};
use crate::upstream::{Received, Upstream, client_of};
use crate::websocket;

/// What a thread is given.
pub(crate) struct Start {
    pub(crate) listener: StdListener,
    pub(crate) upstream: Origin,
    pub(crate) plan: Arc<Plan>,
    pub(crate) jwks: Option<Jwks>,
    pub(crate) shared: Option<Shared>,
    pub(crate) census: Arc<Census>,
    pub(crate) events: Arc<Queue>,
    /// True once the gate drains.
    pub(crate) stop: watch::Receiver<bool>,
}

/// A thread that serves.
struct Worker {
    gate: Gate<Linked, Surroundings>,
    upstream: Upstream,
    census: Arc<Census>,
    roster: Rc<Roster>,
    http: http1::Builder,
    limits: Limits,
}

/// After the last accept, what clients have already sent may still be on its way through the kernel.
const LAST_CALL: Duration = Duration::from_millis(50);
/// When accepting fails, for want of file descriptors, there is no use in trying again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop, then drains. Returns how many connections were cut off in the end.
pub(crate) fn run(start: Start) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = Rc::new(Lines::new(Arc::clone(&start.events)));
    let local = LocalSet::new();
    let cut = local.block_on(&runtime, serve_all(start, Rc::clone(&lines)));
    // Whatever is still open is dropped, and may still leave a record.
    drop(local);
    lines.finish();
    cut
}

async fn serve_all(start: Start, lines: Rc<Lines>) -> io::Result<usize> {
    let Start { listener, upstream, plan, jwks, shared, census, events: _, mut stop } = start;
    let limits = plan.policy().limits.clone();
    let local = Local::new(Arc::clone(plan.state())).with_jwks(jwks);
    let backend = Linked::open(local, shared.as_ref());
    let roster = Rc::new(Roster::default());
    let worker = Rc::new(Worker {
        upstream: Upstream::new(&upstream, limits.upstream_timeout),
        gate: Gate::new(plan, backend, Surroundings::new(Rc::clone(&lines))),
        census,
        roster: Rc::clone(&roster),
        http: builder(&limits),
        limits,
    });
    spawn_local(flusher(lines));
    let listener = TcpListener::from_std(listener)?;
    let stopped = Cell::new(false);
    while !stopped.get() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => worker.welcome(stream, peer.ip()),
                Err(error) => recover(&error).await,
            },
            _ = stop.wait_for(|stop| *stop) => stopped.set(true),
        }
    }
    worker.accept_rest(listener);
    sleep(LAST_CALL).await;
    roster.close();
    let _ = timeout(worker.limits.drain_timeout, roster.emptied()).await;
    Ok(roster.len())
}

/// A connection that broke before it was accepted is nothing; anything else is a shortage.
async fn recover(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        sleep(ACCEPT_PAUSE).await;
    }
}

// === impl Worker ===

impl Worker {
    /// Serves a connection in a task of its own, so that a panic costs that connection alone. Beyond the limits it is
    /// closed without a word.
    fn welcome(self: &Rc<Self>, stream: TcpStream, peer: IpAddr) {
        let Some(permit) = self.census.connection(peer) else { return };
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let link = Link { peer, permit: Rc::new(permit) };
        let (worker, place) = (Rc::clone(self), self.roster.enter());
        spawn_local(async move {
            serve(Rc::clone(&worker), &worker.http, stream, &worker.limits, link, place).await;
        });
    }

    /// Takes what the kernel has queued, and closes the listener. Asks the socket itself: the runtime may not know yet.
    fn accept_rest(self: &Rc<Self>, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.welcome(stream, peer.ip());
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Guarded<Incoming>>,
        trailer: Option<header::HeaderValue>,
        link: &Link,
    ) -> Result<Response<Received>, Fault> {
        if !websocket::asks(&request) {
            return self.upstream.send(request, trailer).await;
        }
        let permit = client_of(request.headers()).and_then(|client| self.census.tunnel(client));
        let Some(permit) = permit else { return Err(Fault::Overloaded) };
        let connection: Rc<Permit> = Rc::clone(&link.permit);
        let holds = websocket::Holds { place: self.roster.enter(), permit, connection };
        websocket::open(&self.upstream, request, holds).await
    }
}

impl Answers for Worker {
    type Body = GateBody<Received>;

    async fn answer(&self, request: Request<Incoming>, link: &Link) -> Response<GateBody<Received>> {
        let trailer = announced(&request);
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let peer = Peer { address: link.peer };
        let mut response = self.gate.handle(peer, request, |admitted| self.forward(admitted, trailer, link)).await;
        if chunked {
            // hyper hides whether there was a Content-Length beside. If so, a proxy before us may believe that one and
            // see another request than we do in what follows (RFC 9112 section 6.1), so nothing may follow.
            response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        response
    }
}

/// The trailer fields a request announces and that may pass. The guard strips the announcement; where the route takes
/// trailers, hyper sends only those that are announced.
fn announced(request: &Request<Incoming>) -> Option<header::HeaderValue> {
    let mut lines = request.headers().get_all(header::TRAILER).iter().peekable();
    lines.peek()?;
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let names = names.filter_map(|name| header::HeaderName::from_bytes(name.trim().as_bytes()).ok());
    let passing: Vec<_> = names.filter(trailer_passes).map(|name| name.as_str().to_owned()).collect();
    header::HeaderValue::from_str(&passing.join(", ")).ok().filter(|value| !value.is_empty())
}
