//! About how many different clients came within an hour, in fixed memory.

use std::hash::Hasher as _;

use palisade_event::{ClientKey, EventTime};
use siphasher::sip::SipHasher13;

/// HyperLogLog (Flajolet et al., 2007) over quarters of an hour: 1,024 registers each, so three in a hundred off.
#[derive(Debug)]
pub struct Crowd {
    seed: u64,
    /// Which quarter each holds, and its registers.
    quarters: [(u64, Box<[u8; REGISTERS]>); QUARTERS],
}

const REGISTERS: usize = 1024;
/// An hour, and the quarter that has just begun.
const QUARTERS: usize = 5;
const QUARTER_MICROS: u64 = 900 * 1_000_000;

impl Crowd {
    /// Nobody yet. `seed` is random, so that nobody can choose addresses that count as one, or as many.
    #[must_use]
    pub fn new(seed: u64) -> Crowd {
        Crowd { seed, quarters: std::array::from_fn(|_| (0, Box::new([0; REGISTERS]))) }
    }

    /// A client was seen. IPv6 counts by /48, of which one person has thousands of /64.
    pub fn saw(&mut self, client: ClientKey, at: EventTime) {
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0x7061_6c69_7361_6465);
        hasher.write(&client.wider().unwrap_or(client.bits()).to_be_bytes());
        let hash = hasher.finish();
        let quarter = at.micros() / QUARTER_MICROS;
        let place = usize::try_from(quarter).unwrap_or_default() % QUARTERS;
        let Some((known, registers)) = self.quarters.get_mut(place) else { return };
        if *known < quarter {
            *known = quarter;
            registers.fill(0);
        }
        let rank = u8::try_from((hash >> 10 | 1 << 54).trailing_zeros() + 1).unwrap_or(u8::MAX);
        let register = usize::try_from(hash).unwrap_or_default() % REGISTERS;
        if let Some(register) = registers.get_mut(register).filter(|_| *known == quarter) {
            *register = rank.max(*register);
        }
    }

    /// About how many there were in the hour before `now`.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub fn count(&self, now: EventTime) -> u64 {
        let newest = now.micros() / QUARTER_MICROS;
        let live = self.quarters.iter().filter(|(quarter, _)| newest.saturating_sub(*quarter) < QUARTERS as u64);
        let mut merged = [0_u8; REGISTERS];
        for (_, registers) in live {
            merged.iter_mut().zip(registers.iter()).for_each(|(sum, register)| *sum = (*sum).max(*register));
        }
        let all = REGISTERS as f64;
        let sum: f64 = merged.iter().map(|rank| 2_f64.powi(-i32::from(*rank))).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / all) * all * all / sum;
        let empty = merged.iter().filter(|rank| **rank == 0).count() as f64;
        // Small crowds are counted by the registers that nobody touched.
        let estimate = if estimate <= 2.5 * all && empty > 0.0 { all * (all / empty).ln() } else { estimate };
        estimate.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn client(n: u32) -> ClientKey {
        ClientKey::of(Ipv4Addr::from(0x0a00_0000 + n).into())
    }

    #[test]
    fn crowds_are_counted_within_an_hour_and_the_rest_forgotten() {
        let minute = 60_000_000;
        let start = 1_795_330_800_000_000;
        for (size, off) in [(0_u32, 0), (1, 0), (50, 3), (5000, 500), (100_000, 10_000)] {
            let mut crowd = Crowd::new(7);
            for n in 0..size {
                // Thrice each, over half an hour.
                (0..3).for_each(|time| crowd.saw(client(n), EventTime::from_micros(start + time * 10 * minute)));
            }
            let at = |minutes| crowd.count(EventTime::from_micros(start + minutes * minute));
            assert!(at(30).abs_diff(u64::from(size)) <= off, "{size}: {}", at(30));
            assert_eq!(at(120), 0, "{size}");
        }
    }

    #[test]
    fn a_household_of_ipv6_is_one_client() {
        let mut crowd = Crowd::new(7);
        for n in 0..60_000_u128 {
            let address = Ipv6Addr::from(0x2001_0db8_0007_0000_0000_0000_0000_0001 | n << 64);
            crowd.saw(ClientKey::of(address.into()), EventTime::from_micros(1));
        }
        assert_eq!(crowd.count(EventTime::from_micros(2)), 1);
    }
}
