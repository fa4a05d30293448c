use std::fmt;

/// Random bytes, from outside. Must be unpredictable: tokens, nonces and table seeds are made of them.
pub trait Entropy {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);
}

/// Microseconds since the Unix epoch. Tokens are dated by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallMicros(pub u64);

/// Microseconds since an arbitrary start that never goes back. Limits are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonoMicros(pub u64);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The calendar.
    pub wall: WallMicros,
    /// The stopwatch.
    pub mono: MonoMicros,
}

/// What the guard may know of the world while it decides.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The time.
    pub now: Now,
    /// Random bytes.
    pub entropy: &'a dyn Entropy,
}

impl WallMicros {
    /// Whole milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 / 1000
    }

    /// Whole seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Env<'_> {
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.entropy.fill(&mut out);
        out
    }
}

impl fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}
