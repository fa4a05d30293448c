//! Between the threads that serve and the one that writes: two lanes with room of their own.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use palisade_backend::Notice;
use palisade_guard::Lane;

use super::notice;

/// Bytes that may wait in the lane of refusals.
const CROWD_ROOM: usize = 4 << 20;
/// Bytes that may wait in the lane of what matters.
const RESERVED_ROOM: usize = 32 << 20;

/// Lines of one thread, ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    bytes: Arc<Vec<u8>>,
}

/// What waits to be written. The lock is held to move a batch in or out, never while one is written.
#[derive(Debug)]
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    changed: Condvar,
    /// Who reads the same lines, with room of its own: neither waits for the other.
    tap: OnceLock<Arc<Queue>>,
}

#[derive(Debug)]
struct Lanes {
    reserved: Waiting,
    crowd: Waiting,
    closed: bool,
    finished: bool,
    lost: u64,
    /// Requests whose lines found no room, since the start.
    dropped: u64,
}

#[derive(Debug)]
struct Waiting {
    batches: VecDeque<Batch>,
    bytes: usize,
    room: usize,
    /// Requests whose lines found no room.
    dropped: u64,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
}

/// Says that the thread has ended, however it ended.
struct Finished(Arc<Queue>);

// === impl Batch ===

impl Batch {
    /// Takes the lines out of a buffer.
    pub(crate) fn of(buffer: &mut Vec<u8>) -> Batch {
        let capacity = buffer.capacity();
        Batch::line(std::mem::replace(buffer, Vec::with_capacity(capacity)))
    }

