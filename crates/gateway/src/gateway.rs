//! The gate as a server: threads, their start and their end.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use palisade_backend::{Address, Jwks, Notice, Shared};
use palisade_guard::Plan;
use palisade_policy::Upstream;
use tokio::sync::watch;

use crate::admin::Admin;
use crate::control::{Common, Control, InForce, Stop};
use crate::events::{EventSink, Queue, Writer};
use crate::front::Front;
use crate::listen;
use crate::upstream::{self, Fleet};
use crate::worker::{self, Start};

/// What a gateway needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the application is, by plain http.
    pub upstreams: Vec<Upstream>,
    /// Threads that serve; 0 is one for each core this process may use.
    pub threads: usize,
    /// What decides, and holds the limits.
    pub plan: Arc<Plan>,
    /// Where events go.
    pub sink: EventSink,
}

/// A gateway that has its port and does not serve yet; the kernel lets clients wait.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    listeners: Vec<TcpListener>,
    /// Somebody else holds the port too, and serves what arrives after the end.
    inherited: bool,
    upstreams: Vec<Upstream>,
    plan: Arc<Plan>,
    jwks: Option<Jwks>,
    front: Front,
    redirect: Option<TcpListener>,
    admin: Option<Admin>,
    sharing: Option<Sharing>,
    sink: EventSink,
}

/// Where the state is that gates share, and who hears what becomes of it.
struct Sharing {
    address: Address,
    tell: Box<dyn Fn(&Notice) + Send>,
}

/// How a gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Drained {
    /// Connections that were cut off, being busy longer than `drain_timeout` after the shutdown.
    pub cut: usize,
    /// Requests whose events could not be written.
    pub events_lost: u64,
}

/// How long the last events may take to be written.
const EVENT_PATIENCE: Duration = Duration::from_secs(5);

// === impl Gateway ===

impl Gateway {
    /// Takes the port.
    ///
    /// # Errors
    /// If anybody listens there, another gate included; if there is no upstream, or one is https.
    pub fn bind(config: Config) -> io::Result<Gateway> {
        let listeners = listen::listeners(config.listen, threads(config.threads))?;
        Gateway::on(listeners, false, config)
    }

    /// Serves a port that somebody else has taken and keeps, as systemd does: `listen` of the configuration says nothing.
    ///
    /// # Errors
    /// As [`Gateway::bind`]; if the socket does not listen.
    pub fn inherit(listener: TcpListener, config: Config) -> io::Result<Gateway> {
        let listeners = listen::shared(listener, threads(config.threads))?;
        Gateway::on(listeners, true, config)
    }

    fn on(listeners: Vec<TcpListener>, inherited: bool, config: Config) -> io::Result<Gateway> {
        let Config { listen, upstreams, threads: _, plan, sink } = config;
        let unsupported = |text| Err(io::Error::new(io::ErrorKind::Unsupported, text));
        if upstreams.is_empty() {
            return unsupported("the gate needs an upstream");
        }
        if upstreams.iter().any(|upstream| upstream.origin.https) {
            return unsupported("the gate speaks plain http to its upstreams");
        }
        let address = listeners.first().map_or(Ok(listen), TcpListener::local_addr)?;
        let front = Front::default();
        Ok(Gateway {
            address,
            listeners,
            inherited,
            upstreams,
            plan,
            jwks: None,
            front,
            redirect: None,
            admin: None,
            sharing: None,
            sink,
        })
    }

    /// Gets the issuer's keys from there.
    #[must_use]
    pub fn with_jwks(self, jwks: Option<Jwks>) -> Gateway {
        Gateway { jwks, ..self }
    }

    /// What stands before HTTP: TLS, the way there, a proxy's word about its clients.
    ///
    /// # Errors
    /// If somebody listens where plain http is to be redirected.
    pub fn with_front(self, front: Front) -> io::Result<Gateway> {
        let mut redirect = front.redirect.map(|address| listen::listeners(address, 1)).transpose()?;
        Ok(Gateway { redirect: redirect.as_mut().and_then(Vec::pop), front, ..self })
    }

