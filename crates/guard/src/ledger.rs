//! Which tokens have been used: a set of fixed size that never forgets in an attacker's favour.
//!
//! Sessions are kept in two partitions, one for verified subjects and one for everybody else, so that strangers cannot
//! push out what members used. A session remembers its last 32 tokens; of older ones it remembers the newest date, and
//! refuses what is not younger. A partition that is full drops its longest idle session and remembers that date for
//! all sessions it no longer knows: its watermark. In the anonymous partition a neighbourhood (IPv4 /24, IPv6 /48)
//! holds at most 1/64 of the room; beyond that only its own newcomers are refused.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use palisade_event::ClientKey;

use crate::ordered::Ordered;
use crate::token::REMEMBERED_MILLIS;

/// A token to be spent: one question, asked right before the first byte goes to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// The session, as a number.
    pub session: u128,
    /// What tells the token from the session's others.
    pub nonce: u64,
    /// When the token was made, in milliseconds since the epoch.
    pub issued_millis: u64,
    /// Who spends it.
    pub client: ClientKey,
    /// Whether a verified subject does.
    pub verified: bool,
}

/// What became of a [`Spend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It was unused, and is used now.
    First {
        /// The partition had to forget a session that still had live tokens.
        forgot: bool,
    },
    /// It was used before.
    Again,
    /// It may have been used before: it is older than what its session, or the partition, still remembers.
    Forgotten,
    /// The client's neighbourhood holds its whole share of the room.
    Crowded,
}

/// The used tokens of this process.
#[derive(Debug)]
pub struct Ledger {
    anonymous: Mutex<Partition>,
    verified: Mutex<Partition>,
}

#[derive(Debug)]
struct Partition {
    capacity: usize,
    /// How many sessions one neighbourhood may hold.
    share: usize,
    watermark: u64,
    sessions: Ordered<u128, Used>,
    neighbourhoods: Ordered<u128, usize>,
    /// Sessions by the time they were queued; a session that was active since is queued again.
    idle: VecDeque<(u64, u128)>,
}

#[derive(Debug)]
struct Used {
    nonces: VecDeque<(u64, u64)>,
    watermark: u64,
    newest: u64,
    last_spend: u64,
    neighbourhood: u128,
}

/// Tokens a session remembers one by one.
const PER_SESSION: usize = 32;
const NEIGHBOURHOOD_SHARE: usize = 64;

// === impl Ledger ===

impl Ledger {
    /// A ledger of at most `sessions` sessions in each partition. At 32 tokens each a session takes about 700 bytes.
    ///
    /// It knows nothing of tokens made before `start_millis`: a restart forgets what was used, so they are refused.
    #[must_use]
    pub fn new(sessions: usize, start_millis: u64) -> Ledger {
        let share = (sessions / NEIGHBOURHOOD_SHARE).max(1);
        Ledger {
            anonymous: Mutex::new(Partition::new(sessions, share, start_millis)),
            verified: Mutex::new(Partition::new(sessions, sessions, start_millis)),
        }
    }

    /// Spends a token: of any number of copies at once exactly one is [`Spent::First`].
    pub fn spend(&self, spend: &Spend, now_millis: u64) -> Spent {
        let partition = if spend.verified { &self.verified } else { &self.anonymous };
        // A panic elsewhere cannot leave a partition half changed in a way that frees a token.
        partition.lock().unwrap_or_else(PoisonError::into_inner).spend(spend, now_millis)
    }

    /// What is known of a token without spending it, where others who share it are asked next: that it was used here,
    /// or that the client's neighbourhood has its share. Whether an older one was forgotten is for them to say.
    pub(crate) fn known(&self, spend: &Spend) -> Option<Spent> {
        let partition = if spend.verified { &self.verified } else { &self.anonymous };
        let partition = partition.lock().unwrap_or_else(PoisonError::into_inner);
        match partition.sessions.get(&spend.session) {
            Some(used) => used.nonces.iter().any(|(_, nonce)| *nonce == spend.nonce).then_some(Spent::Again),
            None => partition.is_crowded(spend.client).then_some(Spent::Crowded),
        }
    }
}

