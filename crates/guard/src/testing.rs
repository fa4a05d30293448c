//! Fixed time and fixed bytes for this crate's own tests.

use crate::env::{Entropy, Env, MonoMicros, Now, WallMicros};

/// Entropy that counts up from a start, so that ids differ and runs repeat.
pub(crate) struct Fixed(pub(crate) u8);

/// A moment.
#[derive(Clone, Copy)]
pub(crate) struct Clock(pub(crate) Now);

impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) {
        for (index, byte) in out.iter_mut().enumerate() {
            *byte = self.0.wrapping_mul(31).wrapping_add(u8::try_from(index % 256).unwrap_or_default());
        }
    }
}

impl Clock {
    pub(crate) fn env<'a>(&self, entropy: &'a dyn Entropy) -> Env<'a> {
        Env { now: self.0, entropy }
    }
}

/// Both clocks at `seconds`.
pub(crate) fn at(seconds: u64) -> Clock {
    let micros = seconds * 1_000_000;
    Clock(Now { wall: WallMicros(micros), mono: MonoMicros(micros) })
}
