//! How a thread that serves asks, or the app that a gate is in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use palisade_guard::shared::{Call, Lease, Leased};
use palisade_guard::{Ask, Claim, Claimed, Keyset, Resume, Settle};
use palisade_tower::Backend;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::server::{Connection, Failure};
use super::{Inner, Shared};
use crate::local::{Answering, Local};

/// A connection to the server, opened by whoever asks first within a runtime.
#[derive(Clone)]
struct Link(Arc<Wire>);

struct Wire {
    inner: Arc<Inner>,
    shared: Shared,
    /// Whether somebody keeps the connection.
    kept: AtomicBool,
    connection: Mutex<Option<Connection>>,
    /// How many connections there have been: what failed over an old one says nothing of the one there is.
    dialled: AtomicU64,
    /// Wakes those who wait for a connection.
    connected: Notify,
    /// Wakes the dialler: the connection broke.
    broken: Notify,
    under_way: AtomicUsize,
}

/// Answers the guard from the state that gates share; where none is, from this process. A clone is the same connection.
/// It belongs to the tokio runtime in which it was opened, or else in which it was first asked.
#[derive(Clone, Debug)]
pub struct Linked {
    local: Local,
    link: Option<Link>,
}

/// An answer to come.
pub struct LinkedAnswer(Inside);

enum Inside {
    Here(Answering),
    There(Pin<Box<dyn Future<Output = Resume> + Send>>),
}

/// Questions under way over one connection. A server that answers in a millisecond takes a million a second so; what is
/// beyond would only wait for its time to be over.
const MAX_UNDER_WAY: usize = 1024;
/// Between two tries to connect.
const REDIAL: Duration = Duration::from_millis(100);

// === impl Link ===

impl Link {
    /// Opens a connection, and opens it again whenever it breaks. It is not waited for: whoever asks before it is there
    /// waits as long as the answer may take.
    fn open(shared: &Shared) -> Link {
        let link = Link(Arc::new(Wire {
            inner: Arc::clone(&shared.inner),
            shared: shared.clone(),
            kept: AtomicBool::new(false),
            connection: Mutex::default(),
            dialled: AtomicU64::new(0),
            connected: Notify::new(),
            broken: Notify::new(),
            under_way: AtomicUsize::new(0),
        }));
        if let Ok(runtime) = Handle::try_current() {
            link.keep(&runtime);
        }
        link
    }

    fn keep(&self, runtime: &Handle) {
        if !self.0.kept.swap(true, Relaxed) {
            runtime.spawn(dialler(Arc::clone(&self.0), self.0.shared.up.clone()));
        }
    }

    /// Asks, for no longer than `patience`. `None` where there is no answer: at once while the server is out, or where
    /// too much is under way.
    async fn ask(&self, call: &Call, patience: Duration) -> Option<Vec<i64>> {
        let wire = &*self.0;
        if !wire.inner.up.load(Relaxed) || patience.is_zero() || wire.under_way.load(Relaxed) >= MAX_UNDER_WAY {
            return None;
        }
        if !wire.kept.load(Relaxed) {
            self.keep(&Handle::current());
        }
        let _place = Place::take(&wire.under_way);
        let mut number = 0;
        let asking = async {
            let mut connection = wire.connection().await;
            number = wire.dialled.load(Relaxed);
            connection.run(call).await
        };
        let answer = timeout(patience, asking).await;
        match answer.unwrap_or(Err(Failure::Late)) {
            Ok(answer) => {
                wire.inner.answered();
                Some(answer)
            }
            Err(failure) => {
                if matches!(failure, Failure::Broken(_)) && number == wire.dialled.load(Relaxed) {
                    wire.broke();
                }
                wire.inner.failed();
                None
            }
        }
    }

    async fn lease(&self, lease: &Lease, patience: Duration) -> Leased {
        let answer = self.ask(&lease.call(self.0.inner.space), patience).await;
        let told = answer.and_then(|answer| lease.read(&answer));
        told.map_or_else(|| Leased::Unavailable { nodes: self.0.shared.nodes() }, Leased::Told)
    }

    async fn claim(&self, claim: &Claim, patience: Duration) -> Claimed {
        let inner = &self.0.inner;
        let unavailable = Claimed::Unavailable { nodes: self.0.shared.nodes() };
        match claim.call(inner.space, inner.since_millis.load(Relaxed)) {
            // While the server is out nobody knows what it will remember.
            Err(_) if !inner.up.load(Relaxed) => unavailable,
            Err(claimed) => claimed,
            Ok(call) => {
                let answer = self.ask(&call, patience).await;
                answer.and_then(|answer| claim.read(&answer)).unwrap_or(unavailable)
            }
        }
    }

