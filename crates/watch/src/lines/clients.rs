//! Who asked, by what a log says of the peer and of its forwarding header: the same answer as the gate gives
//! ([`palisade_guard::client`]), from text instead of headers.

use std::net::IpAddr;

use palisade_policy::{Clients, ForwardingHeader};

use super::text::address;

/// More hops than any honest chain has; what lies left of them is not read.
const MAX_HOPS: usize = 32;

/// The client behind `peer`, which sent `forwarded` in its forwarding header.
pub(super) fn client(clients: &Clients, peer: IpAddr, forwarded: Option<&[u8]>) -> IpAddr {
    let peer = peer.to_canonical();
    let Some(forwarded) = forwarded.filter(|_| trusted(clients, peer)) else { return peer };
    if let ForwardingHeader::Single(_) = clients.header {
        return address(trim(forwarded)).unwrap_or(peer);
    }
    let mut found = peer;
    for hop in forwarded.rsplit(|byte| *byte == b',').take(MAX_HOPS) {
        let Some(hop) = read(&clients.header, trim(hop)) else { break };
        found = hop;
        if !trusted(clients, hop) {
            break;
        }
    }
    found
}

fn trusted(clients: &Clients, address: IpAddr) -> bool {
    clients.trusted_proxies.iter().any(|net| net.contains(&address))
}

/// One hop of `X-Forwarded-For`, or one element of `Forwarded` (RFC 7239 section 4).
fn read(header: &ForwardingHeader, hop: &[u8]) -> Option<IpAddr> {
    if *header != ForwardingHeader::Forwarded {
        return address(hop);
    }
    let mut found = None;
    for pair in hop.split(|byte| *byte == b';').map(trim) {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        if name.eq_ignore_ascii_case(b"for") {
            if found.is_some() {
                return None;
            }
            let value = value.strip_prefix(b"\"").map_or(Some(value), |quoted| quoted.strip_suffix(b"\""))?;
            found = Some(address(value)?);
        }
    }
    found
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        let nets = ["10.0.0.0/8", "2001:db8:ffff::/48"];
        let trusted_proxies = nets.iter().map(|net| net.parse().expect("net")).collect();
        Clients { trusted_proxies, header: ForwardingHeader::XForwardedFor }
    }

    #[test]
    fn only_trusted_peers_are_believed_and_only_up_to_the_first_stranger() {
        for (peer, header, expect) in [
            ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, garbage, 10.0.0.2", "10.0.0.2"),
            ("::ffff:10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
            ("10.0.0.1", "-", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            let found = client(&clients(), peer.parse().expect("address"), Some(header.as_bytes()));
            assert_eq!(found.to_string(), expect, "{peer} {header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn logs_and_the_gate_agree_on_the_client(
            peer in proptest::sample::select(&["10.0.0.1", "198.51.100.1", "2001:db8:ffff::1"]),
            hops in proptest::collection::vec(proptest::sample::select(&["10.1.1.1", "203.0.113.9", "x", "for=10.2.2.2",
                "for=\"[2001:db8::7]:80\";proto=http", "2001:db8:ffff::2", "::1", "", "unknown"]), 0..5),
            which in 0..3_u8,
        ) {
            let header = match which {
                0 => ForwardingHeader::XForwardedFor,
                1 => ForwardingHeader::Forwarded,
                _ => ForwardingHeader::Single(String::from("x-forwarded-for")),
            };
            let name = if which == 1 { "forwarded" } else { "x-forwarded-for" };
            let clients = Clients { header, ..clients() };
            let peer: IpAddr = peer.parse().expect("address");
            let line = hops.join(", ");
            let mut headers = http::HeaderMap::new();
            headers.insert(http::HeaderName::from_static(name), line.parse().expect("value"));
            let gate = palisade_guard::client(&clients, palisade_guard::Peer { address: peer }, &headers);
            proptest::prop_assert_eq!(client(&clients, peer, Some(line.as_bytes())), gate.address);
        }
    }
}
