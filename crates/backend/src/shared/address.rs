//! Where the server is: one URL, whether it is one server, one that Sentinels know, or a cluster.

use std::fmt;
use std::str::FromStr;

/// Where shared state is kept. Holds a password: `Debug` and `Display` show hosts only.
///
/// | URL | what |
/// |---|---|
/// | `redis://[user:password@]host[:port][/db]` | one server |
/// | `redis+sentinel://[user:password@]host[:port],host[:port]/master[/db]` | the master of that name, as Sentinels tell |
/// | `redis+cluster://[user:password@]host[:port],host[:port]` | a cluster; some of its nodes are enough |
///
/// With `rediss` in place of `redis` over TLS, certificates judged by the system's roots (`SSL_CERT_FILE` names others).
/// `valkey` may stand for `redis`. User and password are the server's, percent-encoded; Sentinels are asked without.
/// Ports are 6379, of Sentinels 26379.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) layout: Layout,
    pub(super) tls: bool,
    pub(super) nodes: Vec<(String, u16)>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: i64,
}

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    Single,
    Sentinel { master: String },
    Cluster,
}

/// Why a text is no [`Address`]. Never repeats the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAddress(&'static str);

// === impl Address ===

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Address, BadAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(BadAddress("it is no URL"))?;
        let (protocol, layout) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match protocol {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(BadAddress("its scheme is none of redis, rediss, valkey, valkeys")),
        };
        if rest.contains(['#', '?']) {
            return Err(BadAddress("it has a query or a fragment, and none is understood"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(it, hosts)| (Some(it), hosts));
        let (user, password) = credentials.map_or(Ok((None, None)), read_credentials)?;
        let (layout, db, port) = match layout {
            "" => (Layout::Single, path, 6379),
            "sentinel" => {
                let (master, db) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(BadAddress("it does not name the Sentinels' master after the hosts"));
                }
                (Layout::Sentinel { master: decode(master)? }, db, 26379)
            }
            "cluster" if path.is_empty() => (Layout::Cluster, "", 6379),
            "cluster" => return Err(BadAddress("it names a database, and a cluster has one only")),
            _ => return Err(BadAddress("its layout is neither +sentinel nor +cluster")),
        };
        let nodes = hosts.split(',').map(|host| node(host, port)).collect::<Result<Vec<_>, _>>()?;
        if layout == Layout::Single && nodes.len() > 1 {
            return Err(BadAddress("it names several hosts: write redis+sentinel:// or redis+cluster://"));
        }
        let db = if db.is_empty() { Ok(0) } else { db.parse::<u16>() };
        let db = db.map_err(|_| BadAddress("its database is no number"))?.into();
        Ok(Address { layout, tls, nodes, user, password, db })
    }
}

/// `user:password`, `:password`, or a password alone.
fn read_credentials(text: &str) -> Result<(Option<String>, Option<String>), BadAddress> {
    let (user, password) = text.split_once(':').unwrap_or(("", text));
    let some = |text: &str| if text.is_empty() { Ok(None) } else { decode(text).map(Some) };
    Ok((some(user)?, some(password)?))
}

fn node(text: &str, port: u16) -> Result<(String, u16), BadAddress> {
    let bad = BadAddress("one of its hosts is not host or host:port");
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => inside.split_once(']').ok_or(bad)?,
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = if rest.is_empty() { port } else { rest.strip_prefix(':').and_then(|it| it.parse().ok()).ok_or(bad)? };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(bad);
    }
    Ok((host.to_owned(), port))
}

/// Percent-decoding (RFC 3986 section 2.1).
fn decode(text: &str) -> Result<String, BadAddress> {
    let bad = BadAddress("its user, password or master is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => {
                let pair = digit(rest.next()).zip(digit(rest.next())).ok_or(bad)?;
                u8::try_from(pair.0 * 16 + pair.1).map_err(|_| bad)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            write!(f, "{}{host}:{port}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?}, {self})", self.layout)
    }
}

// === impl BadAddress ===

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Address {
        text.parse().unwrap_or_else(|bad| panic!("{text}: {bad}"))
    }

    #[test]
    fn each_layout_is_read() {
        let plain = read("redis://cache");
        assert_eq!((plain.layout, plain.tls, plain.db), (Layout::Single, false, 0));
        assert_eq!(plain.nodes, [("cache".to_owned(), 6379)]);
        let full = read("rediss://gate:p%40ss%3A%2f@[2001:db8::1]:7000/3");
        assert_eq!((full.tls, full.db, full.nodes), (true, 3, vec![("2001:db8::1".to_owned(), 7000)]));
        assert_eq!((full.user.as_deref(), full.password.as_deref()), (Some("gate"), Some("p@ss:/")));
        let sentinel = read("redis+sentinel://:secret@a,b:1/mymaster/2");
        assert_eq!(sentinel.layout, Layout::Sentinel { master: "mymaster".to_owned() });
        assert_eq!(sentinel.nodes, [("a".to_owned(), 26379), ("b".to_owned(), 1)]);
        assert_eq!((sentinel.user, sentinel.password.as_deref(), sentinel.db), (None, Some("secret"), 2));
        let cluster = read("valkeys+cluster://10.0.0.1:7000,10.0.0.2:7000");
        assert_eq!((cluster.layout, cluster.tls, cluster.nodes.len()), (Layout::Cluster, true, 2));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_repeating_it() {
        for text in [
            "",
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://a,b",
            "redis://a:port",
            "redis://a/db",
            "redis://a b",
            "redis://[::1",
            "redis://:%zz@a",
            "rediss://a#insecure",
            "redis://a?protocol=resp3",
            "redis+sentinel://a",
            "redis+cluster://a/1",
            "redis+other://a",
        ] {
            let text = text.replace("://", "://user:hunter2@");
            let bad = text.parse::<Address>().expect_err(&text);
            assert!(!bad.to_string().contains("hunter2"), "{bad}");
        }
        assert!("redis://a#insecure".parse::<Address>().is_err());
        let shown = format!("{:?} {}", read("redis://:hunter2@a"), read("redis://:hunter2@a"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
