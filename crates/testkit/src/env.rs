use std::cell::Cell;

use palisade_guard::{Entropy, Env, MonoMicros, Now, WallMicros};

/// A clock that stands still until it is moved, and bytes that count up: runs repeat, ids differ.
#[derive(Debug)]
pub struct FixedEnv {
    micros: Cell<u64>,
    counter: Counter,
}

#[derive(Debug, Default)]
struct Counter(Cell<u64>);

impl FixedEnv {
    /// Both clocks at `seconds`.
    #[must_use]
    pub fn at(seconds: u64) -> FixedEnv {
        FixedEnv { micros: Cell::new(seconds * 1_000_000), counter: Counter::default() }
    }

    /// Moves both clocks on.
    pub fn pass(&self, time: std::time::Duration) {
        let micros = u64::try_from(time.as_micros()).expect("less than half a million years");
        self.micros.set(self.micros.get() + micros);
    }

    /// What the guard sees.
    #[must_use]
    pub fn env(&self) -> Env<'_> {
        let micros = self.micros.get();
        Env { now: Now { wall: WallMicros(micros), mono: MonoMicros(micros) }, entropy: &self.counter }
    }
}

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let next = self.0.get() + 1;
            self.0.set(next);
            for (byte, source) in chunk.iter_mut().zip(next.to_le_bytes()) {
                *byte = source;
            }
        }
    }
}
