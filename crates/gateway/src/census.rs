//! How many connections and tunnels are open, in all and of each client.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use palisade_event::ClientKey;
use palisade_policy::{Clients, Limits};

/// Tunnels one client may hold open.
const TUNNELS_PER_CLIENT: u32 = 32;
/// Counters of what clients wait for. Clients whose numbers agree share one; at most twice `in_flight` are in use.
const WAITERS: usize = 4096;

/// Counts over all threads. Connections are counted under a lock, requests without.
///
/// Its table has an entry for clients with something open and for nobody else, so it is never larger than the number
/// of connections, which has a limit.
#[derive(Debug)]
pub(crate) struct Census {
    total: u32,
    per_client: u32,
    in_flight: u32,
    open: Mutex<Open>,
    /// Requests that wait for the application.
    waiting: AtomicU32,
    /// How many of them one client may have, and how many it has.
    in_flight_per_client: u32,
    waiters: Box<[AtomicU32]>,
    /// Which counter is whose, so that nobody can aim at another's.
    hasher: RandomState,
    /// Connections, to be read without the lock.
    held: AtomicU32,
}

/// What is open, and what was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Connections.
    pub(crate) open: u32,
    pub(crate) tunnels: u32,
    /// Connections since the start.
    pub(crate) accepted: u64,
    /// Connections for which there was no room, since the start.
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Open {
    /// Who speaks for many clients.
    proxies: Vec<IpNet>,
    connections: u32,
    tunnels: u32,
    accepted: u64,
    refused: u64,
    clients: HashMap<ClientKey, Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    connections: u32,
    tunnels: u32,
}

/// Leave to hold one connection or tunnel open; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    census: Arc<Census>,
    what: What,
}

/// A place among the requests that wait for the application; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    census: Arc<Census>,
    client: IpAddr,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// A connection; of whom, unless the peer is a trusted proxy: behind it are many clients.
    Connection(Option<ClientKey>),
    Tunnel(ClientKey),
}

// === impl Census ===

impl Census {
    pub(crate) fn new(limits: &Limits, clients: &Clients) -> Arc<Census> {
        Arc::new(Census {
            total: limits.connections,
            per_client: limits.connections_per_client,
            in_flight: limits.in_flight,
            open: Mutex::new(Open { proxies: clients.trusted_proxies.clone(), ..Open::default() }),
            waiting: AtomicU32::new(0),
            in_flight_per_client: limits.in_flight_per_client,
            waiters: std::iter::repeat_with(AtomicU32::default).take(WAITERS).collect(),
            hasher: RandomState::new(),
            held: AtomicU32::new(0),
        })
    }

    /// Leave for a connection, unless there are too many, in all or of this peer.
    pub(crate) fn connection(self: &Arc<Self>, peer: IpAddr) -> Option<Permit> {
        let peer = peer.to_canonical();
        let mut open = self.open();
        let proxy = open.proxies.iter().any(|net| net.contains(&peer));
        let client = (!proxy).then(|| ClientKey::of(peer));
        if open.connections >= self.total {
            open.refused += 1;
            return None;
        }
        if let Some(client) = client {
            let count = open.clients.entry(client).or_default();
            if count.connections >= self.per_client {
                open.refused += 1;
                return None;
            }
            count.connections += 1;
        }
        open.connections += 1;
        self.held.store(open.connections, Relaxed);
        open.accepted += 1;
        Some(Permit { census: Arc::clone(self), what: What::Connection(client) })
    }

    /// Whether one more request may go to the application. What is `essential` has an eighth of the places to itself.
    /// Who asks, and that, is found out only where it matters: it costs more than the rest here.
    pub(crate) fn has_room(&self, client: impl FnOnce() -> IpAddr, essential: impl FnOnce() -> bool) -> bool {
        let waiting = self.waiting.load(Relaxed);
        // Nobody has more than all have together.
        let own = if waiting < self.in_flight_per_client { 0 } else { self.waits_of(client()).load(Relaxed) };
        let within = |count: u32, most: u32| count < most.saturating_add(most / 8 + 1);
        (waiting < self.in_flight && own < self.in_flight_per_client)
            || (within(waiting, self.in_flight) && within(own, self.in_flight_per_client) && essential())
    }

    /// A place for a request that has passed. Those that were asked for room at the same time and then waited for
    /// something may be more than the places; never more than twice as many, in all or of one client.
    pub(crate) fn seat(self: &Arc<Self>, client: IpAddr) -> Option<Seat> {
        let before = self.waiting.fetch_add(1, Relaxed);
        let own = self.waits_of(client).fetch_add(1, Relaxed);
        // Made first, so that a refusal gives the place back.
        let seat = Seat { census: Arc::clone(self), client };
        let within = |count: u32, most: u32| count < most.saturating_mul(2);
        (within(before, self.in_flight) && within(own, self.in_flight_per_client)).then_some(seat)
    }

    /// What a client waits for.
    fn waits_of(&self, client: IpAddr) -> &AtomicU32 {
        let hash = self.hasher.hash_one(ClientKey::of(client));
        let index = usize::try_from(hash % WAITERS as u64).unwrap_or_default();
        self.waiters.get(index).unwrap_or(&self.waiting)
    }

    /// Whether there are so many connections that those who ask nothing must go sooner.
    pub(crate) fn pressed(&self) -> bool {
        self.held.load(Relaxed) >= self.total - self.total / 4
    }

