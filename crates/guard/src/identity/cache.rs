//! Tokens that were verified: the second look at one costs a hash and a search.
//!
//! The key is the token's full SHA-256; beside it stands the epoch, a number of the policy's identity and the issuer's
//! keys together, so that a removed key or another list of parties empties the cache at once. Only verified tokens
//! enter, so strangers cannot fill it. A full shard forgets its oldest entry.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::env::WallMicros;
use crate::identity::issuer::seconds;
use crate::identity::verified::Identity;
use crate::ordered::Ordered;

/// A bounded cache of verified tokens, in shards so that threads seldom meet.
#[derive(Debug)]
pub(crate) struct Verified {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    epoch: u64,
    tokens: Ordered<TokenHash, Identity>,
    oldest: VecDeque<TokenHash>,
}

/// A token's SHA-256.
pub(crate) type TokenHash = [u8; 32];

const SHARDS: usize = 16;
/// Entries of a shard; a token of a kibibyte takes about two.
const PER_SHARD: usize = 1024;

impl Default for Verified {
    fn default() -> Verified {
        Verified { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Verified {
    pub(crate) fn hash(token: &str) -> TokenHash {
        Sha256::digest(token.as_bytes()).into()
    }

    /// The caller of a token that was verified in this epoch and is not over.
    pub(crate) fn find(&self, hash: &TokenHash, epoch: u64, now: WallMicros) -> Option<Identity> {
        let shard = self.shard(hash)?.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shard.tokens.get(hash).filter(|_| shard.epoch == epoch)?;
        (!found.is_over(seconds(now))).then(|| found.clone())
    }

    /// Remembers a token that has just been verified.
    pub(crate) fn insert(&self, hash: TokenHash, epoch: u64, identity: &Identity) {
        let Some(shard) = self.shard(&hash) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.epoch != epoch {
            *shard = Shard { epoch, ..Shard::default() };
        }
        if shard.tokens.insert(hash, identity.clone()).is_none() {
            shard.oldest.push_back(hash);
        }
        while shard.tokens.len() > PER_SHARD {
            let Some(oldest) = shard.oldest.pop_front() else { return };
            shard.tokens.remove(&oldest);
        }
    }

    fn shard(&self, hash: &TokenHash) -> Option<&Mutex<Shard>> {
        let [first, ..] = hash;
        self.shards.get(usize::from(*first) % SHARDS)
    }

    /// How many tokens it knows.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).tokens.len()).sum()
    }
}
