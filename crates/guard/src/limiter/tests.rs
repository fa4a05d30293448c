use proptest::prelude::*;

use super::*;

const SEED: Seed = Seed(1, 2);
const SECOND: u64 = 1_000_000;

fn limiter(limit: &str, slots: u32) -> Limiter {
    Limiter::new(Limit::parse(limit).expect("limit"), slots, SEED)
}

fn allowed(limiter: &Limiter, client: u128, micros: u64) -> bool {
    limiter.charge(0, client, 1, MonoMicros(micros)).allowed
}

#[test]
fn a1_a14_five_a_minute_is_a_burst_of_five_then_one_every_twelve_seconds() {
    let limiter = limiter("5/min", 64);
    let quick: Vec<bool> = (0..10).map(|i| allowed(&limiter, 7, i)).collect();
    assert_eq!(quick, [true, true, true, true, true, false, false, false, false, false]);
    assert!(!allowed(&limiter, 7, 11 * SECOND));
    assert!(allowed(&limiter, 7, 12 * SECOND + 10));
    assert!(!allowed(&limiter, 7, 13 * SECOND));
    assert!(allowed(&limiter, 7, 75 * SECOND), "a minute later");
}

#[test]
fn charge_tells_what_remains_and_when_more_comes() {
    let limiter = limiter("5/min", 64);
    let first = limiter.charge(0, 1, 1, MonoMicros(0));
    assert_eq!((first.remaining, first.reset_seconds), (4, 12));
    for _ in 0..4 {
        limiter.charge(0, 1, 1, MonoMicros(0));
    }
    let refused = limiter.charge(0, 1, 1, MonoMicros(SECOND / 2));
    assert!(!refused.allowed);
    assert_eq!((refused.remaining, refused.reset_seconds), (0, 12));
    assert_eq!(limiter.charge(0, 1, 1, MonoMicros(9 * SECOND)).reset_seconds, 3);
}

#[test]
fn a_cost_above_one_takes_that_many() {
    let limiter = limiter("5/min", 64);
    assert_eq!(limiter.charge(0, 1, 3, MonoMicros(0)).remaining, 2);
    assert!(!limiter.charge(0, 1, 3, MonoMicros(0)).allowed);
    assert!(limiter.charge(0, 1, 2, MonoMicros(0)).allowed);
}

#[test]
fn scopes_are_counted_apart() {
    let limiter = limiter("5/min", 64);
    for scope in 0..2 {
        assert_eq!((0..9).filter(|_| limiter.charge(scope, 1, 1, MonoMicros(0)).allowed).count(), 5);
    }
}

/// SECURITY.md 13: spend four of five, flood the table with new keys, come back. With few slots the flood reaches every
/// set many times.
#[test]
fn a_flood_of_new_clients_refills_nobody() {
    let limiter = limiter("5/min", 1024);
    let victims: Vec<u128> = (0..50).map(|i| 1 << 100 | i).collect();
    let mut admitted = vec![0; victims.len()];
    for (victim, count) in victims.iter().zip(&mut admitted) {
        *count += (0..4).filter(|_| allowed(&limiter, *victim, 0)).count();
    }
    for flood in 0..200_000_u128 {
        limiter.charge(0, flood, 1, MonoMicros(1));
    }
    for (victim, count) in victims.iter().zip(&mut admitted) {
        *count += (0..5).filter(|_| allowed(&limiter, *victim, 2)).count();
    }
    assert!(admitted.iter().all(|count| *count <= 5), "{admitted:?}");
    let Pressure { evictions, overflows } = limiter.pressure();
    assert!(evictions > 1000 && overflows > 0, "{evictions} {overflows}");
}

