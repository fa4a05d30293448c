//! Who lives where: addresses out of 100.64.0.0/10, which belongs to nobody.

use std::net::{IpAddr, Ipv4Addr};

use crate::Rng;

/// A client's home network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The second byte of its addresses: they are `100.x.0.0/16`.
    pub second: u8,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
}

/// Countries whose people visit every day, and how many networks they have.
const VISITORS: &[(&str, u8)] =
    &[("DE", 12), ("NL", 6), ("FR", 6), ("AT", 3), ("CH", 3), ("GB", 4), ("US", 6), ("IT", 2)];
/// The country of errors from an unusual region.
pub(crate) const UNUSUAL: &str = "BR";
/// The country that people suddenly come from.
pub(crate) const NEW: &str = "NZ";
/// The country of attackers, who visit every day too.
pub(crate) const COMMON: &str = "US";
const FIRST: u8 = 64;

/// Every network and its country.
#[must_use]
pub fn homes() -> Vec<Home> {
    (FIRST..).map_while(|second| country_at(second).map(|country| Home { second, country })).collect()
}

/// The country of an address.
#[must_use]
pub fn country(address: IpAddr) -> Option<&'static str> {
    let IpAddr::V4(v4) = address else { return None };
    let [100, second, ..] = v4.octets() else { return None };
    country_at(second)
}

/// The country of the network `100.second.0.0/16`.
fn country_at(second: u8) -> Option<&'static str> {
    let mut at = second.checked_sub(FIRST)?;
    for (country, count) in VISITORS.iter().chain(&[(UNUSUAL, 1), (NEW, 1)]) {
        match at.checked_sub(*count) {
            None => return Some(country),
            Some(rest) => at = rest,
        }
    }
    None
}

/// The address of the visitor of that number; the same number has the same address.
pub(crate) fn visitor(number: u64) -> (Ipv4Addr, &'static str) {
    let mut rng = Rng::new(number, "visitor");
    let usual: u8 = VISITORS.iter().map(|(_, count)| count).sum();
    let at = u8::try_from(rng.below(u64::from(usual))).unwrap_or_default();
    address(FIRST + at, number)
}

/// An address in a country that is not one of a visitor: those end in even numbers, these in odd ones.
pub(crate) fn stranger(country: &str, number: u64) -> (Ipv4Addr, &'static str) {
    let second = (FIRST..)
        .take_while(|second| country_at(*second).is_some())
        .find(|second| country_at(*second) == Some(country));
    let second = second.unwrap_or(FIRST);
    let third = u8::try_from(number / 120 % 250).unwrap_or_default();
    let fourth = u8::try_from(number % 120).unwrap_or_default() * 2 + 1;
    (Ipv4Addr::new(100, second, third, fourth), country_at(second).unwrap_or(COMMON))
}

fn address(second: u8, number: u64) -> (Ipv4Addr, &'static str) {
    let third = u8::try_from(number / 120 % 250).unwrap_or_default();
    let fourth = u8::try_from(number % 120).unwrap_or_default() * 2 + 2;
    (Ipv4Addr::new(100, second, third, fourth), country_at(second).unwrap_or(COMMON))
}
