use std::cell::Cell;

use palisade_guard::{Entropy, Env, MonoMicros, Now, WallMicros};
use sha2::{Digest as _, Sha256};

use crate::wire::{Bad, Reader};

/// Time and randomness as a message brings them.
#[derive(Debug)]
pub(crate) struct Supplied {
    now: Now,
    bytes: Bytes,
}

/// Random bytes of any number, grown from those that came with the message.
#[derive(Debug)]
struct Bytes {
    key: [u8; 32],
    block: Cell<u32>,
}

/// Random bytes in a message.
const SEED: usize = 32;

// === impl Supplied ===

impl Supplied {
    /// Wall clock and stopwatch in microseconds, then [`SEED`] random bytes.
    pub(crate) fn read(message: &mut Reader<'_>) -> Result<Supplied, Bad> {
        let now = Now { wall: WallMicros(message.number()?), mono: MonoMicros(message.number()?) };
        let key = *message.take(SEED)?.first_chunk().ok_or(Bad)?;
        Ok(Supplied { now, bytes: Bytes { key, block: Cell::new(0) } })
    }

    pub(crate) fn env(&self) -> Env<'_> {
        Env { now: self.now, entropy: &self.bytes }
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }
}

impl Entropy for Bytes {
    /// SHA-256 of key and counter: each block is used once and tells nothing of the others.
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = self.block.get();
            self.block.set(block.wrapping_add(1));
            let digest = Sha256::new().chain_update(self.key).chain_update(block.to_le_bytes()).finalize();
            chunk.iter_mut().zip(digest).for_each(|(byte, random)| *byte = random);
        }
    }
}
