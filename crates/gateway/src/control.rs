//! What may be done to a gate while it serves: another plan, an abrupt end; and what is known of it as a whole.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use palisade_backend::Jwks;
use palisade_event::rfc3339;
use palisade_guard::{Lane, Plan};
use palisade_policy::Upstream;
use tokio::sync::watch;

use crate::census::Census;
use crate::events::{Batch, Queue};
use crate::metrics::{Counters, Scrape, render};
use crate::upstream::Fleet;

/// Adds families to a page of metrics.
pub type MoreMetrics = Box<dyn Fn(&mut String) + Send + Sync>;

/// A hand on a gate. Cheap to clone; outlives the gate without keeping it.
#[derive(Clone)]
pub struct Control {
    common: Arc<Common>,
}

/// What takes the place of what is in force.
#[derive(Debug)]
pub struct Reload {
    /// What decides. Compiled over the state of the plan before it, so that nothing is forgotten.
    pub plan: Arc<Plan>,
    /// Where the application is. What is known of those that stay, and the connections to them, are kept.
    pub upstreams: Vec<Upstream>,
    /// Where the issuer's keys come from.
    pub jwks: Option<Jwks>,
}

/// What every thread serves by.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) plan: Arc<Plan>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) jwks: Option<Jwks>,
    /// 1 is that of the start.
    pub(crate) generation: u64,
    since_micros: u64,
}

/// How far the gate is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    No,
    /// What was accepted is finished.
    Drain,
    /// What is open is closed.
    Cut,
}

/// What all threads and the admin listener have in common.
pub(crate) struct Common {
    force: watch::Sender<Arc<InForce>>,
    stop: watch::Sender<Stop>,
    pub(crate) census: Arc<Census>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) threads: Vec<Arc<Counters>>,
    reloaded: AtomicU64,
    reload_failed: AtomicU64,
    /// What others add to the page of metrics.
    more: Mutex<Option<MoreMetrics>>,
    /// Nobody else must be told that the gate is ready: it is about to end.
    leaving: AtomicBool,
}

// === impl Control ===

impl Control {
    pub(crate) fn new(common: Arc<Common>) -> Control {
        Control { common }
    }

    /// Puts another plan in force. Requests that have begun finish under the one they began with; no connection is
    /// closed. Threads take it up at once, one after the other. Returns its generation.
    pub fn reload(&self, reload: Reload) -> u64 {
        let Reload { plan, upstreams, jwks } = reload;
        let common = &self.common;
        let before = Arc::clone(&common.force.borrow());
        let health = plan.policy().app.health.clone();
        common.census.believe(&plan.policy().clients);
        let fleet = Fleet::new(&upstreams, health, common.threads.len(), Some(&before.fleet));
        let generation = before.generation + 1;
        common.force.send_replace(Arc::new(InForce::new(plan, fleet, jwks, generation)));
        common.reloaded.fetch_add(1, Relaxed);
        common.notice(format_args!("\"reloaded\",\"palisade.generation\":{generation}"));
        generation
    }

    /// Counts a reload that could not be, and leaves an event with the codes of what is wrong.
    pub fn reload_failed<'c>(&self, codes: impl IntoIterator<Item = &'c str>) {
        self.common.reload_failed.fetch_add(1, Relaxed);
        let mut told: Vec<String> = codes.into_iter().map(|code| format!("\"{code}\"")).collect();
        told.sort_unstable();
        told.dedup();
        self.common.notice(format_args!("\"reload-failed\",\"palisade.codes\":[{}]", told.join(",")));
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.common.force.borrow().plan)
    }

    /// Lets others add families to the page of metrics, in its own format.
    pub fn add_metrics(&self, more: MoreMetrics) {
        *self.common.more.lock().unwrap_or_else(PoisonError::into_inner) = Some(more);
    }

    /// The page of metrics as it is now, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.common.metrics()
    }

    /// Ends a drain: what is still open is closed.
    pub fn cut(&self) {
        self.common.stop(Stop::Cut);
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("generation", &self.common.force.borrow().generation).finish_non_exhaustive()
    }
}

// === impl InForce ===

impl InForce {
    pub(crate) fn new(plan: Arc<Plan>, fleet: Fleet, jwks: Option<Jwks>, generation: u64) -> InForce {
        InForce { plan, fleet: Arc::new(fleet), jwks, generation, since_micros: palisade_backend::now().wall.0 }
    }
}

// === impl Common ===

impl Common {
    pub(crate) fn new(force: InForce, threads: usize) -> Common {
        let policy = force.plan.policy();
        Common {
            census: Census::new(&policy.limits, &policy.clients),
            force: watch::Sender::new(Arc::new(force)),
            stop: watch::Sender::new(Stop::No),
            queue: Arc::new(Queue::new()),
            threads: (0..threads).map(|_| Arc::default()).collect(),
            reloaded: AtomicU64::new(0),
            reload_failed: AtomicU64::new(0),
            more: Mutex::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// What is in force, now and later.
    pub(crate) fn in_force(&self) -> watch::Receiver<Arc<InForce>> {
        self.force.subscribe()
    }

    /// How far the end is, now and later.
    pub(crate) fn stopping(&self) -> watch::Receiver<Stop> {
        self.stop.subscribe()
    }

    /// Goes on towards the end, never back.
    pub(crate) fn stop(&self, stop: Stop) {
        self.leaving.store(true, Relaxed);
        self.stop.send_if_modified(|now| {
            let further = stop > *now;
            *now = stop.max(*now);
            further
        });
    }

    /// Whether traffic should be sent here: every thread has a plan, none is about to end, an upstream may be asked.
    /// What is wrong otherwise.
    pub(crate) fn ready(&self) -> Result<(), &'static str> {
        if self.leaving.load(Relaxed) {
            return Err("draining");
        }
        if self.threads.iter().any(|thread| thread.generation.read() == 0) {
            return Err("starting");
        }
        let force = self.force.borrow();
        if force.fleet.any_well(palisade_backend::now().mono.0) { Ok(()) } else { Err("no upstream is healthy") }
    }

    /// The page for Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let force = Arc::clone(&self.force.borrow());
        let state = force.plan.state();
        let mut page = render(&Scrape {
            threads: &self.threads,
            fleet: &force.fleet,
            now_micros: palisade_backend::now().mono.0,
            connections: self.census.totals(),
            pressure: state.pressure(),
            buffered_bytes: state.buffered(),
            events_dropped: self.queue.dropped(),
            reloads: [("ok", self.reloaded.load(Relaxed)), ("failed", self.reload_failed.load(Relaxed))],
            reloaded_seconds: force.since_micros / 1_000_000,
            ready: self.ready().is_ok(),
        });
        if let Some(more) = &*self.more.lock().unwrap_or_else(PoisonError::into_inner) {
            more(&mut page);
        }
        page
    }

    /// Leaves a line that stands for no request, in the lane of what matters.
    fn notice(&self, what: fmt::Arguments<'_>) {
        let mut line = b"{\"timestamp\":\"".to_vec();
        rfc3339(palisade_backend::now().wall.0, &mut line);
        let _ = writeln!(line, "\",\"palisade.notice\":{what},\"palisade.count\":0}}");
        self.queue.push(Lane::Reserved, Batch::line(line));
    }
}
