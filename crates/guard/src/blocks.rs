//! Networks that are shut out for a time. Few, and looked up by every request: the common case, none at all, costs one
//! atomic load.
//!
//! Where gates share their state, whoever keeps the connection carries changes both ways: [`Blocks::untold`] is what the
//! others have not heard, [`Blocks::replace`] what they say.

mod net;

pub use net::{BadNet, Net};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use palisade_event::ClientKey;

use crate::env::MonoMicros;
use crate::ordered::Ordered;
use crate::plan::Plan;

/// The most live blocks; beyond that new ones are refused, so that an attacker cannot make the table grow.
pub const MAX_BLOCKS: usize = 1000;

/// Who is shut out, and until when.
#[derive(Debug, Default)]
pub struct Blocks {
    /// When the last block ends.
    last: AtomicU64,
    table: RwLock<Table>,
}

/// What those who share the blocks are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A network was shut out here, until then.
    Block(Net, MonoMicros),
    /// It was let in again.
    Lift(Net),
}

#[derive(Debug, Default)]
struct Table {
    blocks: Ordered<Net, Block>,
    /// Let in again, and not told yet. Bounded as the blocks are.
    lifted: Ordered<Net, ()>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    until: MonoMicros,
    /// Whether the others know of it.
    told: bool,
}

// === impl Blocks ===

impl Blocks {
    /// Shuts a network out until a time, in place of what was said of it before. `false` where the table is full of live
    /// blocks, or the network is this machine.
    pub fn add(&self, net: impl Into<Net>, until: MonoMicros, now: MonoMicros) -> bool {
        let net = net.into();
        let mut table = self.table();
        let taken = !net.is_loopback() && table.put(net, Block { until, told: false }, now);
        if taken {
            table.lifted.remove(&net);
        }
        self.note(&table);
        taken
    }

    /// Lets a network in again. Whether it was shut out.
    pub fn remove(&self, net: impl Into<Net>) -> bool {
        let net = net.into();
        let mut table = self.table();
        let removed = table.blocks.remove(&net).is_some();
        if table.lifted.len() < MAX_BLOCKS {
            table.lifted.insert(net, ());
        }
        self.note(&table);
        removed
    }

    /// Until when a client is shut out, if it is: by itself, or by the /48 it is in.
    pub fn holds(&self, client: ClientKey, now: MonoMicros) -> Option<MonoMicros> {
        if self.last.load(Ordering::Acquire) <= now.0 {
            return None;
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let nets = [Some(Net::from(client)), Net::wide(client)];
        let ends = nets.into_iter().flatten().filter_map(|net| table.blocks.get(&net)).map(|block| block.until);
        ends.max().filter(|until| *until > now)
    }

    /// Who is shut out now, and until when.
    #[must_use]
    pub fn list(&self, now: MonoMicros) -> Vec<(Net, MonoMicros)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let live = table.blocks.iter().filter(|(_, block)| block.until > now);
        live.map(|(net, block)| (*net, block.until)).collect()
    }

    /// What the others have not been told.
    #[must_use]
    pub fn untold(&self, now: MonoMicros) -> Vec<Change> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = table.blocks.iter().filter(|(_, block)| !block.told && block.until > now);
        let lifted = table.lifted.iter().map(|(net, ())| Change::Lift(*net));
        lifted.chain(fresh.map(|(net, block)| Change::Block(*net, block.until))).collect()
    }

    /// The others have been told, unless it has changed since.
    pub fn told(&self, change: Change) {
        let mut table = self.table();
        match change {
            Change::Lift(net) => {
                table.lifted.remove(&net);
            }
            Change::Block(net, until) => {
                if let Some(block) = table.blocks.get_mut(&net).filter(|block| block.until == until) {
                    block.told = true;
                }
            }
        }
    }

    /// The others have forgotten everything: all of it is to be told again.
    pub fn forgotten(&self) {
        for block in self.table().blocks.values_mut() {
            block.told = false;
        }
    }

    /// Takes in what the others say: what they do not know any more ends here too, but for what they were not told.
    pub fn replace(&self, list: impl IntoIterator<Item = (Net, MonoMicros)>, now: MonoMicros) {
        let mut table = self.table();
        table.blocks.retain(|block| !block.told);
        for (net, until) in list {
            let mine = table.lifted.has(&net) || table.blocks.has(&net);
            if !mine && !net.is_loopback() {
                table.put(net, Block { until, told: true }, now);
            }
        }
        self.note(&table);
    }

    fn note(&self, table: &Table) {
        let last = table.blocks.values().map(|block| block.until.0).max();
        self.last.store(last.unwrap_or(0), Ordering::Release);
    }

    fn table(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// Until when a client is shut out, if it is. Never a trusted proxy, which speaks for many, nor this machine, whatever
    /// those who share the blocks say.
    #[must_use]
    pub fn blocked(&self, client: ClientKey, now: MonoMicros) -> Option<MonoMicros> {
        let until = self.state().blocks.holds(client, now)?;
        Net::from(client).check(&self.policy().clients).is_ok().then_some(until)
    }
}