// === impl Partition ===

impl Partition {
    fn new(capacity: usize, share: usize, watermark: u64) -> Partition {
        Partition {
            capacity,
            share,
            watermark,
            sessions: Ordered::default(),
            neighbourhoods: Ordered::default(),
            idle: VecDeque::new(),
        }
    }

    fn spend(&mut self, spend: &Spend, now: u64) -> Spent {
        self.drop_expired(now);
        if let Some(used) = self.sessions.get_mut(&spend.session) {
            return used.spend(spend, now);
        }
        if spend.issued_millis <= self.watermark {
            return Spent::Forgotten;
        }
        let neighbourhood = spend.client.neighbourhood();
        if self.is_crowded(spend.client) {
            return Spent::Crowded;
        }
        let forgot = self.sessions.len() >= self.capacity && self.drop_longest_idle();
        match self.neighbourhoods.get_mut(&neighbourhood) {
            Some(held) => *held += 1,
            None => drop(self.neighbourhoods.insert(neighbourhood, 1)),
        }
        self.idle.push_back((now, spend.session));
        let mut used = Used::new(neighbourhood);
        used.spend(spend, now);
        self.sessions.insert(spend.session, used);
        Spent::First { forgot }
    }

    fn is_crowded(&self, client: ClientKey) -> bool {
        self.neighbourhoods.get(&client.neighbourhood()).is_some_and(|held| *held >= self.share)
    }

    /// Drops sessions none of whose tokens can be alive: nothing is lost by it.
    fn drop_expired(&mut self, now: u64) {
        while let Some((queued, session)) = self.idle.front().copied() {
            if queued + REMEMBERED_MILLIS > now {
                return;
            }
            self.idle.pop_front();
            match self.sessions.get(&session) {
                Some(used) if used.last_spend > queued => self.idle.push_back((used.last_spend, session)),
                _ => self.remove(session),
            }
        }
    }

    /// Makes room. Whether live tokens may have been forgotten.
    fn drop_longest_idle(&mut self) -> bool {
        // Each round either ends or queues a session again at a later time, which happens once per session and spend.
        while let Some((queued, session)) = self.idle.pop_front() {
            match self.sessions.get(&session) {
                Some(used) if used.last_spend > queued => self.idle.push_back((used.last_spend, session)),
                Some(used) => {
                    self.watermark = self.watermark.max(used.newest);
                    self.remove(session);
                    return true;
                }
                None => {}
            }
        }
        false
    }

    fn remove(&mut self, session: u128) {
        let Some(used) = self.sessions.remove(&session) else { return };
        if let Some(held) = self.neighbourhoods.get_mut(&used.neighbourhood) {
            *held -= 1;
            if *held == 0 {
                self.neighbourhoods.remove(&used.neighbourhood);
            }
        }
    }
}

impl Used {
    fn new(neighbourhood: u128) -> Used {
        Used { nonces: VecDeque::new(), watermark: 0, newest: 0, last_spend: 0, neighbourhood }
    }

