//! Idle connections of one thread, and the timer of each.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::choice::Turn;

/// Idle connections a thread keeps at most.
const MAX_IDLE: usize = 256;
/// Older ones are closed: Node closes what was idle for 5 s, and would do so right under the next request.
const MAX_AGE: Duration = Duration::from_secs(4);
/// How often idle connections are looked at, and those that the application has closed are closed.
const LOOK: Duration = Duration::from_millis(25);

/// Idle connections, the freshest last: it is used first, and the others grow old.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<Vec<Idle>>,
    /// Somebody looks at them from time to time.
    watched: Cell<bool>,
    patience: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection to the application. Between requests nothing is read ahead of it and nothing is to be written.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    patience: Option<Patience>,
}

/// A connection in use. Dropped, it is closed at once, whatever is on it; only [`Lease::give_back`] keeps it.
#[derive(Debug)]
pub(crate) struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
    /// The upstream counts the request until then.
    _turn: Turn,
}

/// A timer that is set anew only when it goes off, which in a busy connection it never does.
#[derive(Debug)]
pub(crate) struct Patience {
    since: Instant,
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(patience: Duration) -> Pool {
        Pool { idle: RefCell::default(), watched: Cell::new(false), patience }
    }

    /// The freshest connection on which nothing has happened since, and how long it has been idle.
    pub(crate) fn take(&self, now: Instant) -> Option<(Connection, Duration)> {
        let mut idle = self.idle.borrow_mut();
        while let Some(idle) = idle.pop() {
            if idle.is_fresh(now) {
                return Some((idle.connection, now.saturating_duration_since(idle.since)));
            }
        }
        None
    }

    /// A connection to be used for a request.
    pub(crate) fn lease(self: &Rc<Self>, connection: Connection, turn: Turn) -> Lease {
        Lease { connection, pool: Rc::clone(self), _turn: turn }
    }

    fn keep(self: &Rc<Self>, connection: Connection, since: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= MAX_IDLE {
            return;
        }
        idle.push(Idle { connection, since });
        if !self.watched.replace(true) {
            spawn_local(watch(Rc::downgrade(self)));
        }
    }

    /// Closes what is old, or closed by the application. Whether any are left.
    fn look(&self, now: Instant) -> bool {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.is_fresh(now));
        self.watched.set(!idle.is_empty());
        !idle.is_empty()
    }
}

/// Looks at idle connections until there are none. No task waits on each: it would be woken with every request.
async fn watch(pool: Weak<Pool>) {
    loop {
        sleep(LOOK).await;
        if pool.upgrade().is_none_or(|pool| !pool.look(Instant::now())) {
            return;
        }
    }
}

impl Idle {
    /// Neither old, nor closed, nor has anything come that nobody asked for: what would be taken for the answer to the next
    /// request. What the runtime has not heard of yet is not seen.
    fn is_fresh(&self, now: Instant) -> bool {
        let quiet = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        now.saturating_duration_since(self.since) < MAX_AGE
            && self.connection.stream.try_read(&mut [0]).is_err_and(quiet)
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Connection {
        Connection { stream, patience: None }
    }
}

// === impl Lease ===

impl Lease {
    /// The connection, and the timer for an answer, started `now`.
    pub(crate) fn parts(&mut self, now: Instant) -> (&mut TcpStream, &mut Patience) {
        let limit = self.pool.patience;
        let Connection { stream, patience } = &mut self.connection;
        let patience = patience.get_or_insert_with(|| Patience::new(limit, now));
        patience.restart(now);
        (stream, patience)
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.connection.stream
    }

    /// Keeps the connection for the next request, idle from `now` on. Both messages on it have ended, and no byte was read
    /// beyond the answer.
    pub(crate) fn give_back(self, now: Instant) {
        let Lease { connection, pool, _turn } = self;
        pool.keep(connection, now);
    }

    /// Leaves the connection to whoever upgrades it.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.connection.stream
    }
}

// === impl Patience ===

impl Patience {
    fn new(limit: Duration, now: Instant) -> Patience {
        Patience { since: now, limit, sleep: Box::pin(sleep_until(now + limit)) }
    }

    /// Time runs from `now`.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since = now;
    }

    /// Ready when time is up.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.sleep.as_mut().poll(context));
            let due = self.since + self.limit;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}
