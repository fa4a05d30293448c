//! One thread: its listener, its connections, its way to the application, its events.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use palisade_backend::{Linked, Local, Shared};
use palisade_event::{Code, Kind};
use palisade_guard::{Fault, Peer, trailer_passes};
use palisade_policy::{Found, Limits, Policy};
use palisade_tower::{Gate, GateBody, Guarded};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::census::{Census, Permit};
use crate::control::{Common, InForce, Stop};
use crate::events::{Lines, Surroundings, flusher};
use crate::framing::Flaw;
use crate::front::Front;
use crate::http2;
use crate::metrics::Counters;
use crate::redirect::ToHttps;
use crate::roster::{Place, Roster};
use crate::serve::{Answers, Link, builder, serve};
use crate::upload::Upload;
use crate::upstream::{Received, Upstreams};
use crate::websocket;

/// What a thread is given.
pub(crate) struct Start {
    pub(crate) listener: StdListener,
    /// Where plain http is sent on to https.
    pub(crate) redirect: Option<StdListener>,
    pub(crate) front: Front,
    /// Somebody else holds the port too, and serves what this gate has not accepted.
    pub(crate) inherited: bool,
    /// Which of the threads it is, from 0.
    pub(crate) number: usize,
    /// Where the state is that gates share, if they do.
    pub(crate) state: Option<Shared>,
    pub(crate) common: Arc<Common>,
}

/// A thread that serves.
pub(crate) struct Worker {
    /// What requests that begin now are served by.
    current: RefCell<Rc<Current>>,
    surroundings: Surroundings,
    counters: Arc<Counters>,
    /// Answers what the guard asks, by its own memory or by that of all gates.
    backend: Linked,
    number: usize,
    front: Front,
    tls: Option<TlsAcceptor>,
    census: Arc<Census>,
    roster: Rc<Roster>,
    http: http1::Builder,
    limits: Limits,
    /// For connections that come when there are too many: those that ask nothing go sooner.
    hurried: Limits,
}

/// What a request is served by, from its beginning to its end.
struct Current {
    gate: Gate<Linked, Surroundings>,
    upstreams: Upstreams,
}

/// A connection that can be served.
enum Opened {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a client that is turned away for want of room is told to wait, seconds.
const RETRY_AFTER: u32 = 1;
/// How long a connection that is not yet open has to become so once the gate drains.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);
/// After the last accept, what clients have already sent may still be on its way through the kernel.
const LAST_CALL: Duration = Duration::from_millis(50);
/// When accepting fails, for want of file descriptors, there is no use in trying again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop, then drains. Returns how many connections were cut off in the end.
pub(crate) fn run(start: Start) -> io::Result<usize> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let lines = Rc::new(Lines::new(Arc::clone(&start.common.queue)));
    let cut = runtime.block_on(serve_all(start, Rc::clone(&lines)));
    // Whatever is still open is dropped, and may still leave a record.
    drop(runtime);
    lines.finish();
    cut
}

async fn serve_all(start: Start, lines: Rc<Lines>) -> io::Result<usize> {
    let Start { listener, redirect, front, inherited, number, state, common } = start;
    let (mut force, mut stop) = (common.in_force(), common.stopping());
    let roster = Rc::new(Roster::default());
    let first = Arc::clone(&force.borrow_and_update());
    let worker = Rc::new(Worker::new(&first, &common, state.as_ref(), front, number, Rc::clone(&lines), &roster));
    spawn_local(flusher(lines));
    let adopter = Rc::clone(&worker);
    spawn_local(async move {
        while force.changed().await.is_ok() {
            let next = Arc::clone(&force.borrow_and_update());
            adopter.adopt(&next);
        }
    });
    let listener = TcpListener::from_std(listener)?;
    let redirect = redirect.map(TcpListener::from_std).transpose()?;
    let stopped = Cell::new(false);
    while !stopped.get() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => worker.welcome(stream, peer.ip()),
                Err(error) => recover(&error).await,
            },
            accepted = accept(redirect.as_ref()) => match accepted {
                Ok((stream, peer)) => worker.redirect(stream, peer.ip()),
                Err(error) => recover(&error).await,
            },
            _ = stop.wait_for(|stop| *stop >= Stop::Drain) => stopped.set(true),
        }
    }
    if !inherited {
        worker.accept_rest(listener);
    }
    sleep(LAST_CALL).await;
    roster.close();
    let patience = worker.current.borrow().gate.plan().policy().limits.drain_timeout;
    tokio::select! {
        _ = timeout(patience, roster.emptied()) => {}
        _ = stop.wait_for(|stop| *stop == Stop::Cut) => {}
    }
    Ok(roster.len())
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

