//! Who is asking, by address, behind proxies that the policy names and nobody else.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use palisade_policy::{Clients, ForwardingHeader};

use crate::view::Peer;

/// The client's address, and whether a trusted proxy sent something unreadable on the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address, canonical: IPv4-mapped IPv6 is IPv4.
    pub address: IpAddr,
    /// A hop could not be read; the last readable one counts.
    pub malformed: bool,
}

/// More hops than any honest chain has; what lies left of them is not read.
const MAX_HOPS: usize = 32;

/// Finds the client.
///
/// From an untrusted peer the forwarding header means nothing. From a trusted one it is read from the right, over all
/// its lines, past trusted hops, to the first address nobody vouches for; at the first hop that cannot be read the
/// search stops and the hop before it counts.
#[must_use]
pub fn client(clients: &Clients, peer: Peer, headers: &HeaderMap) -> Client {
    let mut found = Client { address: peer.address.to_canonical(), malformed: false };
    if !trusted(clients, found.address) {
        return found;
    }
    match &clients.header {
        ForwardingHeader::XForwardedFor => {
            walk(clients, &mut found, &HeaderName::from_static("x-forwarded-for"), headers, hop_address);
        }
        ForwardingHeader::Forwarded => walk(clients, &mut found, &header::FORWARDED, headers, forwarded_for),
        ForwardingHeader::Single(name) => {
            let mut lines = headers.get_all(name.as_str()).iter();
            match (lines.next(), lines.next()) {
                (None, _) => {}
                (Some(line), None) => match line.to_str().ok().and_then(hop_address) {
                    Some(address) => found.address = address,
                    None => found.malformed = true,
                },
                (Some(_), Some(_)) => found.malformed = true,
            }
        }
    }
    found
}

fn walk(
    clients: &Clients,
    found: &mut Client,
    name: &HeaderName,
    headers: &HeaderMap,
    read: fn(&str) -> Option<IpAddr>,
) {
    let lines = headers.get_all(name).iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or("\u{0}").rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = read(hop.trim_matches([' ', '\t'])) else {
            found.malformed = true;
            return;
        };
        found.address = address;
        if !trusted(clients, address) {
            return;
        }
    }
}

fn trusted(clients: &Clients, address: IpAddr) -> bool {
    clients.trusted_proxies.iter().any(|net| net.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; a zone is dropped.
fn hop_address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let address = plain.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).or_else(|| {
        let inner = text.strip_prefix('[')?.strip_suffix(']').unwrap_or(text);
        let bare = inner.split_once('%').map_or(inner, |(bare, _)| bare);
        bare.parse::<IpAddr>().ok()
    });
    address.map(|address| address.to_canonical())
}

/// The `for` parameter of one element of `Forwarded` (RFC 7239 section 4). Quoted commas do not occur in addresses, so
/// splitting at commas is safe: a hostile quoted comma makes the element unreadable, and the search stops there.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
            found = Some(hop_address(value)?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(header: ForwardingHeader) -> Clients {
        let nets = ["10.0.0.0/8", "2001:db8:ffff::/48"];
        Clients { trusted_proxies: nets.iter().map(|net| net.parse().expect("net")).collect(), header }
    }

    fn find(header: ForwardingHeader, peer: &str, lines: &[(&str, &str)]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_bytes(name.as_bytes()).expect("name"), value.parse().expect("value"));
        }
        let peer = Peer { address: peer.parse().expect("peer") };
        let client = client(&clients(header), peer, &headers);
        (client.address.to_string(), client.malformed)
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_over_all_lines() {
        let cases: &[(&str, &[&str], &str, bool)] = &[
            ("198.51.100.1", &["203.0.113.9"], "198.51.100.1", false),
            ("10.0.0.1", &[], "10.0.0.1", false),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9", false),
            ("10.0.0.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9", false),
            ("10.0.0.1", &["1.2.3.4", "203.0.113.9, 10.0.0.2"], "203.0.113.9", false),
            ("10.0.0.1", &["203.0.113.9,10.0.0.3", "10.0.0.2"], "203.0.113.9", false),
            ("10.0.0.1", &["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.2", true),
            ("10.0.0.1", &["203.0.113.9, "], "10.0.0.1", true),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.8"], "10.0.0.9", false),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9", false),
            ("::ffff:10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9", false),
            ("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7", false),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7", false),
            ("2001:db8:ffff::1", &["2001:db8::7"], "2001:db8::7", false),
            ("10.0.0.1", &["unknown"], "10.0.0.1", true),
        ];
        for (peer, lines, address, malformed) in cases {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let found = find(ForwardingHeader::XForwardedFor, peer, &lines);
            assert_eq!(found, ((*address).to_owned(), *malformed), "{peer} {lines:?}");
        }
    }

    #[test]
    fn forwarded_reads_the_for_parameter_only() {
        let cases: &[(&str, &str, bool)] = &[
            ("for=203.0.113.9;proto=https", "203.0.113.9", false),
            ("for=1.2.3.4, For=\"[2001:db8::7]:80\"", "2001:db8::7", false),
            ("for=203.0.113.9, for=10.0.0.2", "203.0.113.9", false),
            ("proto=https", "10.0.0.1", true),
            ("for=_hidden", "10.0.0.1", true),
            ("for=1.1.1.1;for=2.2.2.2", "10.0.0.1", true),
            ("for=\"203.0.113.9", "10.0.0.1", true),
        ];
        for (line, address, malformed) in cases {
            let found = find(ForwardingHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]);
            assert_eq!(found, ((*address).to_owned(), *malformed), "{line}");
        }
    }

    #[test]
    fn a_single_address_header_must_be_single() {
        let single = || ForwardingHeader::Single("cf-connecting-ip".to_owned());
        assert_eq!(find(single(), "10.0.0.1", &[("cf-connecting-ip", "203.0.113.9")]).0, "203.0.113.9");
        let twice = [("cf-connecting-ip", "203.0.113.9"), ("cf-connecting-ip", "1.1.1.1")];
        assert_eq!(find(single(), "10.0.0.1", &twice), ("10.0.0.1".to_owned(), true));
        assert_eq!(find(single(), "198.51.100.1", &twice[..1]).0, "198.51.100.1");
        assert_eq!(find(single(), "10.0.0.1", &[("x-forwarded-for", "203.0.113.9")]).0, "10.0.0.1");
    }
}
