use proptest::prelude::*;

use super::super::Seed;
use super::*;
use crate::env::MonoMicros;

const SECOND: u64 = 1_000_000;

fn limiter(limit: &str, slots: u32) -> Limiter {
    Limiter::new(Limit::parse(limit).expect("limit"), slots, Seed(1, 2))
}

fn at(micros: u64) -> MonoMicros {
    MonoMicros(1000 * SECOND + micros)
}

/// The shared table as the script has it, in plain numbers: one client, times in the limiter's unit.
struct Server {
    time: u64,
    interval: u64,
    burst: u64,
}

impl Server {
    fn of(limiter: &Limiter) -> Server {
        Server { time: 0, interval: limiter.gcra.interval, burst: limiter.gcra.burst }
    }

    fn charge(&mut self, lease: &Lease, now: u64) -> Told {
        let debt = self.time.saturating_sub(now).min(self.burst);
        let room = (self.burst - debt) / self.interval;
        if room < u64::from(lease.cost) {
            return Told { granted: 0, debt };
        }
        let charge = room.min(u64::from(lease.most)).min(debt / self.interval / 2).max(u64::from(lease.cost));
        self.time = now + debt + charge * self.interval;
        Told { granted: u32::try_from(charge).expect("small"), debt: self.time - now }
    }
}

/// One gate's part of a request: what is known, or the server's answer. Whether the server was asked.
fn ask(gate: &Limiter, server: &mut Server, client: u128, now: MonoMicros) -> (bool, bool) {
    match gate.known(0, client, 1, now) {
        Known::Charged(charge) | Known::Refused(charge) => (charge.allowed, false),
        Known::Ask(lease) => {
            let told = server.charge(&lease, units(now));
            (gate.learn(&lease, told, now, now).allowed, true)
        }
    }
}

#[test]
fn a_refused_client_is_not_asked_about_until_its_retry_time() {
    let gate = limiter("5/min", 64);
    let mut server = Server::of(&gate);
    let told: Vec<_> = (0..8).map(|turn| ask(&gate, &mut server, 7, at(turn))).collect();
    assert_eq!(told.iter().filter(|(allowed, _)| *allowed).count(), 5);
    assert_eq!(told.iter().filter(|(_, asked)| *asked).count(), 5, "the fifth answer says that there is no sixth");
    for second in 0..11 {
        assert_eq!(ask(&gate, &mut server, 7, at(second * SECOND)), (false, false), "{second}");
    }
    assert_eq!(ask(&gate, &mut server, 7, at(12 * SECOND + 100)), (true, true));
}

#[test]
fn below_sixty_a_minute_every_admission_is_asked_for() {
    for limit in ["5/min", "59/min", "1000/h"] {
        let gate = limiter(limit, 64);
        assert_eq!(gate.lease(0, 1, 1, at(0)).most, 1, "{limit}");
    }
    let gate = limiter("60/min", 64);
    assert_eq!(gate.lease(0, 1, 1, at(0)).most, 7);
    assert_eq!(gate.lease(0, 1, 1, at(1)).most, 1, "one asks in advance at a time");
}

#[test]
fn requests_that_came_before_the_lease_find_it() {
    let gate = limiter("60/min", 64);
    let mut server = Server::of(&gate);
    // All room is taken, the last by a lease, while another request waits for its answer.
    for turn in 0..30 {
        ask(&gate, &mut server, 7, at(turn));
    }
    let waiting = Lease { limit: gate.limit(), scope: 0, client: 7, cost: 1, most: 1 };
    gate.store_lease(&waiting, gate.gcra.interval * 2, units(at(40)), units(at(40)));
    let refused = Told { granted: 0, debt: gate.gcra.burst };
    assert!(gate.learn(&waiting, refused, at(40), at(41)).allowed);
}

#[test]
fn a_part_of_a_limit_is_rounded_up_and_lets_one_pass_at_least() {
    let gate = limiter("6/min", 64);
    let pass =
        |nodes, client, cost| (0..20).filter(|n| gate.charge_share(0, client, cost, nodes, at(*n)).allowed).count();
    assert_eq!([pass(1, 1, 1), pass(2, 2, 1), pass(4, 3, 1), pass(100, 4, 1), pass(4, 5, 3)], [6, 3, 2, 1, 1]);
}

#[test]
fn what_was_told_counts_when_the_server_is_out() {
    let gate = limiter("6/min", 64);
    let mut server = Server::of(&gate);
    for turn in 0..6 {
        assert!(ask(&gate, &mut server, 7, at(turn)).0);
    }
    assert!(!gate.charge_share(0, 7, 1, 2, at(10)).allowed);
}

#[test]
fn a_full_table_forgets_the_least_indebted_and_asks_again() {
    let gate = limiter("5/min", 8);
    let mut servers: Vec<Server> = (0..100).map(|_| Server::of(&gate)).collect();
    for (client, server) in servers.iter_mut().enumerate() {
        for turn in 0..9 {
            ask(&gate, server, client as u128, at(turn));
        }
    }
    for (client, server) in servers.iter_mut().enumerate() {
        assert!(!ask(&gate, server, client as u128, at(20)).0, "forgotten here is not forgotten there");
    }
}

proptest! {
    /// Over any number of gates, at any times, what is admitted conforms to the limit: an in-process table that is
    /// charged with the same admissions refuses none of them.
    #[test]
    fn leases_never_admit_beyond_the_limit(
        limit in prop::sample::select(vec!["60/min", "80/min", "120/min", "10/s", "600/min", "5/min"]),
        turns in prop::collection::vec((0_usize..4, 0_u64..3_000_000), 1..400),
        quick in any::<bool>(),
    ) {
        let gates: Vec<Limiter> = (0..4).map(|_| limiter(limit, 64)).collect();
        let mut server = Server::of(&gates[0]);
        let exact = limiter(limit, 64);
        let mut now = 0;
        for (gate, pause) in turns {
            now += if quick { pause / 1000 } else { pause / 16 };
            let (allowed, _) = ask(&gates[gate], &mut server, 7, at(now));
            if allowed {
                prop_assert!(exact.charge(0, 7, 1, at(now)).allowed, "beyond {limit} at {now}");
            }
        }
    }

    /// One gate that shares with nobody decides as the table in its process does, below sixty a minute.
    #[test]
    fn alone_the_shared_table_is_the_table(turns in prop::collection::vec((0_u32..3, 0_u64..40_000_000), 1..100)) {
        let gate = limiter("5/min", 64);
        let exact = limiter("5/min", 64);
        let mut server = Server::of(&gate);
        let mut now = 0;
        for (_, pause) in turns {
            now += pause / 4;
            prop_assert_eq!(ask(&gate, &mut server, 7, at(now)).0, exact.charge(0, 7, 1, at(now)).allowed);
        }
    }
}