/// A connection that broke before it was accepted is nothing; anything else is a shortage.
async fn recover(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        sleep(ACCEPT_PAUSE).await;
    }
}

// === impl Worker ===

impl Worker {
    fn new(
        force: &InForce,
        common: &Common,
        state: Option<&Shared>,
        front: Front,
        number: usize,
        lines: Rc<Lines>,
        roster: &Rc<Roster>,
    ) -> Worker {
        let limits = force.plan.policy().limits.clone();
        let counters = common.threads.get(number).map(Arc::clone).unwrap_or_default();
        let surroundings = Surroundings::new(lines, Arc::clone(&counters));
        counters.generation.set(force.generation);
        let backend = Linked::open(local(force), state);
        let first = Current::new(force, backend.clone(), &surroundings, &counters, number, None);
        Worker {
            current: RefCell::new(Rc::new(first)),
            surroundings,
            counters,
            backend,
            number,
            census: Arc::clone(&common.census),
            roster: Rc::clone(roster),
            http: builder(&limits),
            hurried: Limits {
                header_timeout: limits.header_timeout / 4,
                idle_timeout: limits.idle_timeout / 16,
                ..limits.clone()
            },
            limits,
            tls: front.certificate.as_ref().map(|certificate| TlsAcceptor::from(certificate.config())),
            front,
        }
    }

    /// Serves requests that begin from now on by what is in force now; those that have begun keep what they have.
    fn adopt(&self, force: &InForce) {
        let before = Rc::clone(&self.current.borrow());
        let backend = self.backend.over(local(force));
        let next =
            Current::new(force, backend, &self.surroundings, &self.counters, self.number, Some(&before.upstreams));
        self.current.replace(Rc::new(next));
        self.counters.generation.set(force.generation);
    }

    /// Serves a connection in a task of its own, so that a panic costs that connection alone. Beyond the limits it is
    /// closed without a word.
    fn welcome(self: &Rc<Self>, stream: TcpStream, peer: IpAddr) {
        let Some(permit) = self.census.connection(peer) else { return };
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let (worker, place) = (Rc::clone(self), self.roster.enter());
        let link = Link { peer, permit: Rc::new(permit) };
        let plain = worker.tls.is_none() && !worker.front.proxy_protocol;
        spawn_local(async move {
            let limits = worker.patience();
            if plain {
                serve(Rc::clone(&worker), &worker.http, stream, limits, link, place).await;
            } else {
                // Apart, so that a plain connection's task stays small.
                Box::pin(Rc::clone(&worker).open_and_serve(stream, limits, link, place)).await;
            }
        });
    }

    /// Answers plain http with the way to https.
    fn redirect(self: &Rc<Self>, stream: TcpStream, peer: IpAddr) {
        let Some(permit) = self.census.connection(peer) else { return };
        let link = Link { peer, permit: Rc::new(permit) };
        let (worker, place) = (Rc::clone(self), self.roster.enter());
        spawn_local(async move {
            let answers = Rc::new(ToHttps(Rc::clone(&worker)));
            serve(answers, &worker.http, stream, worker.patience(), link, place).await;
        });
    }

    /// The way from plain http to https.
    pub(crate) fn to_https(&self, request: &Request<Incoming>, link: &Link) -> Response<GateBody<Received>> {
        self.current.borrow().gate.to_https(Peer { address: link.peer }, request)
    }

    fn patience(&self) -> &Limits {
        if self.census.pressed() { &self.hurried } else { &self.limits }
    }