    /// One line that stands for no request.
    pub(crate) fn line(bytes: Vec<u8>) -> Batch {
        Batch { bytes: Arc::new(bytes) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many requests its lines stand for. Looked up only when it is dropped.
    fn requests(&self) -> u64 {
        let lines = self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(count_of).sum()
    }
}

/// The count at the end of a line; text from a request cannot forge it, its quotes are escaped.
fn count_of(line: &[u8]) -> u64 {
    let tail = line.get(line.len().saturating_sub(48)..).and_then(|tail| std::str::from_utf8(tail).ok());
    let count = tail.and_then(|tail| tail.rsplit_once(",\"palisade.count\":")).map(|(_, count)| count);
    count.and_then(|count| count.strip_suffix('}')?.parse().ok()).unwrap_or(1)
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new() -> Queue {
        let waiting = |room| Waiting { batches: VecDeque::new(), bytes: 0, room, dropped: 0 };
        let (reserved, crowd) = (waiting(RESERVED_ROOM), waiting(CROWD_ROOM));
        let lanes = Lanes { reserved, crowd, closed: false, finished: false, lost: 0, dropped: 0 };
        Queue { lanes: Mutex::new(lanes), changed: Condvar::new(), tap: OnceLock::new() }
    }

    /// Gives every batch from now on to `tap` too. The first that asks has it.
    pub(crate) fn tap(&self, tap: Arc<Queue>) {
        let _ = self.tap.set(tap);
    }

    /// Adds a batch, or counts it if its lane is full.
    pub(crate) fn push(&self, lane: Lane, batch: Batch) {
        if let Some(tap) = self.tap.get() {
            tap.push(lane, batch.clone());
        }
        let mut guard = self.lanes();
        let lanes = &mut *guard;
        let waiting = match lane {
            Lane::Reserved => &mut lanes.reserved,
            Lane::Crowd => &mut lanes.crowd,
        };
        if waiting.bytes + batch.bytes.len() > waiting.room {
            let requests = batch.requests();
            waiting.dropped += requests;
            lanes.dropped += requests;
            return;
        }
        waiting.bytes += batch.bytes.len();
        waiting.batches.push_back(batch);
        drop(guard);
        self.changed.notify_all();
    }

    /// Requests whose lines were dropped or could not be written, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        let lanes = self.lanes();
        lanes.dropped + lanes.lost
    }

    /// Tells what became of the shared state: words and numbers of ours only.
    pub(crate) fn tell(&self, it: &Notice) {
        let what = match it {
            Notice::Outage { nodes, .. } => format!("\"state-outage\",\"palisade.state.nodes\":{nodes}"),
            Notice::Recovered { nodes, alone, replayed } => format!(
                "\"state-recovered\",\"palisade.state.nodes\":{nodes},\"palisade.state.alone\":{alone},\
                 \"palisade.state.replayed\":{replayed}"
            ),
            Notice::Evicts { .. } => "\"state-evicts\"".to_owned(),
            _ => return,
        };
        let mut bytes = Vec::new();
        notice(&mut bytes, palisade_backend::now().wall.0, &what, 0);
        self.push(Lane::Reserved, Batch::line(bytes));
    }

    /// The next batch, what matters first; before it what was dropped. `None` when all is written and no more comes.
    fn next(&self) -> Option<Batch> {
        let mut lanes = self.lanes();
        loop {
            let batch = lanes.pop();
            if batch.is_some() || lanes.closed {
                return batch;
            }
            lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`Queue::next`], but waits no longer than `patience`; an error is that time is over.
    pub(crate) fn next_within(&self, patience: Duration) -> Result<Option<Batch>, ()> {
        let deadline = Instant::now() + patience;
        let mut lanes = self.lanes();
        loop {
            let batch = lanes.pop();
            if batch.is_some() || lanes.closed {
                return Ok(batch);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(());
            }
            lanes = self.changed.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No more comes.
    fn close(&self) {
        self.lanes().closed = true;
        self.changed.notify_all();
        if let Some(tap) = self.tap.get() {
            tap.close();
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn pop(&mut self) -> Option<Batch> {
        let mut batch = self.reserved.pop().or_else(|| self.crowd.pop());
        let mut notices = Vec::new();
        self.reserved.confess("\"dropped\",\"palisade.lane\":\"reserved\"", &mut notices);
        self.crowd.confess("\"dropped\",\"palisade.lane\":\"crowd\"", &mut notices);
        if !notices.is_empty() {
            let batch = batch.get_or_insert_with(|| Batch::line(Vec::new()));
            Arc::make_mut(&mut batch.bytes).append(&mut notices);
        }
        batch
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.bytes -= batch.bytes.len();
        Some(batch)
    }

    fn confess(&mut self, what: &str, notices: &mut Vec<u8>) {
        if self.dropped > 0 {
            notice(notices, palisade_backend::now().wall.0, what, self.dropped);
            self.dropped = 0;
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Starts the thread that writes what is pushed to `queue`.
    pub(crate) fn start(writer: Box<dyn Write + Send>, queue: Arc<Queue>) -> io::Result<Writer> {
        let finished = Finished(Arc::clone(&queue));
        thread::Builder::new().name("palisade-events".to_owned()).spawn(move || write(&finished, writer))?;
        Ok(Writer { queue })
    }

    /// Waits until all is written, but no longer than `patience`: a reader that stopped reading must not keep the
    /// process. Says how many requests' lines were lost.
    pub(crate) fn finish(self, patience: Duration) -> u64 {
        let deadline = Instant::now() + patience;
        self.queue.close();
        let mut lanes = self.queue.lanes();
        while !lanes.finished {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            lanes = self.queue.changed.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let unwritten = lanes.reserved.batches.iter().chain(&lanes.crowd.batches);
        lanes.lost + lanes.reserved.dropped + lanes.crowd.dropped + unwritten.map(Batch::requests).sum::<u64>()
    }
}

fn write(finished: &Finished, mut writer: Box<dyn Write + Send>) {
    let Finished(queue) = finished;
    while let Some(batch) = queue.next() {
        // A reader that has gone may come back (a log rotated away); what it misses meanwhile is lost, and counted.
        if writer.write_all(&batch.bytes).and_then(|()| writer.flush()).is_err() {
            queue.lanes().lost += batch.requests();
        }
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.lanes().finished = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Blocks in every write until it is let go, then passes on what it was given.
    struct Gated(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(line: &str, times: usize) -> Batch {
        Batch::line(format!("{line}\n").repeat(times).into_bytes())
    }

    #[test]
    fn a_reader_that_stands_still_loses_refusals_only_and_is_told_how_many() {
        let (go, gate) = mpsc::channel();
        let (tx, rx) = mpsc::channel();
        let queue = Arc::new(Queue::new());
        let writer = Writer::start(Box::new(Gated(gate, tx)), Arc::clone(&queue)).expect("thread");
        let counted = format!("{{\"a\":\"{}\",\"palisade.count\":7}}", "x".repeat(1000));
        for _ in 0..100 {
            queue.push(Lane::Crowd, batch(&counted, 100));
        }
        queue.push(Lane::Reserved, batch("{\"status\":500}", 1));
        drop(go);
        assert_eq!(writer.finish(Duration::from_secs(10)), 0);
        let text = String::from_utf8(rx.iter().flatten().collect()).expect("utf-8");
        assert_eq!(text.matches("{\"status\":500}").count(), 1);
        assert!(text.contains("\"palisade.notice\":\"dropped\",\"palisade.lane\":\"crowd\""), "{text:.300}");
        assert_eq!(text.lines().map(|line| count_of(line.as_bytes())).sum::<u64>(), 70_001);
    }

    #[test]
    fn a_tap_hears_everything_while_the_writer_stands_still_and_is_told_its_own_losses() {
        let (go, gate) = mpsc::channel();
        let (queue, tap) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
        queue.tap(Arc::clone(&tap));
        let writer = Writer::start(Box::new(Gated(gate, mpsc::channel().0)), Arc::clone(&queue)).expect("thread");
        let mut heard = Vec::new();
        let hear = |heard: &mut Vec<u8>| {
            while let Ok(Some(batch)) = tap.next_within(Duration::ZERO) {
                heard.extend_from_slice(batch.bytes());
            }
        };
        for _ in 0..200 {
            queue.push(Lane::Crowd, batch(&"x".repeat(999), 100));
            hear(&mut heard);
        }
        assert_eq!(heard.len(), 20_000_000, "a tap that keeps up loses nothing");
        heard.clear();
        for _ in 0..200 {
            queue.push(Lane::Crowd, batch(&"x".repeat(999), 100));
        }
        queue.push(Lane::Reserved, batch("{\"status\":500}", 1));
        drop(go);
        let _ = writer.finish(Duration::from_secs(10));
        hear(&mut heard);
        assert!(matches!(tap.next_within(Duration::ZERO), Ok(None)), "the end is told");
        let text = String::from_utf8(heard).expect("utf-8");
        assert!(text.starts_with("{\"status\":500}"), "what matters first");
        assert_eq!(text.lines().map(|line| count_of(line.as_bytes())).sum::<u64>(), 20_001);
    }

    #[test]
    fn a_writer_that_fails_or_hangs_or_panics_ends_in_time_and_is_counted() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        struct Panics;
        impl Write for Panics {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                panic!("a writer may panic")
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (_hold, gate) = mpsc::channel();
        let hanging = Gated(gate, mpsc::channel().0);
        let writers: [(Box<dyn Write + Send>, u64); 3] =
            [(Box::new(Broken), 2), (Box::new(Panics), 1), (Box::new(hanging), 1)];
        for (writer, least) in writers {
            let queue = Arc::new(Queue::new());
            let writer = Writer::start(writer, Arc::clone(&queue)).expect("thread");
            for _ in 0..2 {
                queue.push(Lane::Reserved, batch("{}", 1));
            }
            assert!(writer.finish(Duration::from_millis(300)) >= least.min(1));
        }
    }

    #[test]
    fn counts_are_read_from_the_end_of_a_line() {
        assert_eq!(count_of(br#"{"url.path":"/\",\"palisade.count\":9}","a":1}"#), 1);
        assert_eq!(count_of(br#"{"url.path":"/","palisade.count":12}"#), 12);
    }
}
