use std::sync::{Mutex, PoisonError};

use palisade_detect::{Counters, Engine, Tables};
use palisade_event::EventTime;

/// What the detector of this process holds in memory, for who wants to see it. The detector's thread writes it now and then,
/// pages read it; neither waits for the other longer than a copy takes.
#[derive(Debug, Default)]
pub struct Insight {
    seen: Mutex<Option<Held>>,
}

/// A copy of the detector's numbers.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// By the place of the rule among all.
    pub(crate) tables: Vec<Tables>,
    pub(crate) counters: Counters,
    pub(crate) at: EventTime,
}

// === impl Insight ===

impl Insight {
    /// Writes down how the detector stands.
    pub fn note(&self, engine: &Engine, at: EventTime) {
        let tables = (0..engine.rules().rules().len()).map(|rule| engine.tables(rule)).collect();
        let held = Held { tables, counters: engine.counters(), at };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    pub(crate) fn held(&self) -> Option<Held> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
