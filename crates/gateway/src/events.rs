//! Events on their way out: told, counted, or told to be missing, and never waited for.
//!
//! One JSON object a line, as [`palisade_event::Event::encode`] writes it. Two lanes keep cheap refusals from crowding
//! out what matters ([`palisade_guard::Lane`]). The reserved lane tells every request. In the crowd lane the first
//! refusal of a client with a code is told at once; further ones within the second are counted, and told as one line
//! at its end:
//!
//! - the event of the first counted, with `"palisade.count":n`;
//! - beyond 4,096 pairs of client and code in a second, `{"timestamp":"...","palisade.notice":"other",
//!   "palisade.count":n}`;
//! - where whoever reads is too slow, `{"timestamp":"...","palisade.notice":"dropped","palisade.lane":"crowd",
//!   "palisade.count":n}` once there is room again.
//! - where gates share their state, `"palisade.notice":"state-outage"`, `"state-recovered"` or `"state-evicts"` with
//!   `"palisade.count":0`, when the server that keeps it goes out, is back, or may throw keys away.
//!
//! Beside requests, a reload leaves a line: `{"timestamp":"...","palisade.notice":"reloaded",
//! "palisade.generation":2,"palisade.count":0}`, or `"reload-failed"` with the codes of what is wrong in
//! `"palisade.codes"`.
//!
//! A line without `palisade.count` stands for one request; the sum over all lines is the number of requests.

mod crowd;
mod lines;
mod queue;

use std::fmt;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use palisade_backend::SystemEntropy;
use palisade_event::rfc3339;
use palisade_guard::{Entropy, Now, Record};
use palisade_tower::Ambient;
use tokio::time::{Sleep, sleep};

pub(crate) use lines::Lines;
pub(crate) use queue::{Batch, Queue, Writer};

use crate::metrics::Counters;

/// Where event lines go.
pub struct EventSink {
    writer: Box<dyn Write + Send>,
    tap: Option<Arc<Queue>>,
}

/// The same lines for a reader in this process, such as a detector. It has room of its own, and nobody waits for it: what it
/// is too slow for is counted, and told to it in a `dropped` line.
#[derive(Debug)]
pub struct Tap {
    queue: Arc<Queue>,
}

/// What a [`Tap`] heard.
#[derive(Debug)]
pub enum Heard {
    /// Whole lines, each with its line feed. Lines of one thread keep their order.
    Lines(Told),
    /// Nothing in that time.
    Nothing,
    /// The gate has ended, and everything was heard.
    End,
}

/// Lines of events.
#[derive(Debug)]
pub struct Told(Batch);

/// What surrounds the gate in one thread: the system's clocks and randomness, and the thread's event buffer.
#[derive(Debug, Clone)]
pub struct Surroundings {
    lines: Rc<Lines>,
    counters: Arc<Counters>,
}

/// How long a line may wait in its thread.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

// === impl EventSink ===

impl EventSink {
    /// Writes lines to `writer`, from a thread of its own: it may block, and what then finds no room is counted.
    #[must_use]
    pub fn new(writer: impl Write + Send + 'static) -> EventSink {
        EventSink { writer: Box::new(writer), tap: None }
    }

    /// Lets somebody in this process hear the same lines.
    #[must_use]
    pub fn tapped(self) -> (EventSink, Tap) {
        let queue = Arc::new(Queue::new());
        (EventSink { tap: Some(Arc::clone(&queue)), ..self }, Tap { queue })
    }

    /// Starts the thread.
    pub(crate) fn start(self, queue: Arc<Queue>) -> std::io::Result<Writer> {
        if let Some(tap) = self.tap {
            queue.tap(tap);
        }
        Writer::start(self.writer, queue)
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink(..)")
    }
}

// === impl Tap ===

impl Tap {
    /// The next lines; waits no longer than `patience`.
    #[must_use]
    pub fn next(&self, patience: Duration) -> Heard {
        match self.queue.next_within(patience) {
            Ok(Some(batch)) => Heard::Lines(Told(batch)),
            Ok(None) => Heard::End,
            Err(()) => Heard::Nothing,
        }
    }
}

// === impl Told ===

impl Told {
    /// Each line, without its line feed.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.bytes().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
    }
}

// === impl Surroundings ===

impl Surroundings {
    pub(crate) fn new(lines: Rc<Lines>, counters: Arc<Counters>) -> Surroundings {
        Surroundings { lines, counters }
    }
}

impl Ambient for Surroundings {
    type Sleep = Sleep;

    fn now(&self) -> Now {
        palisade_backend::now()
    }

    fn entropy(&self) -> &dyn Entropy {
        &SystemEntropy
    }

    fn sleep(&self, time: Duration) -> Sleep {
        sleep(time)
    }

    fn record(&self, record: Record) {
        let event = record.event();
        self.counters.request(&event);
        self.lines.record(&record, &event);
    }
}

/// Hands a thread's lines over as long as the thread serves.
pub(crate) async fn flusher(lines: Rc<Lines>) {
    loop {
        lines.wanted().await;
        while lines.pending() {
            sleep(FLUSH_EVERY).await;
            lines.tick(palisade_backend::now());
        }
    }
}

/// Appends a line that stands for `count` requests of which nothing else is told.
fn notice(line: &mut Vec<u8>, wall_micros: u64, what: &str, count: u64) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    rfc3339(wall_micros, line);
    let _ = writeln!(line, "\",\"palisade.notice\":{what},\"palisade.count\":{count}}}");
}
