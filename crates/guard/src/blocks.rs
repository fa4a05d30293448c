//! Clients that are shut out for a time. Few, and looked up by every request: the common case, none at all, costs one
//! atomic load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use palisade_event::ClientKey;

use crate::env::MonoMicros;

/// The most live blocks; beyond that new ones are refused, so that an attacker cannot make the table grow.
pub const MAX_BLOCKS: usize = 1000;

/// Who is shut out, and until when.
#[derive(Debug, Default)]
pub struct Blocks {
    live: AtomicUsize,
    until: RwLock<BTreeMap<ClientKey, MonoMicros>>,
}

impl Blocks {
    /// Shuts a client out until a time. `false` where the table is full of live blocks, or the client is this machine.
    pub fn add(&self, client: ClientKey, until: MonoMicros, now: MonoMicros) -> bool {
        if client.v4().is_some_and(|v4| v4.is_loopback())
            || client == ClientKey::of(std::net::Ipv6Addr::LOCALHOST.into())
        {
            return false;
        }
        let mut blocks = self.until.write().unwrap_or_else(PoisonError::into_inner);
        blocks.retain(|_, end| *end > now);
        let room = blocks.len() < MAX_BLOCKS || blocks.contains_key(&client);
        if room {
            blocks.insert(client, until);
        }
        self.live.store(blocks.len(), Ordering::Release);
        room
    }

    /// Lets a client in again. Whether it was shut out.
    pub fn remove(&self, client: ClientKey) -> bool {
        let mut blocks = self.until.write().unwrap_or_else(PoisonError::into_inner);
        let removed = blocks.remove(&client).is_some();
        self.live.store(blocks.len(), Ordering::Release);
        removed
    }

    /// Until when a client is shut out, if it is.
    pub fn holds(&self, client: ClientKey, now: MonoMicros) -> Option<MonoMicros> {
        if self.live.load(Ordering::Acquire) == 0 {
            return None;
        }
        let blocks = self.until.read().unwrap_or_else(PoisonError::into_inner);
        blocks.get(&client).copied().filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u32) -> ClientKey {
        ClientKey::of(std::net::Ipv4Addr::from(0xc633_6400 + n).into())
    }

    #[test]
    fn a_block_ends_by_itself_or_by_hand() {
        let blocks = Blocks::default();
        assert!(
            blocks.add(client(1), MonoMicros(100), MonoMicros(0))
                && blocks.add(client(2), MonoMicros(100), MonoMicros(0))
        );
        assert_eq!(blocks.holds(client(1), MonoMicros(99)), Some(MonoMicros(100)));
        assert_eq!(blocks.holds(client(1), MonoMicros(100)), None);
        assert!(blocks.remove(client(2)) && blocks.holds(client(2), MonoMicros(1)).is_none());
    }

    #[test]
    fn this_machine_is_never_shut_out_and_the_table_is_bounded() {
        let blocks = Blocks::default();
        for address in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(!blocks.add(ClientKey::of(address.parse().expect("address")), MonoMicros(9), MonoMicros(0)));
        }
        let taken = (0..2000).filter(|n| blocks.add(client(*n), MonoMicros(100), MonoMicros(0))).count();
        assert_eq!(taken, MAX_BLOCKS);
        assert!(blocks.add(client(5000), MonoMicros(300), MonoMicros(200)), "ended ones make room");
    }
}