    fn spend(&mut self, spend: &Spend, now: u64) -> Spent {
        self.last_spend = self.last_spend.max(now);
        if self.nonces.iter().any(|(_, nonce)| *nonce == spend.nonce) {
            return Spent::Again;
        }
        if spend.issued_millis <= self.watermark {
            return Spent::Forgotten;
        }
        if self.nonces.len() == PER_SESSION {
            // The oldest token goes, so that tabs opened lately keep theirs.
            let oldest = self.nonces.iter().enumerate().min_by_key(|(_, (issued, _))| *issued).map(|(index, _)| index);
            if let Some((issued, _)) = oldest.and_then(|index| self.nonces.remove(index)) {
                self.watermark = self.watermark.max(issued);
            }
            if spend.issued_millis <= self.watermark {
                return Spent::Forgotten;
            }
        }
        self.nonces.push_back((spend.issued_millis, spend.nonce));
        self.newest = self.newest.max(spend.issued_millis);
        Spent::First { forgot: false }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const FIRST: Spent = Spent::First { forgot: false };

    fn spend(session: u128, nonce: u64, issued: u64, address: [u8; 4]) -> Spend {
        let client = ClientKey::of(std::net::IpAddr::from(address));
        Spend { session, nonce, issued_millis: issued, client, verified: false }
    }

    #[test]
    fn a_token_is_good_once_and_sessions_do_not_disturb_each_other() {
        let ledger = Ledger::new(640, 0);
        let token = spend(1, 7, 1000, [192, 0, 2, 1]);
        assert_eq!(ledger.spend(&token, 1001), FIRST);
        assert_eq!(ledger.spend(&token, 1002), Spent::Again);
        assert_eq!(ledger.spend(&Spend { session: 2, ..token }, 1002), FIRST);
        assert_eq!(ledger.spend(&Spend { verified: true, ..token }, 1002), FIRST, "partitions are apart");
    }

    #[test]
    fn of_a_hundred_copies_at_once_exactly_one_is_first() {
        let ledger = Ledger::new(640, 0);
        let firsts = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    if ledger.spend(&spend(1, 7, 1000, [192, 0, 2, 1]), 1001) == FIRST {
                        firsts.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(firsts.into_inner(), 1);
    }

    #[test]
    fn a_busy_session_forgets_its_oldest_tokens_by_refusing_them() {
        let ledger = Ledger::new(640, 0);
        for n in 0..100 {
            assert_eq!(ledger.spend(&spend(1, n, 1000 + n, [192, 0, 2, 1]), 2000), FIRST);
        }
        for n in 0..100 {
            let again = ledger.spend(&spend(1, n, 1000 + n, [192, 0, 2, 1]), 2000);
            assert_eq!(again, if n < 68 { Spent::Forgotten } else { Spent::Again }, "{n}");
        }
    }

    #[test]
    fn a_full_partition_raises_its_watermark_and_frees_nothing() {
        let ledger = Ledger::new(64, 0);
        for n in 0..64_u8 {
            assert_eq!(
                ledger.spend(&spend(n.into(), 1, 1000 + u64::from(n), [10, n, 0, 1]), 5000 + u64::from(n)),
                FIRST
            );
        }
        let more = ledger.spend(&spend(500, 1, 4000, [172, 16, 0, 1]), 6000);
        assert_eq!(more, Spent::First { forgot: true });
        assert_eq!(ledger.spend(&spend(0, 1, 1000, [10, 0, 0, 1]), 6001), Spent::Forgotten);
        assert_eq!(ledger.spend(&spend(1, 1, 1001, [10, 1, 0, 1]), 6001), Spent::Again);
    }

    #[test]
    fn a_neighbourhood_fills_only_its_share() {
        let ledger = Ledger::new(640, 0);
        let from = |session, host| spend(session, 1, 1000, [203, 0, 113, host]);
        for n in 0..10 {
            assert_eq!(ledger.spend(&from(n.into(), n), 1001), FIRST);
        }
        assert_eq!(ledger.spend(&from(10, 10), 1001), Spent::Crowded);
        assert_eq!(ledger.spend(&spend(11, 1, 1000, [203, 0, 114, 1]), 1001), FIRST);
        assert_eq!(ledger.spend(&from(0, 0), 1001), Spent::Again, "those who are in stay in");
        let later = 1001 + REMEMBERED_MILLIS + 1;
        assert_eq!(ledger.spend(&Spend { issued_millis: later, ..from(12, 12) }, later), FIRST, "an hour later");
    }

    #[test]
    fn the_ledger_keeps_its_size_under_a_flood() {
        let ledger = Ledger::new(128, 0);
        for n in 0..20_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            ledger.spend(&spend(n.into(), 1, 1000 + u64::from(n), [a, b, c, 1]), 1000 + u64::from(n));
        }
        let partition = ledger.anonymous.lock().expect("lock");
        assert!(
            partition.sessions.len() <= 128 && partition.idle.len() <= 256 && partition.neighbourhoods.len() <= 128
        );
    }
}
