//! Whom to ask: typed by a person, with consent, resolved once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

/// A site that may be asked, at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether it is asked over https.
    pub https: bool,
    /// The host as typed, lower case; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, `/` at least.
    pub path: String,
    /// Where every request of the run goes to.
    pub address: SocketAddr,
    explicit_port: bool,
}

/// What the person said beside the address.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// Hosts that they own: `--i-own`.
    pub owned: Vec<String>,
}

/// Why a target is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Not an address of a site.
    NotAnAddress(String),
    /// Nobody said that it is theirs.
    NotOwned(String),
    /// The name leads nowhere.
    Unresolved(String, String),
    /// The name leads to an address inside some network, which was not typed.
    Inside(String, IpAddr),
}

impl Target {
    /// Reads what was typed, asks for consent, and resolves the name once.
    ///
    /// A host without a scheme is asked over https, this machine over http. This machine is free; any other host must be
    /// named by `--i-own`. A name that leads to a private, link-local, loopback or metadata address is refused: whoever
    /// means such an address types it.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn new(typed: &str, consent: &Consent) -> Result<Target, Refused> {
        let target = parse(typed).ok_or_else(|| Refused::NotAnAddress(typed.chars().take(200).collect()))?;
        let literal = target.host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let here = is_here(&target.host);
        let owned = consent.owned.iter().any(|host| host.eq_ignore_ascii_case(&target.host));
        if !here && !owned {
            return Err(Refused::NotOwned(target.host));
        }
        let addresses = (target.host.trim_matches(['[', ']']), target.port).to_socket_addrs();
        let addresses: Vec<_> =
            addresses.map_err(|error| Refused::Unresolved(target.host.clone(), error.to_string()))?.collect();
        // All of them: a name with one good and one inner address is an attempt.
        if let Some(inside) = addresses
            .iter()
            .map(SocketAddr::ip)
            .find(|ip| literal.is_none() && is_inside(*ip) && !(here && ip.is_loopback()))
        {
            return Err(Refused::Inside(target.host, inside));
        }
        // IPv4 first: a server on this machine often listens there alone.
        let best = addresses.iter().min_by_key(|address| address.is_ipv6()).copied();
        let none = || Refused::Unresolved(target.host.clone(), "no address".to_owned());
        Ok(Target { address: best.ok_or_else(none)?, ..target })
    }

    /// Scheme, host and port, as browsers write an origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority())
    }

    /// The host, with the port where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// For people: origin and address.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} ({})", self.origin(), self.address)
    }

    /// The same host by the other scheme, where both are at their usual ports.
    pub(super) fn other_scheme(&self) -> Option<Target> {
        if self.explicit_port {
            return None;
        }
        let https = !self.https;
        let port = if https { 443 } else { 80 };
        Some(Target { https, port, address: SocketAddr::new(self.address.ip(), port), ..self.clone() })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotAnAddress(typed) => {
                write!(f, "`{}` is no address of a site; type https://HOST/PATH", typed.escape_default())
            }
            Refused::NotOwned(host) => {
                write!(f, "{host} is not this machine: probe what is yours alone, and say so by --i-own {host}")
            }
            Refused::Unresolved(host, error) => write!(f, "{host} cannot be resolved: {error}"),
            Refused::Inside(host, ip) => {
                write!(f, "{host} leads to {ip}, an address inside a network; type the address itself if you mean it")
            }
        }
    }
}

impl std::error::Error for Refused {}

fn parse(typed: &str) -> Option<Target> {
    let (https, rest) = match typed.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(true), rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(false), rest),
        Some(_) => return None,
        None => (None, typed),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    // Credentials in an address would end in logs and reports.
    if authority.contains('@') || !clean(&path) || !clean(authority) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.starts_with('[') || host.ends_with(']')) => {
            (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0)?))
        }
        _ => (authority, None),
    };
    let host = host.to_ascii_lowercase();
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) && !host.is_empty();
    let literal =
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    if !named && !literal {
        return None;
    }
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let https = https.unwrap_or(!is_here(&host));
    let port_or = port.unwrap_or(if https { 443 } else { 80 });
    Some(Target { https, host, port: port_or, path, address, explicit_port: port.is_some() })
}

/// Whether a host, as typed, is this machine.
fn is_here(host: &str) -> bool {
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    literal.map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

/// Addresses that lie inside some network: this machine, this link, a company, a cloud's metadata.
fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || a == 0
                || a == 100 && (64..128).contains(&b)
                || a == 192 && b == 0 && c == 0
                || a == 198 && (18..20).contains(&b)
                || a >= 240
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_inside(IpAddr::V4(v4)),
            None => {
                let [first, ..] = v6.segments();
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || first & 0xfe00 == 0xfc00
                    || first & 0xffc0 == 0xfe80
                    // NAT64 and 6to4 lead to any IPv4 address.
                    || first == 0x64 || first == 0x2002
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(typed: &str, owned: &[&str]) -> Refused {
        let consent = Consent { owned: owned.iter().map(|host| (*host).to_owned()).collect() };
        Target::new(typed, &consent).expect_err("refused")
    }

    #[test]
    fn this_machine_is_free_and_everything_else_wants_consent() {
        let consent = Consent::default();
        let target = Target::new("http://127.0.0.1:8080/a?b#c", &consent).expect("this machine");
        assert_eq!((target.origin().as_str(), target.path.as_str()), ("http://127.0.0.1:8080", "/a?b"));
        assert!(Target::new("http://localhost:1", &consent).is_ok());
        let origin = |typed: &str, owned: &[String]| {
            Target::new(typed, &Consent { owned: owned.to_vec() }).expect(typed).origin()
        };
        assert_eq!(origin("127.0.0.1:8080/a", &[]), "http://127.0.0.1:8080");
        assert_eq!(origin("10.0.0.1", &["10.0.0.1".to_owned()]), "https://10.0.0.1");
        assert_eq!(refused("https://shop.example", &[]), Refused::NotOwned("shop.example".to_owned()));
        assert_eq!(refused("https://192.0.2.1", &["shop.example"]), Refused::NotOwned("192.0.2.1".to_owned()));
        assert_eq!(refused("http://169.254.169.254/latest", &[]), Refused::NotOwned("169.254.169.254".to_owned()));
        assert!(
            Target::new("http://10.0.0.1", &Consent { owned: vec!["10.0.0.1".to_owned()] }).is_ok(),
            "typed and owned"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in [
            "ftp://a",
            "http://",
            "http://a b",
            "http://u:p@127.0.0.1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:x",
            "http://[::1",
            "http://a\r\nb",
        ] {
            assert!(matches!(refused(typed, &["a"]), Refused::NotAnAddress(_)), "{typed}");
        }
    }

    #[test]
    fn inner_addresses_are_known() {
        let inside = [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "127.0.0.2",
            "0.0.0.0",
            "100.64.0.1",
            "::1",
            "fd00:ec2::254",
            "fe80::1",
            "::ffff:10.0.0.1",
            "224.0.0.1",
            "64:ff9b::a00:1",
        ];
        for ip in inside {
            assert!(is_inside(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["192.0.3.1", "8.8.8.8", "2001:db8::1", "172.32.0.1"] {
            assert!(!is_inside(ip.parse().expect("an address")), "{ip}");
        }
    }
}
