//! Shuts out whom incidents and operators name, at the gate of this process. It has a thread of its own, and no request and no
//! detector waits for it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use palisade_event::{EventTime, Incident};
use palisade_guard::{MonoMicros, Net, State};
use palisade_policy::{Clients, Policy, Respond};
use palisade_watch::respond::{Known, Shut, Spared, judge};
use palisade_watch::store::{Blocked, DETECTOR, Place, Store, StoreFault};

use crate::{output, stored};

/// A warden at work.
pub(crate) struct Warden {
    tell: Option<SyncSender<Case>>,
    rules: Arc<Mutex<Rules>>,
    thread: Option<JoinHandle<()>>,
}

/// An incident that may have to be answered, for how long its rule would shut out, and how many clients there were within the hour.
pub(crate) struct Case {
    pub(crate) incident: Incident,
    pub(crate) block: Option<Duration>,
    pub(crate) hour: u64,
}

/// By what it judges.
struct Rules {
    respond: Option<Respond>,
    clients: Clients,
}

/// How often the store is asked what operators said.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Incidents that wait to be judged. More come only in a storm, in which not all must be answered.
const MAX_WAITING: usize = 1000;
/// After a store that could not be used.
const PAUSE: Duration = Duration::from_secs(5);

// === impl Warden ===

impl Warden {
    /// Starts it for the gate whose state that is. A store that cannot be used keeps nobody from being shut out here.
    pub(crate) fn start(place: Place, state: Arc<State>, policy: &Policy) -> std::io::Result<Warden> {
        let (tell, told) = sync_channel(MAX_WAITING);
        let rules = Arc::new(Mutex::new(Rules::of(policy)));
        let watch = Watch {
            place,
            state,
            rules: Arc::clone(&rules),
            store: None,
            applied: BTreeMap::new(),
            waiting: Vec::new(),
            asked: None,
        };
        let thread = thread::Builder::new().name("palisade-warden".to_owned()).spawn(move || watch.run(&told))?;
        Ok(Warden { tell: Some(tell), rules, thread: Some(thread) })
    }

    /// Takes an incident. Returns at once.
    pub(crate) fn hear(&self, case: Case) {
        if let Some(tell) = &self.tell {
            let _ = tell.try_send(case);
        }
    }

    /// Judges by another policy from now on.
    pub(crate) fn reload(&self, policy: &Policy) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Rules::of(policy);
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        self.tell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Rules {
    fn of(policy: &Policy) -> Rules {
        Rules { respond: policy.alerting.respond.clone(), clients: policy.clients.clone() }
    }
}

struct Watch {
    place: Place,
    state: Arc<State>,
    rules: Arc<Mutex<Rules>>,
    store: Option<Store>,
    /// What the gate was told, and until when.
    applied: BTreeMap<Net, EventTime>,
    /// Blocks that the store has not taken yet.
    waiting: Vec<Blocked>,
    asked: Option<Instant>,
}

impl Watch {
    fn run(mut self, told: &Receiver<Case>) {
        loop {
            match told.recv_timeout(LOOK_EVERY) {
                Ok(case) => self.judge(&case),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.agree();
                    return;
                }
            }
            if self.asked.is_some_and(|last| last.elapsed() < LOOK_EVERY) && self.waiting.is_empty() {
                continue;
            }
            self.asked = Some(Instant::now());
            if self.agree().is_err() {
                // Whoever else uses the store says what is wrong with it.
                self.store = None;
                self.asked = Instant::now().checked_add(PAUSE);
            }
        }
    }

    fn judge(&mut self, case: &Case) {
        let now = stored::now();
        let ruling = {
            let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
            let known = Known {
                respond: rules.respond.as_ref(),
                rule: case.block,
                clients: &rules.clients,
                live: &self.applied,
                hour: case.hour,
            };
            judge(&case.incident, &known, now)
        };
        match ruling {
            Ok(Shut { net, until }) => {
                self.apply(net, until, now);
                let (rule, key) = (&case.incident.rule, case.incident.key.to_string());
                let seconds = until.micros().saturating_sub(now.micros()) / 1_000_000;
                output::note(&format!("palisade: blocked   {net} for {seconds} s: {rule}, incident {}", cut(&key)));
                let (by, why) = (DETECTOR.to_owned(), rule.to_string());
                self.waiting.push(Blocked { net, until, since: now, by, why, incident: Some(key) });
            }
            Err(Spared::TooMany | Spared::TooLargeAShare) => {
                let why = ruling.err().map(|spared| spared.to_string()).unwrap_or_default();
                output::note(&format!("palisade: not blocked for {}: {why}", case.incident.rule));
            }
            Err(_) => {}
        }
    }

    /// Brings the store and the gate to say the same.
    fn agree(&mut self) -> Result<(), StoreFault> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(Store::open(&self.place)?),
        };
        let now = stored::now();
        while let Some(block) = self.waiting.last() {
            store.block(block)?;
            self.waiting.pop();
        }
        let wanted: BTreeMap<Net, EventTime> =
            store.blocks(now)?.into_iter().map(|block| (block.net, block.until)).collect();
        for net in self.applied.keys().filter(|net| !wanted.contains_key(net)).copied().collect::<Vec<_>>() {
            let until = self.applied.remove(&net);
            // One whose time is over ends by itself; this one an operator let in.
            if until.is_some_and(|until| until > now) {
                self.state.blocks.remove(net);
            }
        }
        for (net, until) in wanted {
            if self.applied.get(&net) != Some(&until) {
                self.apply(net, until, now);
            }
        }
        Ok(())
    }

    fn apply(&mut self, net: Net, until: EventTime, now: EventTime) {
        let clients = self.rules.lock().unwrap_or_else(PoisonError::into_inner).clients.clone();
        if net.check(&clients).is_err() {
            return;
        }
        let mono = palisade_backend::now().mono;
        let end = MonoMicros(mono.0.saturating_add(until.micros().saturating_sub(now.micros())));
        self.state.blocks.add(net, end, mono);
        self.applied.insert(net, until);
    }
}

fn cut(key: &str) -> &str {
    key.get(..8).unwrap_or(key)
}
