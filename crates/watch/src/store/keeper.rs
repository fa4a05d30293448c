//! The one writer of a process. Whoever hands over never waits for a disk or a server.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_event::{EventTime, Incident, IncidentKey};

use super::{Commit, Place, Retention, Rows, Store, StoreFault, writer_name};

/// Writes what is handed over, from a thread of its own. While the store cannot be written, everything waits in memory,
/// bounded: equal events are counted together as ever, and of incidents the latest [`MAX_INCIDENTS`] wait.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What becomes of the store, for people.
#[derive(Debug)]
pub enum Told<'a> {
    /// It cannot be written; what is handed over waits in memory. Told once, and again when the reason changes.
    Trouble(&'a StoreFault),
    /// It can be written again, and everything that waited is.
    Recovered,
}

/// How the writer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it cannot write, if it cannot.
    pub trouble: Option<String>,
    /// Events that wait.
    pub events_waiting: u64,
    /// Incidents that wait.
    pub incidents_waiting: usize,
    /// Incidents that found no room, since the start.
    pub incidents_lost: u64,
    /// Commits that were written, since the start.
    pub commits: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// Events and incidents of the commit that is being written, or tried.
    writing: (u64, usize),
    closed: bool,
    ended: bool,
    trouble: Option<StoreFault>,
    lost: u64,
    commits: u64,
    /// The number of the last hand-over; of the last that is being written; of the last that is written.
    handed: u64,
    taken: u64,
    written: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: Rows,
    incidents: HashMap<IncidentKey, Incident>,
    marks: HashMap<String, Vec<u8>>,
}

/// Incidents that wait while the store cannot be written.
pub const MAX_INCIDENTS: usize = 10_000;
/// Between two attempts: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
const RETAIN_EVERY: Duration = Duration::from_secs(600);

// === impl Keeper ===

impl Keeper {
    /// Starts the thread. It opens the store by itself, and goes on trying: a database that is out does not keep anybody
    /// from serving. `tell` hears of trouble, on that thread.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        place: Place,
        retention: Retention,
        tell: impl FnMut(Told<'_>) + Send + 'static,
    ) -> std::io::Result<Keeper> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let name = writer_name(now(), rand::random());
        let writer = Writer { place, store: None, retention, tell, name, number: 0, retained: None };
        let ended = Ended(Arc::clone(&shared));
        let thread = thread::Builder::new().name("palisade-store".to_owned()).spawn(move || writer.run(&ended.0))?;
        Ok(Keeper { shared, thread: Some(thread) })
    }

    /// Hands over. Returns at once, with the number that [`Keeper::written`] reaches when it is written.
    pub fn put(&self, commit: Commit) -> u64 {
        let mut state = self.shared.state();
        // What is found just now is told.
        let Commit { rows, incidents, marks, quiet: _ } = commit;
        state.waiting.rows.merge(rows);
        state.waiting.marks.extend(marks);
        for incident in incidents {
            let lost = state.waiting.insert(incident);
            state.lost += u64::from(lost);
        }
        state.handed += 1;
        let number = state.handed;
        drop(state);
        self.shared.changed.notify_all();
        number
    }

    /// The number of the last hand-over.
    #[must_use]
    pub fn handed(&self) -> u64 {
        self.shared.state().handed
    }

    /// The last hand-over that is written, with all before it.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.state().written
    }

    /// How the writer stands.
    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.shared.state();
        Health {
            trouble: state.trouble.as_ref().map(ToString::to_string),
            events_waiting: state.waiting.rows.count() + state.writing.0,
            incidents_waiting: state.waiting.incidents.len() + state.writing.1,
            incidents_lost: state.lost,
            commits: state.commits,
        }
    }

    /// Waits until everything is written, but no longer than `patience`. Says what was not.
    pub fn finish(mut self, patience: Duration) -> Health {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.changed.notify_all();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let ended = state.ended;
        drop(state);
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            let _ = thread.join();
        }
        self.health()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written next; none when all is written and no more comes.
    fn next(&self) -> Option<Commit> {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let next = std::mem::take(&mut state.waiting);
        state.taken = state.handed;
        state.writing = (next.rows.count(), next.incidents.len());
        (!next.is_empty()).then(|| next.into_commit())
    }

    /// Waits before another attempt. Says whether there is time for one: not after the end was asked for.
    fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state();
        while !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

// === impl Waiting ===

impl Waiting {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.incidents.is_empty() && self.marks.is_empty()
    }

    /// Keeps an incident as it stands now. Beyond [`MAX_INCIDENTS`] the least urgent goes; says whether one did.
    fn insert(&mut self, incident: Incident) -> bool {
        self.incidents.insert(incident.key, incident);
        if self.incidents.len() <= MAX_INCIDENTS {
            return false;
        }
        let least = self.incidents.values().min_by_key(|it| (it.priority, it.last_seen)).map(|it| it.key);
        least.is_some_and(|key| self.incidents.remove(&key).is_some())
    }

    fn into_commit(self) -> Commit {
        let mut incidents: Vec<_> = self.incidents.into_values().collect();
        incidents.sort_unstable_by_key(|incident| incident.key);
        let mut marks: Vec<_> = self.marks.into_iter().collect();
        marks.sort_unstable();
        Commit { rows: self.rows, incidents, marks, quiet: false }
    }
}

/// Says that the thread has ended, also in a panic.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_all();
    }
}

struct Writer<F> {
    place: Place,
    store: Option<Store>,
    retention: Retention,
    tell: F,
    /// Names this writer, and its commit: a commit whose outcome got lost on the way is not written twice.
    name: String,
    number: u64,
    retained: Option<Instant>,
}

// === impl Writer ===

impl<F: FnMut(Told<'_>)> Writer<F> {
    fn run(mut self, shared: &Shared) {
        while let Some(commit) = shared.next() {
            self.number += 1;
            let mut pause = RETRY.0;
            while let Err(fault) = self.write(&commit) {
                self.failed(shared, &fault);
                if !shared.pause(pause) {
                    // The end was asked for: one last attempt, which may be the one that finds room.
                    match self.write(&commit) {
                        Ok(()) => break,
                        Err(_) => return,
                    }
                }
                pause = (pause * 2).min(RETRY.1);
            }
            self.succeeded(shared);
            self.retain();
        }
    }

    fn write(&mut self, commit: &Commit) -> Result<(), StoreFault> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(Store::open(&self.place)?),
        };
        store.commit_once(commit, (&self.name, self.number), now())
    }

    fn succeeded(&mut self, shared: &Shared) {
        let mut state = shared.state();
        state.writing = (0, 0);
        state.written = state.taken;
        state.commits += 1;
        let recovered = state.trouble.take().is_some();
        drop(state);
        if recovered {
            (self.tell)(Told::Recovered);
        }
    }

    fn failed(&mut self, shared: &Shared, fault: &StoreFault) {
        let mut state = shared.state();
        let new = state.trouble.as_ref().is_none_or(|known| known.trouble() != fault.trouble());
        state.trouble = Some(fault.clone());
        drop(state);
        if new {
            (self.tell)(Told::Trouble(fault));
        }
    }

    /// Between commits, and rarely. What does not succeed now is due again later.
    fn retain(&mut self) {
        if self.retained.is_some_and(|last| last.elapsed() < RETAIN_EVERY) {
            return;
        }
        self.retained = Some(Instant::now());
        if let Some(store) = &mut self.store {
            let _ = store.retain(&self.retention, now());
        }
    }
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
