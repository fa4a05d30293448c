//! Idle connections of one thread, and the timer of each.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Sent;
use super::choice::Turn;

/// Idle connections a thread keeps at most.
const MAX_IDLE: usize = 256;
/// Older ones are not used: Node closes what was idle for 5 s, and would do so right under the next request.
const MAX_AGE: Duration = Duration::from_secs(4);

/// Idle connections, the freshest last: it is used first, and the others grow old.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<Vec<Idle>>,
    patience: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection to the application, driven by a task of its own.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Sent>,
    task: AbortHandle,
    patience: Option<Patience>,
}

/// A connection in use. Dropped, it is closed at once, whatever is on it; only [`Lease::give_back`] keeps it.
#[derive(Debug)]
pub(crate) struct Lease {
    connection: Option<Connection>,
    pool: Rc<Pool>,
    /// The upstream counts the request until then.
    _turn: Turn,
}

/// A timer that is set anew only when it goes off, which in a busy connection it never does.
#[derive(Debug)]
pub(crate) struct Patience {
    since: Instant,
    sleep: Pin<Box<Sleep>>,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(patience: Duration) -> Pool {
        Pool { idle: RefCell::default(), patience }
    }

    /// The freshest connection that is still open, and how long it has been idle.
    pub(crate) fn take(&self, now: Instant) -> Option<(Connection, Duration)> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { connection, since }) = idle.pop() {
            let age = now.saturating_duration_since(since);
            if connection.sender.is_ready() && age < MAX_AGE {
                return Some((connection, age));
            }
            connection.task.abort();
        }
        None
    }

    /// A connection to be used for a request.
    pub(crate) fn lease(self: &Rc<Self>, connection: Connection, turn: Turn) -> Lease {
        Lease { connection: Some(connection), pool: Rc::clone(self), _turn: turn }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for idle in self.idle.get_mut().drain(..) {
            idle.connection.task.abort();
        }
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(sender: SendRequest<Sent>, task: AbortHandle) -> Connection {
        Connection { sender, task, patience: None }
    }
}

// === impl Lease ===

impl Lease {
    /// What sends a request, and the timer for its answer, started `now`.
    pub(crate) fn parts(&mut self, now: Instant) -> Option<(&mut SendRequest<Sent>, &mut Patience)> {
        let limit = self.pool.patience;
        let Connection { sender, patience, .. } = self.connection.as_mut()?;
        let patience = patience.get_or_insert_with(|| Patience::new(limit));
        patience.restart(now);
        Some((sender, patience))
    }

    /// Keeps the connection for the next request. Both messages on it have ended.
    pub(crate) fn give_back(mut self) {
        let Some(connection) = self.connection.take() else { return };
        let mut idle = self.pool.idle.borrow_mut();
        if !connection.sender.is_ready() || idle.len() >= MAX_IDLE {
            connection.task.abort();
            return;
        }
        idle.push(Idle { connection, since: Instant::now() });
    }

    /// Leaves the connection to whoever upgrades it.
    pub(crate) fn release(&mut self) {
        self.connection = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.task.abort();
        }
    }
}

// === impl Patience ===

impl Patience {
    fn new(limit: Duration) -> Patience {
        let since = Instant::now();
        Patience { since, sleep: Box::pin(sleep_until(since + limit)) }
    }

    /// Time runs from `now`.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since = now;
    }

    /// Ready when `limit` has passed since the start.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, limit: Duration) -> Poll<()> {
        loop {
            std::task::ready!(self.sleep.as_mut().poll(context));
            let due = self.since + limit;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}