    /// Leave for a tunnel, unless the client has too many. The connection it came over is counted beside.
    pub(crate) fn tunnel(self: &Arc<Self>, client: IpAddr) -> Option<Permit> {
        let client = ClientKey::of(client);
        let mut open = self.open();
        let count = open.clients.entry(client).or_default();
        if count.tunnels >= TUNNELS_PER_CLIENT {
            return None;
        }
        count.tunnels += 1;
        open.tunnels += 1;
        Some(Permit { census: Arc::clone(self), what: What::Tunnel(client) })
    }

    /// Counts connections that come from now on by these proxies; the limits stay.
    pub(crate) fn believe(&self, clients: &Clients) {
        self.open().proxies.clone_from(&clients.trusted_proxies);
    }

    /// What is open now, and what was.
    pub(crate) fn totals(&self) -> Totals {
        let Open { connections, tunnels, accepted, refused, .. } = *self.open();
        Totals { open: connections, tunnels, accepted, refused }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        self.census.waiting.fetch_sub(1, Relaxed);
        self.census.waits_of(self.client).fetch_sub(1, Relaxed);
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.census.open();
        let (client, connections, tunnels) = match self.what {
            What::Connection(client) => {
                open.connections = open.connections.saturating_sub(1);
                self.census.held.store(open.connections, Relaxed);
                (client, 1, 0)
            }
            What::Tunnel(client) => {
                open.tunnels = open.tunnels.saturating_sub(1);
                (Some(client), 0, 1)
            }
        };
        let Some(client) = client else { return };
        if let Some(count) = open.clients.get_mut(&client) {
            count.connections = count.connections.saturating_sub(connections);
            count.tunnels = count.tunnels.saturating_sub(tunnels);
            if count.connections == 0 && count.tunnels == 0 {
                open.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(total: u32, per_client: u32) -> Arc<Census> {
        let limits = Limits { connections: total, connections_per_client: per_client, ..Limits::default() };
        let trusted_proxies = vec!["10.0.0.0/8".parse().expect("net")];
        Census::new(&limits, &Clients { trusted_proxies, ..Clients::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn limits_hold_in_all_and_for_each_client_and_come_back() {
        let census = census(3, 2);
        let first = census.connection(ip("192.0.2.1")).expect("room");
        let _second = census.connection(ip("::ffff:192.0.2.1")).expect("room");
        assert!(census.connection(ip("192.0.2.1")).is_none());
        let _other = census.connection(ip("192.0.2.2")).expect("room");
        assert!(census.connection(ip("192.0.2.3")).is_none());
        drop(first);
        assert!(census.connection(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_trusted_proxy_speaks_for_many_clients() {
        let census = census(3, 1);
        let held: Vec<_> = (0..3).filter_map(|_| census.connection(ip("10.0.0.1"))).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        let other = Clients { trusted_proxies: vec!["10.9.0.0/16".parse().expect("net")], ..Clients::default() };
        census.believe(&other);
        let first = census.connection(ip("10.0.0.1")).expect("room");
        assert!(census.connection(ip("10.0.0.1")).is_none(), "it is a client now");
        drop(first);
        assert!(census.open().clients.is_empty());
    }

    #[test]
    fn beyond_the_places_only_what_is_essential_is_taken() {
        let limits = Limits { in_flight: 8, ..Limits::default() };
        let census = Census::new(&limits, &Clients::default());
        let one = ip("192.0.2.1");
        let room = |essential: bool| census.has_room(|| one, || essential);
        let taken = |essential: bool| room(essential).then(|| census.seat(one)).flatten();
        let mut held: Vec<_> = (0..20).filter_map(|_| taken(false)).collect();
        assert_eq!(held.len(), 8);
        held.extend((0..20).filter_map(|_| taken(true)));
        assert_eq!(held.len(), 10);
        held.extend((0..20).filter_map(|_| census.seat(one)));
        assert_eq!(held.len(), 16, "twice as many, whoever was asked before");
        held.truncate(7);
        assert!(census.has_room(|| unreachable!("few wait"), || unreachable!("there is room")));
        drop(held);
        assert_eq!(census.waiting.load(Relaxed), 0);
    }

    #[test]
    fn one_client_does_not_have_all_places() {
        let limits = Limits { in_flight: 100, in_flight_per_client: 8, ..Limits::default() };
        let census = Census::new(&limits, &Clients::default());
        let taken = |client: &str, essential: bool| {
            let client = ip(client);
            let room = census.has_room(|| client, || essential);
            room.then(|| census.seat(client)).flatten()
        };
        let own: Vec<_> = (0..20).filter_map(|_| taken("2001:db8::1", false)).collect();
        assert_eq!(own.len(), 8);
        assert!(taken("2001:db8::2", false).is_none(), "of the same /64");
        let hooks: Vec<_> = (0..20).filter_map(|_| taken("2001:db8::1", true)).collect();
        assert_eq!(hooks.len(), 2, "what is essential has an eighth more");
        // One of them may share its counter; not all.
        let others: Vec<_> = (1..=10).filter_map(|n| taken(&format!("192.0.2.{n}"), false)).collect();
        assert!(others.len() > 7, "{}", others.len());
        drop((own, hooks, others));
        assert!(census.waiters.iter().all(|count| count.load(Relaxed) == 0));
    }

    #[test]
    fn tunnels_are_counted_per_client_and_nothing_stays_behind() {
        let census = census(100, 100);
        let held: Vec<_> = (0..40).filter_map(|_| census.tunnel(ip("192.0.2.1"))).collect();
        assert_eq!(held.len(), 32);
        assert!(census.tunnel(ip("192.0.2.2")).is_some());
        drop(held);
        assert!(census.open().clients.is_empty());
    }
}
