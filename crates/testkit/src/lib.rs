//! What tests need around the gate: a fake upstream, a scripted client, fixed time and randomness, a gate in this process,
//! and a private redis-server. Plain blocking sockets and threads, and no HTTP library: what is tested and what tests it share no code.
//!
//! Everything panics on failure, with what was expected; nothing sleeps. Reads give up after ten seconds.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper fails the test by panicking, and says what it expected"
)]

mod client;
mod env;
mod gate;
mod message;
pub mod mmdb;
mod port;
mod postgres;
mod redis;
mod shop;
mod slow;
mod upstream;

pub use client::Client;
pub use env::FixedEnv;
pub use gate::{
    ADMIN_TOKEN, Events, HOST, RunningGate, WEBHOOK_SECRET, builder, metric, metrics, open, plan, plan_over, route,
    shared_state,
};
pub use message::{Head, Response, header};
pub use port::{free_address, free_port};
pub use postgres::Postgres;
pub use redis::{Redis, Reply};
pub use shop::{SHOP_OTHER, SHOP_SECRET, SHOP_TOKEN, shop};
pub use slow::SlowRoad;
pub use upstream::{Exchange, Recorded, Upstream};

use std::time::{Duration, Instant};

/// How long anything that must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `done` says so.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
