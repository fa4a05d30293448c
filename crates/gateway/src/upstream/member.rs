//! One upstream, as one thread sees it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use palisade_guard::Fault;

use super::choice::Turn;
use super::connect::Connector;
use super::fleet::{Seat, Tally};
use super::pool::{Connection, Lease, Pool};

/// An upstream with this thread's connections to it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) seat: Seat,
    pub(crate) pool: Rc<Pool>,
    /// Requests that are not over.
    pub(crate) busy: Rc<Cell<u32>>,
    connector: Connector,
    thread: usize,
}

// === impl Member ===

impl Member {
    pub(crate) fn new(seat: &Seat, thread: usize, patience: Duration) -> Member {
        Member {
            connector: Connector::new(&seat.origin),
            pool: Rc::new(Pool::new(patience)),
            busy: Rc::default(),
            seat: seat.clone(),
            thread,
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self, turn: Turn, trial: bool) -> Result<Lease, Fault> {
        match self.connector.open().await {
            Ok(stream) => {
                self.seat.vital.connected();
                Ok(self.pool.lease(Connection::new(stream), turn))
            }
            Err(fault) => {
                self.seat.vital.failed(trial, super::mono_micros());
                if let Some(tally) = self.tally() {
                    tally.failures.add(1);
                }
                Err(fault)
            }
        }
    }

    /// What this thread counts of it.
    pub(crate) fn tally(&self) -> Option<&Tally> {
        self.seat.tallies.get(self.thread)
    }
}
