//! limiter ours|table|floor|governor KEYS [SECONDS]: nanoseconds of thread CPU time for each decision over uniform keys,
//! 100/s.
//!
//! `ours` reads the clock for each decision, as governor does; `table` once for 64, which leaves the limiter's own part:
//! in the gate the time is read for the whole request. `floor` decides nothing: it changes one word at random of a table
//! that large, one after the other, which is what the machine's memory takes of such a decision's time.

use std::cell::Cell;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use governor::{Quota, RateLimiter};
use palisade_event::ClientKey;
use palisade_guard::{Limiter, MonoMicros, Seed};
use palisade_policy::Limit;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut args = std::env::args().skip(1);
    let which = args.next().unwrap_or_default();
    let keys: u32 = args.next().and_then(|keys| keys.parse().ok()).unwrap_or(1_000_000);
    let seconds: u64 = args.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(2);
    let mut random = SmallRng::seed_from_u64(7);
    let sequence: Vec<IpAddr> = (0..1 << 22).map(|_| address(random.random_range(0..keys))).collect();
    let start = Instant::now();
    let (decide, memory): (Box<dyn Fn(IpAddr) -> bool>, _) = match which.as_str() {
        "governor" => {
            let per_second = NonZeroU32::new(100).expect("not zero");
            let limiter = RateLimiter::dashmap(Quota::per_second(per_second));
            (Box::new(move |key| limiter.check_key(&key).is_ok()), "grows".to_owned())
        }
        "floor" => {
            let table: Vec<AtomicU64> =
                (0..(keys as usize * 2).next_power_of_two()).map(|_| AtomicU64::new(0)).collect();
            let (mask, last) = (table.len() - 1, Cell::new(0));
            let step = move |key: IpAddr| {
                let IpAddr::V4(v4) = key else { return };
                let hash = u64::from(v4.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                // Which line it is hangs on what was read before, or the machine would read several at once.
                let line = (hash as usize ^ last.get()) & mask & !7;
                last.set(table[line].fetch_add(1, Relaxed) as usize & 8);
            };
            let decide = move |key| {
                step(key);
                true
            };
            (Box::new(decide), "as table".to_owned())
        }
        which => {
            let every = if which == "table" { 64 } else { 1 };
            let limit = Limit::parse("100/s").expect("limit");
            let limiter = Limiter::new(limit, keys * 2, Seed::new([7; 16]));
            let memory = format!("{:.1} B/key fixed", limiter.bytes() as f64 / f64::from(keys));
            let (read, calls) = (Cell::new(0), Cell::new(0));
            let micros = move || {
                if calls.replace((calls.get() + 1) % every) == 0 {
                    read.set(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
                read.get()
            };
            let decide = move |key| limiter.charge(1, ClientKey::of(key).bits(), 1, MonoMicros(micros())).allowed;
            (Box::new(decide), memory)
        }
    };
    for key in 0..keys {
        black_box(decide(address(key)));
    }
    let (mut decisions, mut allowed) = (0_u64, 0_u64);
    let (began, cpu) = (Instant::now(), thread_time());
    'measured: loop {
        for chunk in sequence.chunks(4096) {
            for key in chunk {
                allowed += u64::from(decide(*key));
            }
            decisions += chunk.len() as u64;
            if began.elapsed() > Duration::from_secs(seconds) {
                break 'measured;
            }
        }
    }
    let nanos = (thread_time() - cpu).as_nanos() as f64 / decisions as f64;
    let share = 100.0 * allowed as f64 / decisions as f64;
    println!("{which} keys={keys} ns={nanos:.1} allowed={share:.1}% memory={memory}");
}

/// Scattered over the address space, as clients are.
fn address(index: u32) -> IpAddr {
    Ipv4Addr::from(index.wrapping_mul(2_654_435_761)).into()
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
