//! Traffic of a shop, made up: the same requests as events of the gate and as an access log, and the truth about what in
//! them is an attack. The same seed makes the same bytes.
//!
//! A day has a fixed number of notable requests (sign-ins, refusals, faults), spread as people's days are; what makes it
//! longer is pages that load. So a short day of history teaches the same baselines as a long one.

mod attack;
mod day;
mod request;
mod rng;
mod world;

pub use attack::{Pattern, Truth, attack_day};
pub use day::{DAY_MICROS, quiet_day};
pub use request::Request;
pub use rng::Rng;
pub use world::{Home, country, homes};

/// Midnight before the first quiet day: Monday, 2026-10-05, in microseconds.
pub const FIRST_DAY: u64 = 1_791_158_400_000_000;
/// Days of history before the benign day.
pub const QUIET_DAYS: u64 = 15;
