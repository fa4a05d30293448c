use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use palisade_guard::{Entropy, MonoMicros, Now, WallMicros};
use rand::Rng as _;

/// ChaCha, seeded by the operating system, one generator a thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

/// The stopwatch starts with the process, and an hour in, so that nothing counts from zero.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
const HEAD_START_MICROS: u64 = 3_600_000_000;

/// Both clocks now.
#[must_use]
pub fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Now { wall: WallMicros(micros(wall)), mono: MonoMicros(HEAD_START_MICROS + micros(START.elapsed())) }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        rand::rng().fill_bytes(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_bytes_differ() {
        let (first, second) = (now(), now());
        assert!(second.mono >= first.mono && first.wall.seconds() > 1_700_000_000);
        let (mut one, mut two) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut one);
        SystemEntropy.fill(&mut two);
        assert_ne!(one, two);
    }
}