    /// Tells how a reservation or an attempt ended; what cannot be told now is told when the server is back.
    fn settle(&self, settle: Settle) {
        let link = self.clone();
        tokio::spawn(async move {
            let inner = &link.0.inner;
            if link.ask(&settle.call(inner.space), inner.timeout).await.is_none() {
                inner.state.alone.settled(settle);
            }
        });
    }
}

/// Connects again whenever the connection breaks.
async fn dialler(wire: Arc<Wire>, mut up: watch::Receiver<bool>) {
    while let Ok(connection) = connect(&wire.inner, &mut up).await {
        wire.dialled.fetch_add(1, Relaxed);
        *wire.slot() = Some(connection);
        wire.connected.notify_waiters();
        tokio::select! {
            () = wire.broken.notified() => {}
            // After an outage the old connection leads nowhere, and nobody may have noticed.
            _ = up.wait_for(|up| !*up) => {}
        }
        *wire.slot() = None;
    }
}

/// Connects, as long as somebody is left who keeps watch over the server.
async fn connect(inner: &Inner, up: &mut watch::Receiver<bool>) -> Result<Connection, watch::error::RecvError> {
    loop {
        up.wait_for(|up| *up).await?;
        match Connection::dial(&inner.address, inner.timeout).await {
            Ok(connection) => return Ok(connection),
            Err(_) => sleep(REDIAL).await,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("shared", &self.0.shared).finish_non_exhaustive()
    }
}

// === impl Wire ===

impl Wire {
    /// The connection, once there is one.
    async fn connection(&self) -> Connection {
        loop {
            // Made before it is looked, so that what happens between looking and waiting wakes it.
            let connected = self.connected.notified();
            if let Some(connection) = self.slot().clone() {
                return connection;
            }
            connected.await;
        }
    }

    /// The connection there is broke. The first to find out tells; nobody else waits for it any more.
    fn broke(&self) {
        if self.slot().take().is_some() {
            self.broken.notify_one();
            self.inner.trouble.notify_one();
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way, until it is answered or given up.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(count: &'a AtomicUsize) -> Place<'a> {
        count.fetch_add(1, Relaxed);
        Place(count)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

// === impl Linked ===

impl Linked {
    /// Asks over a connection of its own what gates share, and `local` everything else.
    #[must_use]
    pub fn open(local: Local, shared: Option<&Shared>) -> Linked {
        Linked { local, link: shared.map(Link::open) }
    }

    /// The same answers for what gates do not share, over a connection to that server for the rest.
    #[must_use]
    pub fn with_shared(&self, shared: &Shared) -> Linked {
        Linked { local: self.local.clone(), link: Some(Link::open(shared)) }
    }

    /// The same connection, with something else for what gates do not share.
    #[must_use]
    pub fn over(&self, local: Local) -> Linked {
        Linked { local, link: self.link.clone() }
    }
}

impl Backend for Linked {
    type Answer = LinkedAnswer;

    fn claim(&self, ask: Ask<Claim>) -> LinkedAnswer {
        let (Some(link), Some(patience)) = (self.link.clone(), ask.patience()) else {
            return LinkedAnswer(Inside::Here(self.local.claim(ask)));
        };
        LinkedAnswer(Inside::There(Box::pin(async move {
            let claimed = link.claim(&ask.question, patience).await;
            ask.reply(claimed)
        })))
    }

    fn lease(&self, ask: Ask<Lease>) -> LinkedAnswer {
        let (Some(link), Some(patience)) = (self.link.clone(), ask.patience()) else {
            return LinkedAnswer(Inside::Here(self.local.lease(ask)));
        };
        LinkedAnswer(Inside::There(Box::pin(async move {
            let leased = link.lease(&ask.question, patience).await;
            ask.reply(leased)
        })))
    }

    fn settle(&self, settle: Settle) {
        match &self.link {
            Some(link) => link.settle(settle),
            None => self.local.settle(settle),
        }
    }

    fn keys(&self, ask: Ask<Keyset>) -> LinkedAnswer {
        LinkedAnswer(Inside::Here(self.local.keys(ask)))
    }
}

impl Future for LinkedAnswer {
    type Output = Resume;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Resume> {
        match &mut self.0 {
            Inside::Here(answering) => Pin::new(answering).poll(context),
            Inside::There(answering) => answering.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for LinkedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkedAnswer(..)")
    }
}
