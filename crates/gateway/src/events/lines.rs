//! The event buffers of one thread.

use std::cell::RefCell;
use std::sync::Arc;

use palisade_event::Event;
use palisade_guard::{Lane, Now, Record};
use tokio::sync::Notify;

use super::crowd::Crowd;
use super::queue::{Batch, Queue};

/// Buffers are handed over when they are this long.
const FLUSH_AT: usize = 64 << 10;

/// Collects the lines of a thread and hands them over in batches.
#[derive(Debug)]
pub(crate) struct Lines {
    buffers: RefCell<Buffers>,
    wanted: Notify,
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Buffers {
    reserved: Vec<u8>,
    crowd: Vec<u8>,
    counted: Crowd,
    /// Whether the flusher knows that there is something.
    told: bool,
}

// === impl Lines ===

impl Lines {
    pub(crate) fn new(queue: Arc<Queue>) -> Lines {
        Lines { buffers: RefCell::default(), wanted: Notify::new(), queue }
    }

    /// Takes note of a request: encodes its line, or counts it. Never waits.
    pub(crate) fn record(&self, record: &Record, event: &Event<'_>) {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { reserved, crowd, counted, told } = &mut *buffers;
        match record.lane() {
            Lane::Reserved => event.encode(reserved),
            Lane::Crowd => counted.take(event, record.quiet(), palisade_backend::now().mono.0, crowd),
        }
        if reserved.len() >= FLUSH_AT {
            self.queue.push(Lane::Reserved, Batch::of(reserved));
        }
        if crowd.len() >= FLUSH_AT {
            self.queue.push(Lane::Crowd, Batch::of(crowd));
        }
        if !*told {
            *told = true;
            self.wanted.notify_one();
        }
    }

    /// Waits until there is something to hand over.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Hands over what is there, and what was counted if its second is over.
    pub(crate) fn tick(&self, now: Now) {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { crowd, counted, .. } = &mut *buffers;
        counted.turn(now.mono.0, crowd);
        self.hand_over(&mut buffers);
    }

    /// Whether something waits; if not, the next record wakes the flusher.
    pub(crate) fn pending(&self) -> bool {
        let mut buffers = self.buffers.borrow_mut();
        buffers.told = !(buffers.reserved.is_empty() && buffers.crowd.is_empty() && buffers.counted.is_empty());
        buffers.told
    }

    /// Hands over everything: the thread ends.
    pub(crate) fn finish(&self) {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { crowd, counted, .. } = &mut *buffers;
        counted.tell(crowd);
        self.hand_over(&mut buffers);
    }

    fn hand_over(&self, buffers: &mut Buffers) {
        if !buffers.reserved.is_empty() {
            self.queue.push(Lane::Reserved, Batch::of(&mut buffers.reserved));
        }
        if !buffers.crowd.is_empty() {
            self.queue.push(Lane::Crowd, Batch::of(&mut buffers.crowd));
        }
    }
}