impl Table {
    fn put(&mut self, net: Net, block: Block, now: MonoMicros) -> bool {
        self.blocks.retain(|block| block.until > now);
        let room = self.blocks.len() < MAX_BLOCKS || self.blocks.has(&net);
        if room {
            self.blocks.insert(net, block);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u32) -> ClientKey {
        ClientKey::of(std::net::Ipv4Addr::from(0xc633_6400 + n).into())
    }

    fn net(text: &str) -> Net {
        text.parse().expect("net")
    }

    const NOW: MonoMicros = MonoMicros(0);
    const LATER: MonoMicros = MonoMicros(100);

    #[test]
    fn a_block_ends_by_itself_or_by_hand() {
        let blocks = Blocks::default();
        assert!(blocks.add(client(1), LATER, NOW) && blocks.add(client(2), LATER, NOW));
        assert_eq!(blocks.holds(client(1), MonoMicros(99)), Some(LATER));
        assert_eq!(blocks.holds(client(1), LATER), None);
        assert!(blocks.remove(client(2)) && blocks.holds(client(2), MonoMicros(1)).is_none());
    }

    #[test]
    fn this_machine_is_never_shut_out_and_the_table_is_bounded() {
        let blocks = Blocks::default();
        for address in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(!blocks.add(net(address), LATER, NOW));
            blocks.replace([(net(address), LATER)], NOW);
            assert!(blocks.list(NOW).is_empty(), "{address}");
        }
        let taken = (0..2000).filter(|n| blocks.add(client(*n), LATER, NOW)).count();
        assert_eq!(taken, MAX_BLOCKS);
        assert!(blocks.add(client(5000), MonoMicros(300), MonoMicros(200)), "ended ones make room");
        let list = (0..2000).map(|n| (client(n).into(), MonoMicros(300)));
        blocks.replace(list, MonoMicros(200));
        assert_eq!(blocks.list(MonoMicros(200)).len(), MAX_BLOCKS);
    }

    #[test]
    fn a_48_shuts_out_all_of_its_64s_and_nobody_else() {
        let blocks = Blocks::default();
        assert!(blocks.add(net("2001:db8:7::/48"), LATER, NOW));
        let key = |text: &str| ClientKey::of(text.parse().expect("address"));
        assert_eq!(blocks.holds(key("2001:db8:7:9::1"), NOW), Some(LATER));
        assert_eq!(blocks.holds(key("2001:db8:8:9::1"), NOW), None);
        assert_eq!(blocks.holds(client(1), NOW), None);
    }

    #[test]
    fn changes_go_both_ways_and_none_is_lost() {
        let blocks = Blocks::default();
        let (one, two, three) = (Net::from(client(1)), Net::from(client(2)), Net::from(client(3)));
        blocks.add(one, LATER, NOW);
        assert_eq!(blocks.untold(NOW), [Change::Block(one, LATER)]);
        // The others do not know it yet: their list ends nothing that they were not told.
        blocks.replace([(two, LATER)], NOW);
        assert_eq!(blocks.list(NOW), [(one, LATER), (two, LATER)]);
        blocks.told(Change::Block(one, LATER));
        assert!(blocks.untold(NOW).is_empty());
        blocks.replace([(three, LATER)], NOW);
        assert_eq!(blocks.list(NOW), [(three, LATER)]);
        // Lifted here: a list made before does not bring it back.
        blocks.remove(three);
        blocks.replace([(three, LATER)], NOW);
        assert_eq!((blocks.list(NOW).len(), blocks.untold(NOW)), (0, vec![Change::Lift(three)]));
        blocks.told(Change::Lift(three));
        blocks.replace([(three, LATER)], NOW);
        assert_eq!(blocks.list(NOW), [(three, LATER)]);
        blocks.forgotten();
        assert_eq!(blocks.untold(NOW), [Change::Block(three, LATER)]);
    }

    #[test]
    fn what_changed_while_it_was_told_is_told_again() {
        let blocks = Blocks::default();
        blocks.add(client(1), LATER, NOW);
        let before = blocks.untold(NOW);
        blocks.add(client(1), MonoMicros(200), NOW);
        before.into_iter().for_each(|change| blocks.told(change));
        assert_eq!(blocks.untold(NOW), [Change::Block(client(1).into(), MonoMicros(200))]);
    }
}