    /// Where plain http is redirected, if anywhere.
    #[must_use]
    pub fn redirect_addr(&self) -> Option<SocketAddr> {
        self.redirect.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Answers operators there.
    #[must_use]
    pub fn with_admin(self, admin: Option<Admin>) -> Gateway {
        Gateway { admin, ..self }
    }

    /// Shares limits and claims with other gates by the server at `address`. What becomes of it is an event line, and is
    /// told to `tell`, on a thread that may block. The policy must name the server's variable, or nothing is asked.
    #[must_use]
    pub fn with_shared(self, address: Option<Address>, tell: impl Fn(&Notice) + Send + 'static) -> Gateway {
        let sharing = address.map(|address| Sharing { address, tell: Box::new(tell) });
        Gateway { sharing, ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready, then drains: accepts what has arrived, lets running requests finish within
    /// `limits.drain_timeout` (or until [`Control::cut`]), closes everything, and writes the last events.
    ///
    /// Blocks. `shutdown` runs on a tokio runtime of this thread's own, with its IO, time and signals, which goes on
    /// until the drain is over; it is given the hand that reloads and cuts.
    ///
    /// # Errors
    /// If a thread or its runtime cannot be started, or ends before it was told to.
    pub fn run<F: Future<Output = ()>>(self, shutdown: impl FnOnce(Control) -> F) -> io::Result<Drained> {
        let Gateway { address: _, listeners, inherited, upstreams, plan, jwks, front, redirect, admin, sharing, sink } =
            self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let fleet = Fleet::new(&upstreams, plan.policy().app.health.clone(), listeners.len(), None);
        let first = Arc::clone(&plan);
        let common = Arc::new(Common::new(InForce::new(plan, fleet, jwks, 1), listeners.len()));
        let writer = sink.start(Arc::clone(&common.queue))?;
        let (ended, mut any_ended) = watch::channel(());
        let sharing = sharing.filter(|_| first.policy().state.redis.is_some());
        let state = sharing.map(|sharing| sharing.start(&first, Arc::clone(&common.queue))).transpose()?;
        let mut threads = Vec::with_capacity(listeners.len());
        for (number, listener) in listeners.into_iter().enumerate() {
            let start = Start {
                listener,
                redirect: redirect.as_ref().map(TcpListener::try_clone).transpose()?,
                front: front.clone(),
                inherited,
                number,
                state: state.clone(),
                common: Arc::clone(&common),
            };
            threads.push(spawn(start, ended.clone())?);
        }
        drop(ended);
        runtime.block_on(async {
            if let Some(admin) = admin {
                tokio::spawn(admin.serve(Arc::clone(&common)));
            }
            tokio::spawn(upstream::check(common.in_force(), |force: &InForce| (Arc::clone(&force.fleet), host(force))));
            tokio::select! {
                () = shutdown(Control::new(Arc::clone(&common))) => {}
                () = front.watch() => {}
                // A thread that ends by itself ends the gate: half a gate would answer half of the requests.
                _ = any_ended.changed() => {}
            }
            common.stop(Stop::Drain);
            // Operators are answered, and signals heard, until the last thread has gone.
            while any_ended.changed().await.is_ok() {}
        });
        finish(threads, writer)
    }
}

impl Sharing {
    fn start(self, plan: &Plan, events: Arc<Queue>) -> io::Result<Shared> {
        let Sharing { address, tell } = self;
        Shared::start(address, plan.policy(), plan.state(), move |notice| {
            events.tell(notice);
            tell(notice);
        })
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing").field("address", &self.address).finish_non_exhaustive()
    }
}

/// So many threads, or one a core.
fn threads(wanted: usize) -> usize {
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if wanted == 0 { cores() } else { wanted }
}

/// For which host health checks ask: applications that serve several look at it.
fn host(force: &InForce) -> String {
    force.plan.policy().app.public_origins.first().map_or_else(String::new, |origin| origin.authority.clone())
}

fn spawn(start: Start, ended: watch::Sender<()>) -> io::Result<JoinHandle<io::Result<usize>>> {
    let thread = thread::Builder::new().name(format!("palisade-gate-{}", start.number));
    thread.spawn(move || {
        let told = Told(ended);
        let cut = worker::run(start);
        drop(told);
        cut
    })
}

/// Tells, also in a panic, that the thread has ended.
struct Told(watch::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn finish(threads: Vec<JoinHandle<io::Result<usize>>>, writer: Writer) -> io::Result<Drained> {
    let mut failed = None;
    let mut cut = 0;
    for thread in threads {
        match thread.join() {
            Ok(Ok(open)) => cut += open,
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(io::Error::other("a thread of the gate ended by a panic")),
        }
    }
    let events_lost = writer.finish(EVENT_PATIENCE);
    failed.map_or(Ok(Drained { cut, events_lost }), Err)
}