    async fn open_and_serve(self: Rc<Self>, stream: TcpStream, limits: &Limits, mut link: Link, mut place: Place) {
        let opened = tokio::select! {
            opened = self.open(stream, &mut link) => opened,
            () = sleep(limits.header_timeout) => None,
            () = async {
                poll_fn(|context| if place.closing(context) { Poll::Ready(()) } else { Poll::Pending }).await;
                sleep(LAST_HANDSHAKE).await;
            } => None,
        };
        let place = place.renewed();
        match opened {
            Some(Opened::Plain(stream)) => serve(Rc::clone(&self), &self.http, stream, limits, link, place).await,
            Some(Opened::Tls(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                http2::serve(Rc::clone(&self), stream, limits, link, place).await;
            }
            Some(Opened::Tls(stream)) => serve(Rc::clone(&self), &self.http, stream, limits, link, place).await,
            None => {}
        }
    }

    /// Reads what comes before HTTP: who the client is, and the handshake.
    async fn open(&self, mut stream: TcpStream, link: &mut Link) -> Option<Opened> {
        let plan = Arc::clone(self.current.borrow().gate.plan());
        let client = self.front.client(&mut stream, link.peer, &plan.policy().clients).await?;
        if client != link.peer {
            // Counted as the client's own from here on.
            let permit = self.census.connection(client)?;
            *link = Link { peer: client, permit: Rc::new(permit) };
        }
        match &self.tls {
            None => Some(Opened::Plain(stream)),
            Some(acceptor) => acceptor.accept(stream).await.ok().map(|stream| Opened::Tls(Box::new(stream))),
        }
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
        upstreams: &Upstreams,
        request: Request<Guarded<Upload>>,
        trailer: Option<header::HeaderValue>,
        link: &Link,
    ) -> Result<Response<Received>, Fault> {
        // Given back with the head of the response: what streams takes no place.
        let client = request.body().client();
        let Some(_seat) = self.census.seat(client) else { return Err(Fault::Overloaded) };
        if !websocket::asks(&request) {
            return upstreams.send(request, trailer).await;
        }
        let Some(permit) = self.census.tunnel(client) else { return Err(Fault::Overloaded) };
        let connection: Rc<Permit> = Rc::clone(&link.permit);
        let leave = websocket::Leave::of(&request, client, Arc::clone(self.current.borrow().gate.plan()));
        let holds = websocket::Holds { place: self.roster.enter(), permit, connection, leave };
        websocket::open(upstreams, request, holds).await
    }
}

impl Current {
    fn new(
        force: &InForce,
        backend: Linked,
        surroundings: &Surroundings,
        counters: &Arc<Counters>,
        number: usize,
        before: Option<&Upstreams>,
    ) -> Current {
        let InForce { plan, fleet, .. } = force;
        let patience = plan.policy().limits.upstream_timeout;
        Current {
            upstreams: Upstreams::new(fleet, patience, counters, number, before),
            gate: Gate::new(Arc::clone(plan), backend, surroundings.clone()),
        }
    }
}

/// What answers without asking other gates.
fn local(force: &InForce) -> Local {
    Local::new(Arc::clone(force.plan.state())).with_jwks(force.jwks.clone())
}

impl Answers for Worker {
    type Body = GateBody<Received>;

    async fn answer(&self, request: Request<Incoming>, link: &Link) -> Response<GateBody<Received>> {
        let peer = Peer { address: link.peer };
        // Before any stage spends something. The place itself is taken by what has passed: a stranger whose body does
        // not come would else keep others out.
        let current = Rc::clone(&self.current.borrow());
        let policy = current.gate.plan().policy();
        let client = || palisade_guard::client(&policy.clients, peer, request.headers()).address;
        if !self.census.has_room(client, || is_essential(policy, &request)) {
            return current.gate.turn_away(peer, &request, Code::Overloaded, Some(RETRY_AFTER));
        }
        let trailer = announced(&request);
        let request = request.map(|body| Upload::new(body, &self.limits));
        let forward = |admitted| self.forward(&current.upstreams, admitted, trailer, link);
        current.gate.handle(peer, request, forward).await
    }

    fn refuse(&self, request: &Request<Incoming>, flaw: Flaw, link: &Link) -> Response<GateBody<Received>> {
        self.current.borrow().gate.turn_away(Peer { address: link.peer }, request, flaw.code(), None)
    }
}

/// Whether a request is one that must come through when others are turned away.
fn is_essential(policy: &Policy, request: &Request<Incoming>) -> bool {
    let found = policy.find(request.method().as_str(), request.uri().path());
    matches!(found, Found::Route(_, route) if matches!(route.kind, Kind::Webhook | Kind::Health))
}

/// The trailer fields a request announces and that may pass. The guard strips the announcement; where the route takes
/// trailers, only those that are announced are sent.
fn announced(request: &Request<Incoming>) -> Option<header::HeaderValue> {
    if request.body().is_end_stream() {
        return None;
    }
    let mut lines = request.headers().get_all(header::TRAILER).iter().peekable();
    lines.peek()?;
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let names = names.filter_map(|name| header::HeaderName::from_bytes(name.trim().as_bytes()).ok());
    let passing: Vec<_> = names.filter(trailer_passes).map(|name| name.as_str().to_owned()).collect();
    header::HeaderValue::from_str(&passing.join(", ")).ok().filter(|value| !value.is_empty())
}
