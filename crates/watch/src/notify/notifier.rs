//! The desk at work: incidents from the store, messages into it, couriers that carry them out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_event::EventTime;
use palisade_policy::Alerting;

use super::courier::Courier;
use super::{Desk, Names, Target};
use crate::store::{Deal, LetterState, Lock, Outcome, Place, Store, StoreFault};

/// Tells people what the store says is new. Of several processes with one store one does it at a time, and another goes on in
/// the moment when that one ends.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    place: Place,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What becomes of messages, for the people who run it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Told<'a> {
    /// A message was given up.
    Dead {
        /// The channel.
        channel: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A channel does not take messages now; told once until it does again.
    Trouble {
        /// The channel.
        channel: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A channel takes messages again.
    Recovered {
        /// The channel.
        channel: &'a str,
    },
    /// The store cannot be used; told once until it can.
    Store(&'a StoreFault),
}

/// How it stands, for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether this process sends.
    pub sends: bool,
    /// Messages of the outbox by channel and state, as they were looked at last.
    pub letters: Vec<(String, LetterState, u64)>,
    /// Incidents that are open and unacknowledged, by rule.
    pub open: Vec<(String, u64)>,
    /// Attempts of this process that failed.
    pub failures: u64,
}

type Tell = Box<dyn FnMut(Told<'_>) + Send>;

/// What the threads have in common.
pub(super) struct Shared {
    bell: Mutex<Bell>,
    rung: Condvar,
    sender: AtomicBool,
    generation: AtomicU64,
    heard: AtomicU64,
    failures: AtomicU64,
    tell: Mutex<Tell>,
    trouble: Mutex<BTreeSet<String>>,
    standing: Mutex<Standing>,
    reload: Mutex<Option<(Alerting, Names)>>,
}

#[derive(Default)]
struct Bell {
    ended: bool,
    /// How often it rang: who slept through it sees that the number changed.
    rings: u64,
}

/// Between two looks at the store: a P1 leaves within five seconds of its event.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two counts of what is open and what waits.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// Incidents in one look.
const MAX_LOOK: usize = 2000;
/// The detector speaks of an open incident each minute; so long after its last event it is still called alive.
const ALIVE_MICROS: u64 = 15 * 60 * 1_000_000;
const PAUSE: Duration = Duration::from_secs(2);

// === impl Notifier ===

impl Notifier {
    /// Starts it. `heard` is when the last event came; none where nobody listens here.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        place: &Place,
        alerting: Alerting,
        names: Names,
        targets: Vec<Target>,
        tell: impl FnMut(Told<'_>) + Send + 'static,
    ) -> std::io::Result<Notifier> {
        let shared = Arc::new(Shared {
            bell: Mutex::default(),
            rung: Condvar::new(),
            sender: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            tell: Mutex::new(Box::new(tell)),
            trouble: Mutex::default(),
            standing: Mutex::default(),
            reload: Mutex::default(),
        });
        let notifier = Notifier { shared, place: place.clone(), threads: Mutex::default() };
        notifier.employ(targets)?;
        let clerk = Clerk { place: place.clone(), alerting, names, shared: Arc::clone(&notifier.shared) };
        let clerk = thread::Builder::new().name("palisade-notify".to_owned()).spawn(move || clerk.run())?;
        lock(&notifier.threads).push(clerk);
        Ok(notifier)
    }

    /// Gives each channel a courier.
    fn employ(&self, targets: Vec<Target>) -> std::io::Result<()> {
        let generation = self.shared.generation();
        for target in targets {
            let (place, shared) = (self.place.clone(), Arc::clone(&self.shared));
            let courier = Courier { place, target, shared, generation };
            let thread = thread::Builder::new().name("palisade-courier".to_owned()).spawn(move || courier.run())?;
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    /// An event came.
    pub fn heard(&self, at: EventTime) {
        self.shared.heard.fetch_max(at.micros(), Relaxed);
    }

    /// Takes another policy. A message that is being sent is finished.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn reload(&self, alerting: Alerting, names: Names, targets: Vec<Target>) -> std::io::Result<()> {
        self.shared.generation.fetch_add(1, Relaxed);
        *lock(&self.shared.reload) = Some((alerting, names));
        self.shared.ring();
        lock(&self.threads).retain(|thread| !thread.is_finished());
        self.employ(targets)
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mut standing = lock(&self.shared.standing).clone();
        standing.sends = self.shared.is_sender();
        standing.failures = self.shared.failures.load(Relaxed);
        standing
    }

    /// Ends it; what waits in the outbox is sent by the next one. An attempt that has begun is finished, but no longer than
    /// `patience`.
    pub fn finish(&self, patience: Duration) {
        lock(&self.shared.bell).ended = true;
        self.shared.ring();
        let deadline = Instant::now() + patience;
        let mut threads = lock(&self.threads);
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        for thread in threads.drain(..).filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        lock(&self.shared.bell).ended = true;
        self.shared.ring();
    }
}

/// Reads what is new, and writes what is to be told.
struct Clerk {
    place: Place,
    alerting: Alerting,
    names: Names,
    shared: Arc<Shared>,
}

/// What a clerk has while it works.
struct Work {
    store: Store,
    desk: Desk,
    counted: Option<Instant>,
}

impl Clerk {
    fn run(mut self) {
        let mut lock_of_store = Lock::new(&self.place);
        let (mut work, mut in_trouble) = (None, false);
        while !self.shared.is_over() {
            match self.round(&mut lock_of_store, &mut work) {
                Ok(()) => {
                    in_trouble = false;
                    self.shared.nap(LOOK_EVERY);
                }
                Err(fault) => {
                    // What the desk has in mind may not have been kept: it is read again.
                    work = None;
                    self.shared.sender.store(false, Relaxed);
                    if !std::mem::replace(&mut in_trouble, true) {
                        self.shared.tell(Told::Store(&fault));
                    }
                    self.shared.nap(PAUSE);
                }
            }
        }
    }

    fn round(&mut self, lock_of_store: &mut Lock, work: &mut Option<Work>) -> Result<(), StoreFault> {
        if let Some((alerting, names)) = lock(&self.shared.reload).take() {
            (self.alerting, self.names) = (alerting.clone(), names.clone());
            if let Some(work) = work {
                let channels: Vec<&str> = alerting.channels.iter().map(|channel| channel.name.as_str()).collect();
                work.store.abandon(&channels, now())?;
                work.desk.reload(alerting, names);
            }
        }
        let work = match work {
            Some(work) => work,
            none => {
                let store = Store::open(&self.place)?;
                let desk = Desk::new(Alerting::default(), Names::default(), None);
                none.insert(Work { store, desk, counted: None })
            }
        };
        if !lock_of_store.held(&mut work.store)? {
            self.shared.sender.store(false, Relaxed);
            return Ok(());
        }
        if !self.shared.is_sender() {
            // Whoever had the place before has left: its memory and its outbox are ours.
            work.store.take_over(now())?;
            let channels: Vec<&str> = self.alerting.channels.iter().map(|channel| channel.name.as_str()).collect();
            work.store.abandon(&channels, now())?;
            let memory = work.store.memory()?;
            work.desk = Desk::new(self.alerting.clone(), self.names.clone(), memory.as_deref());
            self.shared.sender.store(true, Relaxed);
        }
        work.decide(&self.shared)
    }
}

impl Work {
    fn decide(&mut self, shared: &Shared) -> Result<(), StoreFault> {
        let Work { store, desk, counted } = self;
        let at = now();
        if let heard @ 1.. = shared.heard.load(Relaxed) {
            desk.heard(EventTime::from_micros(heard));
        }
        if counted.is_none_or(|last| last.elapsed() >= COUNT_EVERY) {
            *counted = Some(Instant::now());
            let alive = store.alive(EventTime::from_micros(at.micros().saturating_sub(ALIVE_MICROS)))?;
            desk.alive(&alive, at);
            let letters = store.letter_counts()?;
            let mut standing = lock(&shared.standing);
            (standing.open, standing.letters) = (alive, letters);
        }
        let untold = store.untold(MAX_LOOK)?;
        let told: Vec<_> = untold
            .iter()
            .map(|untold| (untold.kept.key, untold.kept.priority, untold.kept.state, desk.note(untold, at)))
            .collect();
        let deal = Deal { release: desk.releases(at), letters: desk.tick(at), told, memory: desk.memory() };
        if deal.letters.is_empty() && deal.told.is_empty() && !deal.release && deal.memory.is_none() {
            return Ok(());
        }
        store.deal(&deal, at)?;
        if !deal.letters.is_empty() {
            *counted = None;
            shared.ring();
        }
        Ok(())
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn is_sender(&self) -> bool {
        self.sender.load(Relaxed)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.bell).ended
    }

    /// Sleeps until somebody rings, but no longer than `time`.
    pub(super) fn nap(&self, time: Duration) {
        let bell = lock(&self.bell);
        let rings = bell.rings;
        let awake = |bell: &mut Bell| bell.rings == rings && !bell.ended;
        drop(self.rung.wait_timeout_while(bell, time, awake));
    }

    fn ring(&self) {
        lock(&self.bell).rings += 1;
        self.rung.notify_all();
    }

    /// What an attempt came to: said once, when it begins to fail and when it ends.
    pub(super) fn settled(&self, channel: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered => {
                if lock(&self.trouble).remove(channel) {
                    self.tell(Told::Recovered { channel });
                }
            }
            Outcome::Again { why, .. } => {
                self.failures.fetch_add(1, Relaxed);
                if lock(&self.trouble).insert(channel.to_owned()) {
                    self.tell(Told::Trouble { channel, why });
                }
            }
            Outcome::Dead { why } => {
                self.failures.fetch_add(1, Relaxed);
                self.tell(Told::Dead { channel, why });
            }
        }
    }

    fn tell(&self, told: Told<'_>) {
        (lock(&self.tell))(told);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(..)")
    }
}

/// A lock whose holder may have panicked: what it guards is whole after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
