//! Who is connected to a thread, so that a drain can wake them and wait for the last.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Waker};

use tokio::sync::Notify;

/// The connections and tunnels of one thread.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    closing: Cell<bool>,
    next: Cell<u64>,
    entries: RefCell<HashMap<u64, Option<Waker>>>,
    left: Notify,
}

/// A place in the roster; left when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    roster: Rc<Roster>,
    number: u64,
    known: bool,
}

// === impl Roster ===

impl Roster {
    /// Takes a place.
    pub(crate) fn enter(self: &Rc<Self>) -> Place {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        self.entries.borrow_mut().insert(number, None);
        Place { roster: Rc::clone(self), number, known: false }
    }

    /// Tells everyone to come to an end.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        let wakers: Vec<Waker> = self.entries.borrow().values().flatten().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Waits until everyone has left.
    pub(crate) async fn emptied(&self) {
        while !self.entries.borrow().is_empty() {
            self.left.notified().await;
        }
    }

    /// How many are here.
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }
}

// === impl Place ===

impl Place {
    /// Whether it is time to come to an end; the task is woken when it becomes so.
    ///
    /// A task's waker stays the same, so it is kept at the first call only: later calls cost a look at a flag.
    pub(crate) fn closing(&mut self, context: &Context<'_>) -> bool {
        if !self.known {
            self.roster.entries.borrow_mut().insert(self.number, Some(context.waker().clone()));
            self.known = true;
        }
        self.roster.closing.get()
    }
}

impl Place {
    /// The same place for another future: its waker is kept anew.
    pub(crate) fn renewed(mut self) -> Place {
        self.known = false;
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.roster.entries.borrow_mut().remove(&self.number);
        self.roster.left.notify_one();
    }
}
