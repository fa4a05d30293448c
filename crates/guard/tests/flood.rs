//! A million strangers, and what they change for a few real clients: nothing. SECURITY.md, test 7, through the gate.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "support/gate.rs"]
mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use palisade_event::{Code, Kind};
use palisade_guard::{BodyHint, Env, Limiter, MonoMicros, Now, Peer, Seed, Step, View, WallMicros};
use palisade_policy::{Limit, Limits, Method, Route};
use support::{Gate, builder, empty, get, route};

/// Slots of the one table under test: the flood reaches each of them a thousand times.
const SLOTS: u32 = 1024;
const LIMIT: usize = 5;
/// Clients of the shared cell: ten times the limit.
const SHARED: usize = 10 * LIMIT;

struct Crowd {
    gate: Gate,
    head: http::request::Parts,
    micros: u64,
}

impl Crowd {
    fn new() -> Crowd {
        let items = route(Method::Get, "/api/items", Kind::PublicRead);
        let gate = Gate::new(
            builder()
                .limits(Limits { limiter_slots: SLOTS, ..Limits::default() })
                .route(Route { limit: Limit::parse("5/min").ok(), ..items }),
        );
        let (head, _) = empty(get("/api/items")).into_parts();
        let micros = gate.seconds * 1_000_000;
        Crowd { gate, head, micros }
    }

    /// Whether one request of that address is admitted; no refusal but the limit's occurs.
    fn admits(&self, address: IpAddr) -> bool {
        let view = View {
            method: &self.head.method,
            uri: &self.head.uri,
            version: self.head.version,
            headers: &self.head.headers,
            peer: Peer { address },
            body: BodyHint::Empty,
        };
        let now = Now { wall: WallMicros(self.micros), mono: MonoMicros(self.micros) };
        match self.gate.plan.inspect(&view, &Env { now, entropy: &self.gate.entropy }) {
            Step::Admit(_) => true,
            Step::Answer(answer) => {
                assert_eq!(answer.denial().map(|denial| denial.code()), Some(Code::RateLimited));
                false
            }
            Step::Need(_) => panic!("a read needs nothing"),
        }
    }

    /// How many of `requests` of that address are admitted.
    fn burst(&self, address: IpAddr, requests: usize) -> usize {
        (0..requests).filter(|_| self.admits(address)).count()
    }
}

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

/// The `number`th /64 of a /48.
fn v6(network: u16, number: u32) -> IpAddr {
    let (high, low) = ((number >> 16) as u16, (number & 0xffff) as u16);
    Ipv6Addr::new(0x2001, 0xdb8, network, low, high, 0, 0, 1).into()
}

/// Twenty at addresses of their own, ten in /48 networks of their own.
fn real() -> Vec<IpAddr> {
    (0..20).map(|n| v4(0xc000_0200 + n)).chain((0..10).map(|n| v6(n + 1, 7))).collect()
}

#[test]
fn a_flood_of_strangers_gives_nobody_more_and_takes_nothing_for_long() {
    let mut crowd = Crowd::new();
    let real = real();
    let mut admitted: Vec<usize> = real.iter().map(|address| crowd.burst(*address, LIMIT - 1)).collect();
    assert!(admitted.iter().all(|count| *count == LIMIT - 1), "{admitted:?}");
    let before = resident();

    crowd.micros += 1;
    let strangers = (0..1_000_000).filter(|n| crowd.admits(v4(0x0a00_0000 + n))).count();
    let room = SLOTS as usize * LIMIT - real.len() * (LIMIT - 1) + SHARED;
    assert!(strangers <= room, "{strangers} strangers had room for {room}");

    // 65,536 networks of /64 is all a /48 has; the rest are their hosts.
    let network = (0..100_000).filter(|n| crowd.admits(v6(0xbad, *n))).count();
    assert!(network <= 16 * LIMIT, "a /48 has sixteen quotas, and got {network}");

    // Then nobody but those who are refused: they neither get through nor wear the table down.
    let refused: Vec<IpAddr> =
        (0..2_000).map(|n| v4(0x0a00_0000 + n)).filter(|address| !crowd.admits(*address)).collect();
    let again: usize = refused.iter().map(|address| crowd.burst(*address, 50)).sum();
    assert_eq!(again, 0, "of {} refused", refused.len());

    for (address, count) in real.iter().zip(&mut admitted) {
        *count += crowd.burst(*address, LIMIT);
    }
    assert!(admitted.iter().all(|count| *count <= LIMIT), "{admitted:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes for strangers");

    // A minute without them, and whoever was honest has all of it again, and no more.
    crowd.micros += 61_000_000;
    let later: Vec<usize> = real.iter().map(|address| crowd.burst(*address, LIMIT + 3)).collect();
    assert!(later.iter().all(|count| *count == LIMIT), "{later:?}");
}

#[test]
fn a_flood_that_never_ends_gives_a_returning_client_no_second_quota() {
    let mut crowd = Crowd::new();
    let real = real();
    let mut admitted = vec![0; real.len()];
    let mut next = 0x0b00_0000;
    // Two minutes in steps of a second: a burst, and then one request each twelve seconds, is all a limit gives.
    for _ in 0..120 {
        crowd.micros += 1_000_000;
        for _ in 0..2_000 {
            next += 1;
            crowd.admits(v4(next));
        }
        for (address, count) in real.iter().zip(&mut admitted) {
            *count += crowd.burst(*address, 2);
        }
    }
    let most = LIMIT + 120 / 12;
    assert!(admitted.iter().all(|count| *count <= most), "{admitted:?}");
}

#[test]
fn a_table_is_as_large_as_it_was_made() {
    let limiter = Limiter::new(Limit::parse("5/min").expect("limit"), SLOTS, Seed::new([7; 16]));
    let bytes = limiter.bytes();
    assert_eq!(bytes, 8 * SLOTS as usize);
    for client in 0..100_000 {
        limiter.charge(0, client, 1, MonoMicros(1));
    }
    assert_eq!(limiter.bytes(), bytes);
}

/// Bytes of memory this process holds; 0 where the system does not tell.
#[expect(clippy::disallowed_methods, reason = "the guard reads no files, its judge does")]
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}
