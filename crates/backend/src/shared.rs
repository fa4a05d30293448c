//! State that gates share, kept by a Redis or Valkey server. What is asked and what an answer means is the guard's
//! ([`palisade_guard::shared`]); here it is carried, within the time a request may wait for it.
//!
//! One thread of its own, the keeper, gives the gate's sign of life every two seconds, and says whether the server is
//! out. While it is, no request waits at all; the keeper tries four times a second, and what was decided alone is told
//! to the server before the first request asks it again. Each thread that serves has a connection of its own, over
//! which any number of questions are under way at a time, up to a bound.

mod address;
mod blocklist;
mod keeper;
mod link;
mod server;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use palisade_guard::State;
use palisade_guard::shared::Space;
use palisade_policy::Policy;
use tokio::sync::{Notify, watch};

pub use address::{Address, BadAddress};
pub use blocklist::{BlockFault, Blocklist};
pub use link::{Linked, LinkedAnswer};

/// The way to the server, for all threads of a gate. Cheap to clone; when the last clone and the last [`Linked`] are
/// gone, so is the keeper.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
    /// True while the server answers. Closed when the keeper has ended.
    up: watch::Receiver<bool>,
    /// Dropped with the last clone, which ends the keeper.
    _alive: Arc<watch::Sender<()>>,
}

/// What a gate that shares its state has to tell whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The server is out: each kind of route goes on as its outage mode says.
    Outage {
        /// Gates there were when it last answered.
        nodes: u32,
        /// What it failed with, for people.
        why: String,
    },
    /// The server is back, and asked again.
    Recovered {
        /// Gates there are.
        nodes: u32,
        /// Tokens that this gate took alone meanwhile. Each other gate could have taken them once more.
        alone: u64,
        /// Tokens among them that another gate took too.
        replayed: u64,
    },
    /// The server may throw keys away when its memory is full: limits and used tokens would be forgotten.
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
    },
}

/// What all threads of a gate know of the server.
struct Inner {
    address: Address,
    space: Space,
    timeout: Duration,
    state: Arc<State>,
    up: AtomicBool,
    nodes: AtomicU32,
    since_millis: AtomicU64,
    /// Questions in a row without an answer.
    failures: AtomicU32,
    /// Wakes the keeper: something is wrong.
    trouble: Notify,
}

/// So many questions in a row without an answer, and the server counts as out until the keeper finds it back.
const FAILURES: u32 = 3;

// === impl Shared ===

impl Shared {
    /// Starts to keep the connection to `address`, for the gates of that policy's application. `tell` is called on the
    /// keeper's thread and may block.
    ///
    /// Waits for the first answer, but not longer than twice the policy's timeout: a gate starts without its server.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        address: Address,
        policy: &Policy,
        state: &Arc<State>,
        tell: impl Fn(&Notice) + Send + 'static,
    ) -> io::Result<Shared> {
        let timeout = policy.state.timeout;
        let inner = Arc::new(Inner {
            address,
            space: Space::of(policy),
            timeout,
            state: Arc::clone(state),
            up: AtomicBool::new(false),
            nodes: AtomicU32::new(1),
            since_millis: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            trouble: Notify::new(),
        });
        let (alive, dead) = watch::channel(());
        let up = keeper::start(Arc::clone(&inner), dead, tell, timeout * 2)?;
        Ok(Shared { inner, up, _alive: Arc::new(alive) })
    }

    /// How many gates share the state, as of the last answer.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.inner.nodes.load(Relaxed)
    }

    /// Whether the server is asked.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.inner.up.load(Relaxed)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("address", &self.inner.address)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    /// A question was not answered in time, or not with an answer.
    fn failed(&self) {
        if self.failures.fetch_add(1, Relaxed) + 1 >= FAILURES {
            self.up.store(false, Relaxed);
            self.trouble.notify_one();
        }
    }

    fn answered(&self) {
        // Most of the time there is nothing to write, and the line stays in every core's cache.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }
}
