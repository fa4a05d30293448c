use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use palisade_event::ClientKey;
use palisade_policy::Clients;

/// A network that can be shut out: one client (an IPv4 address, a /64 of IPv6), or a /48 of IPv6. Nothing wider can be
/// written (SECURITY.md 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    bits: u128,
    /// A /48.
    wide: bool,
}

/// Why a text or an address cannot be shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadNet {
    /// It is no address and no network.
    Unreadable,
    /// It is wider or narrower than what can be shut out: /32 of IPv4; /64 and /48 of IPv6.
    Width,
    /// It is this machine.
    Loopback,
    /// A trusted proxy is in it: many clients would be shut out.
    TrustedProxy,
}

// === impl Net ===

impl Net {
    /// The /48 that an IPv6 client is in.
    #[must_use]
    pub fn wide(client: ClientKey) -> Option<Net> {
        Some(Net { bits: client.wider()?, wide: true })
    }

    /// Whether it may be shut out, whoever else may not.
    ///
    /// # Errors
    /// [`BadNet::Loopback`] or [`BadNet::TrustedProxy`].
    pub fn check(self, clients: &Clients) -> Result<(), BadNet> {
        if self.is_loopback() {
            return Err(BadNet::Loopback);
        }
        let mut proxies = clients.trusted_proxies.iter();
        let hit = proxies.any(|net| net.contains(&self.address()) || self.contains(net.addr()));
        if hit { Err(BadNet::TrustedProxy) } else { Ok(()) }
    }

    /// As a number with its width, for those who share it.
    pub(crate) fn parts(self) -> (u128, bool) {
        (self.bits, self.wide)
    }

    /// What [`Net::parts`] says, if it is one.
    pub(crate) fn of_parts(bits: u128, wide: bool) -> Option<Net> {
        let client = ClientKey::of(Ipv6Addr::from(bits).into());
        let net = if wide { Net::wide(client)? } else { Net::from(client) };
        (net.bits == bits).then_some(net)
    }

    pub(crate) fn is_loopback(self) -> bool {
        self.address().is_loopback() || self.contains(Ipv6Addr::LOCALHOST.into())
    }

    fn address(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.bits)).to_canonical()
    }

    fn contains(self, address: IpAddr) -> bool {
        let client = ClientKey::of(address);
        if self.wide { client.wider() == Some(self.bits) } else { client.bits() == self.bits }
    }
}

impl From<ClientKey> for Net {
    fn from(client: ClientKey) -> Net {
        Net { bits: client.bits(), wide: false }
    }
}

/// `192.0.2.1`, `192.0.2.1/32`, `2001:db8::1` (its /64), `2001:db8::/64`, `2001:db8::/48`.
impl FromStr for Net {
    type Err = BadNet;

    fn from_str(text: &str) -> Result<Net, BadNet> {
        let (address, width) = text.split_once('/').map_or((text, None), |(address, width)| (address, Some(width)));
        let address = address.parse::<IpAddr>().map_err(|_| BadNet::Unreadable)?.to_canonical();
        let width: Option<u8> = width.map(str::parse).transpose().map_err(|_| BadNet::Unreadable)?;
        let client = ClientKey::of(address);
        match (address, width) {
            (_, None) | (IpAddr::V4(_), Some(32)) | (IpAddr::V6(_), Some(64)) => Ok(client.into()),
            (IpAddr::V6(_), Some(48)) => Net::wide(client).ok_or(BadNet::Width),
            _ => Err(BadNet::Width),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/{}", if self.wide { 48 } else { 64 }),
        }
    }
}

// === impl BadNet ===

impl fmt::Display for BadNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadNet::Unreadable => "it is no address and no network",
            BadNet::Width => "only single IPv4 addresses, and /64 or /48 of IPv6, can be blocked",
            BadNet::Loopback => "it is this machine",
            BadNet::TrustedProxy => "a trusted proxy is in it: every client behind it would be shut out",
        })
    }
}

impl std::error::Error for BadNet {}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Result<Net, BadNet> {
        text.parse()
    }

    #[test]
    fn nothing_wider_than_a_48_can_be_written() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::/48", "2001:db8:1::/48"),
        ] {
            assert_eq!(net(text).map(|net| net.to_string()).as_deref(), Ok(shown));
        }
        for text in ["192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1/128", "::ffff:192.0.2.1/48"] {
            assert_eq!(net(text), Err(BadNet::Width), "{text}");
        }
        for text in ["", "x", "192.0.2.1/", "192.0.2.1/x", "192.0.2.1/999", "1.2.3"] {
            assert_eq!(net(text), Err(BadNet::Unreadable), "{text}");
        }
    }

    #[test]
    fn proxies_and_this_machine_are_left_alone() {
        let nets = ["10.0.0.0/8", "2001:db8:7:9::1/128", "2001:db8:f000::/36"];
        let trusted_proxies = nets.iter().map(|net| net.parse().expect("net")).collect();
        let clients = Clients { trusted_proxies, ..Clients::default() };
        for (text, expected) in [
            ("192.0.2.1", Ok(())),
            ("10.9.9.9", Err(BadNet::TrustedProxy)),
            ("2001:db8:7:9::/64", Err(BadNet::TrustedProxy)),
            ("2001:db8:7::/48", Err(BadNet::TrustedProxy)),
            ("2001:db8:7:8::/64", Ok(())),
            ("2001:db8:f123::/48", Err(BadNet::TrustedProxy)),
            ("127.0.0.1", Err(BadNet::Loopback)),
            ("::1", Err(BadNet::Loopback)),
            ("::/48", Err(BadNet::Loopback)),
        ] {
            assert_eq!(net(text).expect(text).check(&clients), expected, "{text}");
        }
    }

    #[test]
    fn only_what_can_be_written_is_read_back() {
        for text in ["192.0.2.1", "2001:db8:1:2::/64", "2001:db8:1::/48"] {
            let net = net(text).expect(text);
            let (bits, wide) = net.parts();
            assert_eq!(Net::of_parts(bits, wide), Some(net));
            assert_eq!(Net::of_parts(bits | 1 << 70, true), None);
        }
        assert_eq!(Net::of_parts(1 << 60, false), None);
    }
}
