//! The PROXY protocol of HAProxy, versions 1 and 2: a balancer that passes bytes on says whose they are.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Only the source's address is used; extensions (TLV)
//! are passed over. Nothing is read beyond the header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const MAX_LINE: usize = 107;
/// The longest version 2 that is read; addresses take 36 bytes, the rest are extensions.
const MAX_BINARY: usize = 2048;

/// Reads the header: the client's address, or nothing where the proxy speaks for itself. `None` if it is no header.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Option<IpAddr>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    if start == SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.ok()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if length > MAX_BINARY {
            return None;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        return binary([head[0], head[1]], &body);
    }
    let mut line = start.to_vec();
    // A byte at a time: what comes behind the line is not ours.
    while line.starts_with(b"PROXY ") && !line.ends_with(b"\n") && line.len() < MAX_LINE {
        line.push(stream.read_u8().await.ok()?);
    }
    text(&line)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`.
fn text(line: &[u8]) -> Option<Option<IpAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?.strip_prefix("PROXY ")?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let [family, source, destination, from, to] = words.as_slice() else { return None };
    let (_, _): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
    let source = match *family {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().ok()?;
            IpAddr::V4(source.parse().ok()?)
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().ok()?;
            IpAddr::V6(source.parse().ok()?)
        }
        _ => return None,
    };
    Some(Some(source.to_canonical()))
}

/// Version and command, family and transport; then the addresses, source first.
fn binary(head: [u8; 2], body: &[u8]) -> Option<Option<IpAddr>> {
    match head {
        // LOCAL: a health check of the proxy's own.
        [0x20, _] | [0x21, 0x00] => Some(None),
        [0x21, 0x11] => {
            let source: [u8; 4] = body.get(..12)?.get(..4)?.try_into().ok()?;
            Some(Some(IpAddr::from(source)))
        }
        [0x21, 0x21] => {
            let source: [u8; 16] = body.get(..36)?.get(..16)?.try_into().ok()?;
            Some(Some(IpAddr::from(source).to_canonical()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<Option<IpAddr>> {
        Some(Some(text.parse().expect("address")))
    }

    #[test]
    fn lines_of_version_1() {
        for (line, expect) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", ip("192.0.2.1")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", ip("2001:db8::1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", ip("192.0.2.1")),
            ("PROXY UNKNOWN\r\n", Some(None)),
            ("PROXY UNKNOWN ::1 ::1 1 2\r\n", Some(None)),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 1\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n", None),
            ("PROXY TCP4 ::1 198.51.100.1 1 2\r\n", None),
            ("PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", None),
            ("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", None),
            ("proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", None),
            ("GET / HTTP/1.1\r\n", None),
        ] {
            assert_eq!(text(line.as_bytes()), expect, "{line:?}");
        }
    }

    #[test]
    fn headers_of_version_2() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 1, 1, 2, 2];
        assert_eq!(binary([0x21, 0x11], &four), ip("192.0.2.1"));
        assert_eq!(binary([0x21, 0x11], &[&four[..], &[1, 0, 0]].concat()), ip("192.0.2.1"));
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 20]].concat();
        assert_eq!(binary([0x21, 0x21], &six), ip("::1"));
        assert_eq!(binary([0x20, 0x00], &[]), Some(None));
        assert_eq!(binary([0x21, 0x00], &[]), Some(None));
        assert_eq!(binary([0x21, 0x11], &four[..11]), None);
        assert_eq!(binary([0x21, 0x21], &six[..35]), None);
        assert_eq!(binary([0x21, 0x12], &four), None, "not TCP");
        assert_eq!(binary([0x11, 0x11], &four), None, "not version 2");
    }

    #[test]
    fn nothing_is_read_beyond_the_header() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let line = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".as_bytes();
        let header = [&SIGNATURE[..], &[0x21, 0x11, 0, 12], &[192, 0, 2, 1, 198, 51, 100, 1, 1, 1, 2, 2]].concat();
        for header in [line, &header] {
            let bytes = [header, b"GET /"].concat();
            let mut rest = bytes.as_slice();
            assert_eq!(runtime.block_on(read(&mut rest)), ip("192.0.2.1"));
            assert_eq!(rest, b"GET /");
        }
        for wrong in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), format!("PROXY {}", "x".repeat(200)), String::new()]
        {
            assert_eq!(runtime.block_on(read(&mut wrong.as_bytes())), None);
        }
    }
}
