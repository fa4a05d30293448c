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
use palisade_policy::Origin;
use tokio::sync::watch;

use crate::census::Census;
use crate::events::{EventSink, Queue, Writer};
use crate::listen;
use crate::worker::{self, Start};

/// What a gateway needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the application is. Plain http: it belongs on this machine or in its private network.
    pub upstream: Origin,
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
    upstream: Origin,
    plan: Arc<Plan>,
    jwks: Option<Jwks>,
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
    /// If anybody listens there, another gate included; if the upstream is https.
    pub fn bind(config: Config) -> io::Result<Gateway> {
        let Config { listen, upstream, threads, plan, sink } = config;
        if upstream.https {
            let text = "the gate speaks plain http to its upstream";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let listeners = listen::listeners(listen, if threads == 0 { cores() } else { threads })?;
        let address = listeners.first().map_or(Ok(listen), TcpListener::local_addr)?;
        Ok(Gateway { address, listeners, upstream, plan, jwks: None, sharing: None, sink })
    }

    /// Gets the issuer's keys from there.
    #[must_use]
    pub fn with_jwks(self, jwks: Option<Jwks>) -> Gateway {
        Gateway { jwks, ..self }
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
    /// `limits.drain_timeout`, closes everything, and writes the last events.
    ///
    /// Blocks. `shutdown` runs on a tokio runtime of this thread's own, with its IO, time and signals.
    ///
    /// # Errors
    /// If a thread or its runtime cannot be started, or ends before it was told to.
    pub fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let writer = self.sink.start()?;
        let (stop, stopped) = watch::channel(false);
        let (ended, mut any_ended) = watch::channel(());
        let policy = self.plan.policy();
        let sharing = self.sharing.filter(|_| policy.state.redis.is_some());
        let shared = sharing.map(|sharing| sharing.start(&self.plan, writer.queue())).transpose()?;
        let census = Census::new(&policy.limits, &policy.clients);
        let mut threads = Vec::with_capacity(self.listeners.len());
        for (number, listener) in self.listeners.into_iter().enumerate() {
            let start = Start {
                listener,
                upstream: self.upstream.clone(),
                plan: Arc::clone(&self.plan),
                jwks: self.jwks.clone(),
                shared: shared.clone(),
                census: Arc::clone(&census),
                events: writer.queue(),
                stop: stopped.clone(),
            };
            threads.push(spawn(number, start, ended.clone())?);
        }
        drop(ended);
        runtime.block_on(async {
            tokio::select! {
                () = shutdown => {}
                // A thread that ends by itself ends the gate: half a gate would answer half of the requests.
                _ = any_ended.changed() => {}
            }
        });
        let _ = stop.send(true);
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

fn spawn(number: usize, start: Start, ended: watch::Sender<()>) -> io::Result<JoinHandle<io::Result<usize>>> {
    let thread = thread::Builder::new().name(format!("palisade-gate-{number}"));
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
