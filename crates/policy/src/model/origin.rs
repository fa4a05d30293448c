use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A web origin in canonical form: lower-case scheme and host, no default port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// `true` for https.
    pub https: bool,
    /// Host and port as in a `Host` header: `shop.example`, `127.0.0.1:8080`, `[::1]:8080`.
    pub authority: String,
}

// === impl Origin ===

impl Origin {
    /// Reads `scheme://host[:port]` and nothing else: no path, no query, no wildcard, no user.
    #[must_use]
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = authority.to_ascii_lowercase();
        let (host, port) = split_port(&authority)?;
        let host = match host.strip_prefix('[') {
            // Browsers write an IPv6 address in its one canonical form.
            Some(v6) => format!("[{}]", v6.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
            None => host.to_owned(),
        };
        let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let host_fits = host.starts_with('[') || (plain && host.bytes().any(|b| b.is_ascii_alphanumeric()));
        let default = if https { 443 } else { 80 };
        let authority = match port {
            Some(port) if port != default => format!("{host}:{port}"),
            _ => host,
        };
        host_fits.then_some(Origin { https, authority })
    }

    /// The port, written or default.
    #[must_use]
    pub fn port(&self) -> u16 {
        let default = if self.https { 443 } else { 80 };
        split_port(&self.authority).and_then(|(_, port)| port).unwrap_or(default)
    }

    /// The host without the port, brackets kept.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(&self.authority).map_or(&self.authority, |(host, _)| host)
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8, `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether `header`, the value of an `Origin` header, names exactly this origin. No allocation.
    #[must_use]
    pub fn matches(&self, header: &str) -> bool {
        let scheme = if self.https { "https://" } else { "http://" };
        header.strip_prefix(scheme) == Some(self.authority.as_str())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }
}

/// Host and port of an authority; `None` when the port is not one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_host..)?.rfind(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_host + colon);
            let port = port.get(1..)?;
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let port: u16 = digits.then(|| port.parse().ok()).flatten()?;
            (port > 0).then_some((host, Some(port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_in_canonical_form() {
        for (text, shown) in [
            ("https://Shop.Example", "https://shop.example"),
            ("HTTPS://shop.example:443", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ] {
            assert_eq!(Origin::parse(text).map(|origin| origin.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in [
            "https://a:0",
            "https://a:",
            "https://a:65536",
            "https://a:+1",
            "https://a:1:2",
            "https://[::1",
            "https://::1",
            "https://[x]",
            "https://u@h",
            "https://.",
            "https://a\n",
            "ftp://a",
            "//a",
            "https:/a",
            "https://ü.example",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_header_matches_exactly() {
        let origin = Origin::parse("https://shop.example").expect("origin");
        assert!(origin.matches("https://shop.example"));
        for other in [
            "http://shop.example",
            "https://shop.example/",
            "https://shop.example:443",
            "https://shop.example:8443",
            "https://Shop.example",
            "https://shop.example.evil",
            "https://shop.example https://evil",
            "null",
            "",
        ] {
            assert!(!origin.matches(other), "{other}");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        for (text, local, port) in [
            ("http://localhost:8080", true, 8080),
            ("http://127.9.9.9", true, 80),
            ("https://[::1]", true, 443),
            ("https://localhost.evil.example", false, 443),
            ("http://10.0.0.1", false, 80),
        ] {
            let origin = Origin::parse(text).expect("origin");
            assert_eq!((origin.is_loopback(), origin.port()), (local, port), "{text}");
        }
    }
}