#[test]
fn refused_clients_are_never_forgotten_and_newcomers_share_one_cell() {
    let limiter = limiter("5/min", 8);
    let mut refused = Vec::new();
    for client in 0..8 {
        while allowed(&limiter, client, 0) {}
        refused.push(client);
    }
    let newcomers: Vec<Charge> = (100..300).map(|client| limiter.charge(0, client, 1, MonoMicros(1))).collect();
    assert!(newcomers.iter().all(|charge| charge.overflow));
    assert_eq!(newcomers.iter().filter(|charge| charge.allowed).count(), 50, "ten times the limit, shared");
    assert_eq!(limiter.pressure(), Pressure { evictions: 0, overflows: 200 });
    for client in refused {
        assert!(!allowed(&limiter, client, 2), "client {client} was forgotten");
    }
}

#[test]
fn a_slot_is_reused_once_its_client_has_its_burst_again() {
    let limiter = limiter("5/min", 8);
    for client in 0..8 {
        allowed(&limiter, client, 0);
    }
    let late = limiter.charge(0, 99, 1, MonoMicros(13 * SECOND));
    assert_eq!(late, Charge { allowed: true, remaining: 4, reset_seconds: 12, overflow: false });
    assert_eq!(limiter.pressure(), Pressure::default(), "nobody gave way who owed anything");
}

#[test]
fn time_may_wrap() {
    let limiter = limiter("5/min", 8);
    let end = (1_u64 << TIME_BITS) / 2 * 125;
    assert_eq!((0..9).filter(|i| allowed(&limiter, 1, end - 5 + i)).count(), 5);
    assert!(allowed(&limiter, 1, end + 12 * SECOND));
}

#[test]
fn two_threads_share_one_quota() {
    let limiter = limiter("1000/min", 64);
    let total: usize = std::thread::scope(|scope| {
        let spawn = || scope.spawn(|| (0..2000).filter(|_| allowed(&limiter, 1, 0)).count());
        [spawn(), spawn()].into_iter().map(|thread| thread.join().expect("thread")).sum()
    });
    assert_eq!(total, 1000);
}

/// The obvious way, kept as the judge of the table: a list of arrival times.
struct Reference {
    gcra: Gcra,
    time: u64,
}

impl Reference {
    fn allowed(&mut self, now: u64) -> bool {
        let base = self.time.max(now);
        let fits = base + self.gcra.interval - now <= self.gcra.burst;
        if fits {
            self.time = base + self.gcra.interval;
        }
        fits
    }
}

proptest! {
    #[test]
    fn the_table_agrees_with_plain_gcra(count in 1u32..50, steps in prop::collection::vec(0u64..5_000_000, 1..200)) {
        let limit = Limit { count, window: std::time::Duration::from_secs(60) };
        let limiter = Limiter::new(limit, 8, SEED);
        let mut reference = Reference { gcra: Gcra::new(limit, 1), time: 0 };
        let mut now = 0;
        for step in steps {
            now += step;
            let expect = reference.allowed(units(MonoMicros(now)));
            prop_assert_eq!(limiter.charge(0, 1, 1, MonoMicros(now)).allowed, expect);
        }
    }
}

#[test]
fn a_refund_gives_back_what_was_taken_and_never_more() {
    let limiter = Limiter::new(Limit::parse("5/min").expect("limit"), 64, Seed(1, 2));
    let charge = |at: u64| limiter.charge(1, 7, 1, MonoMicros(at * 1_000_000)).allowed;
    let refund = |at: u64| limiter.refund(1, 7, 1, MonoMicros(at * 1_000_000));
    refund(100);
    assert_eq!((0..10).filter(|_| charge(100)).count(), 5, "nothing was owed");
    refund(100);
    assert_eq!((0..10).filter(|_| charge(100)).count(), 1);
    // One charge has run off by itself: giving all five back leaves no more than a full burst.
    (0..5).for_each(|_| refund(112));
    assert_eq!((0..10).filter(|_| charge(112)).count(), 5);
    limiter.refund(2, 7, 1, MonoMicros(112_000_000));
    limiter.refund(1, 8, 1, MonoMicros(112_000_000));
    assert!(!charge(112), "another's is another's");
}
