use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who is counted: an IPv4 address, or the /64 network of an IPv6 address.
///
/// One subscriber owns a whole /64, so a single IPv6 address names nobody. IPv4-mapped addresses are IPv4, and so are those
/// of a translator (`64:ff9b::/96`, RFC 6052 section 2.1), behind which one /64 would be everybody. A translator's own
/// prefix is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u128);

impl ClientKey {
    /// The key of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> ClientKey {
        let v4 = match address.to_canonical() {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(v6) => match v6.segments() {
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)),
                _ => return ClientKey(u128::from(v6) & !u128::from(u64::MAX)),
            },
        };
        ClientKey(u128::from(v4.to_ipv6_mapped()))
    }

    /// The key as a number, stable across processes.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The IPv4 address, when the client has one.
    #[must_use]
    pub fn v4(self) -> Option<Ipv4Addr> {
        Ipv6Addr::from(self.0).to_ipv4_mapped()
    }

    /// The address: of an IPv6 client the first of its /64.
    #[must_use]
    pub fn address(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }

    /// Reads what [`ClientKey`] prints: `192.0.2.7`, `2001:db8:1:2::/64`; a plain IPv6 address stands for its /64.
    #[must_use]
    pub fn from_text(text: &str) -> Option<ClientKey> {
        let address = text.strip_suffix("/64").filter(|text| text.contains(':')).unwrap_or(text);
        address.parse().ok().map(ClientKey::of)
    }

    /// The network that is counted beside the key: the /48 of an IPv6 client, none for IPv4.
    #[must_use]
    pub fn wider(self) -> Option<u128> {
        self.v4().is_none().then_some(self.0 & !((1 << 80) - 1))
    }

    /// The neighbourhood that shares a bounded table: /24 of IPv4, /48 of IPv6.
    #[must_use]
    pub fn neighbourhood(self) -> u128 {
        self.wider().unwrap_or(self.0 & !0xff)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.v4() {
            Some(v4) => v4.fmt(f),
            None => write!(f, "{}/64", Ipv6Addr::from(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ClientKey {
        ClientKey::of(text.parse().expect("address"))
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_addresses_are_ipv4() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_eq!(key("64:ff9b::192.0.2.7"), key("192.0.2.7"), "one of a translator's clients is not all of them");
        assert_ne!(key("64:ff9b:1::192.0.2.7"), key("192.0.2.7"));
        assert_eq!(key("2001:db8:1:2::1").wider(), key("2001:db8:1:ffff::1").wider());
        assert_eq!(key("192.0.2.7").wider(), None);
        assert_eq!(key("192.0.2.7").neighbourhood(), key("192.0.2.200").neighbourhood());
        assert_ne!(key("192.0.2.7").neighbourhood(), key("192.0.3.7").neighbourhood());
    }

    #[test]
    fn prints_as_people_write_it() {
        assert_eq!(key("192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        for text in ["192.0.2.7", "2001:db8:1:2::/64"] {
            assert_eq!(ClientKey::from_text(text).map(|key| key.to_string()).as_deref(), Some(text));
        }
        assert_eq!(ClientKey::from_text("192.0.2.7/64"), None);
        assert_eq!(key("2001:db8:1:2::1").address(), key("2001:db8:1:2::9").address());
    }
}
