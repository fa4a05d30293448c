//! A client hello of any version, and as much of the answer as is judged: which version and suite the server chose.
//!
//! rustls speaks TLS 1.2 and 1.3 with good ciphers alone; what else a server would agree to is asked here, by hellos that are
//! never followed by a handshake.

use palisade_check::tls::{Exchange, SUITES, Version};

/// What a server answered to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// It chose, and sent this chain, where it sent it in the clear: before TLS 1.3.
    Chose { suite: u16, dh_bits: Option<u32>, chain: Vec<Vec<u8>> },
    /// It refused: an alert, or a version other than the one that was offered.
    Refused,
}

/// A hello that offers one version and some suites. `random`: 64 bytes, of which half are the key share.
pub(super) fn hello(version: Version, suites: &[u16], host: &str, random: &[u8; 64]) -> Vec<u8> {
    let (nonce, share) = random.split_at(32);
    let modern = version == Version::Tls13;
    let mut body = Vec::new();
    body.extend(if modern { Version::Tls12 } else { version }.wire().to_be_bytes());
    body.extend(nonce);
    // A session id, as TLS 1.3 behind old boxes wants one.
    body.push(32);
    body.extend(nonce);
    body.extend(vector16(&suites.iter().flat_map(|suite| suite.to_be_bytes()).collect::<Vec<_>>()));
    body.extend([1, 0]);
    if version > Version::Ssl3 {
        body.extend(vector16(&extensions(version, host, share)));
    }
    let mut message = vec![1, 0];
    message.extend(u16_of(body.len()));
    message.extend(body);
    let record = if version == Version::Ssl3 { 0x0300_u16 } else { 0x0301 };
    [vec![22], record.to_be_bytes().to_vec(), vector16(&message)].concat()
}

fn extensions(version: Version, host: &str, share: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |kind: u16, body: &[u8]| {
        all.extend(kind.to_be_bytes());
        all.extend(vector16(body));
    };
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    if is_name {
        add(0, &vector16(&[vec![0], vector16(host.as_bytes())].concat()));
    }
    // x25519, P-256, P-384, P-521; ffdhe2048, ffdhe3072.
    add(10, &vector16(&[0, 0x1d, 0, 0x17, 0, 0x18, 0, 0x19, 1, 0, 1, 1]));
    add(11, &[1, 0]);
    add(13, &vector16(&[4, 3, 5, 3, 6, 3, 8, 7, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 2, 3, 2, 1]));
    if version == Version::Tls13 {
        add(43, &[2, 3, 4]);
        add(45, &[1, 1]);
        add(51, &vector16(&[vec![0, 0x1d], vector16(share)].concat()));
    }
    all
}

fn vector16(body: &[u8]) -> Vec<u8> {
    [u16_of(body.len()).as_slice(), body].concat()
}

fn u16_of(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

/// The suites that belong into a hello of a version.
pub(super) fn offered(version: Version) -> Vec<u16> {
    SUITES.iter().filter(|suite| suite.is_13() == (version == Version::Tls13)).map(|suite| suite.id).collect()
}

/// Reads what came so far; `None` where more is needed. `ended`: nothing more will come.
pub(super) fn reply(bytes: &[u8], version: Version, ended: bool) -> Option<Reply> {
    let (messages, ended) = match records(bytes) {
        Records::Of { messages, ended: alert } => (messages, ended || alert),
        Records::Foreign => return Some(Reply::Refused),
    };
    let Some((chosen, suite)) = server_hello(&messages) else { return ended.then_some(Reply::Refused) };
    if chosen != version.wire() {
        return Some(Reply::Refused);
    }
    // What is wanted of an older server stands before its hello's end.
    if version < Version::Tls13 && message(&messages, 14).is_none() && !ended {
        return None;
    }
    let finite =
        SUITES.iter().any(|one| one.id == suite && (one.exchange == Exchange::Dhe || one.name.starts_with("DH_")));
    let dh_bits = message(&messages, 12).filter(|_| finite).and_then(group_bits);
    let chain = message(&messages, 11).filter(|_| version < Version::Tls13).map(certificates).unwrap_or_default();
    Some(Reply::Chose { suite, dh_bits, chain })
}

enum Records {
    /// Handshake messages, and whether something else came after them.
    Of { messages: Vec<u8>, ended: bool },
    /// Bytes that are no TLS.
    Foreign,
}

fn records(bytes: &[u8]) -> Records {
    let (mut messages, mut ended, mut rest) = (Vec::new(), false, bytes);
    if !matches!(bytes.first(), None | Some(20..=23)) {
        return Records::Foreign;
    }
    while let [kind, _, _, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(body) = after.get(..length) else { break };
        match kind {
            22 if !ended => messages.extend_from_slice(body),
            20..=23 => ended = true,
            _ => return Records::Foreign,
        }
        rest = after.get(length..).unwrap_or_default();
    }
    Records::Of { messages, ended }
}

/// The chain in a certificate message (RFC 5246, 7.4.2).
fn certificates(body: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = body.get(3..).unwrap_or_default();
    let mut found = Vec::new();
    while let [a, b, c, after @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some(one) = after.get(..length) else { break };
        found.push(one.to_vec());
        rest = after.get(length..).unwrap_or_default();
    }
    found
}

/// The version and suite of a server hello.
fn server_hello(messages: &[u8]) -> Option<(u16, u16)> {
    let body = message(messages, 2)?;
    let [v1, v2, ..] = body else { return None };
    let session = usize::from(*body.get(34)?);
    let after = body.get(35 + session..)?;
    let [s1, s2, _, extensions @ ..] = after else { return None };
    let suite = u16::from_be_bytes([*s1, *s2]);
    let mut version = u16::from_be_bytes([*v1, *v2]);
    let mut rest = extensions.get(2..).unwrap_or_default();
    while let [k1, k2, l1, l2, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        let body = after.get(..length)?;
        if let (43, [a, b]) = (u16::from_be_bytes([*k1, *k2]), body) {
            version = u16::from_be_bytes([*a, *b]);
        }
        rest = after.get(length..)?;
    }
    Some((version, suite))
}

/// The body of the first handshake message of a kind, once it is whole.
fn message(mut messages: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [kind, a, b, c, after @ ..] = messages {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let body = after.get(..length)?;
        if *kind == wanted {
            return Some(body);
        }
        messages = after.get(length..)?;
    }
    None
}

/// Bits of the prime in a server key exchange (RFC 5246, 7.4.3).
fn group_bits(body: &[u8]) -> Option<u32> {
    let [a, b, rest @ ..] = body else { return None };
    let prime = rest.get(..usize::from(u16::from_be_bytes([*a, *b])))?;
    let first = prime.iter().position(|byte| *byte != 0)?;
    let prime = prime.get(first..)?;
    Some(u32::try_from(prime.len()).ok()? * 8 - prime.first()?.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a server hello.
    fn answer(version: u16, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(suite.to_be_bytes());
        body.push(0);
        if !extensions.is_empty() {
            body.extend(vector16(extensions));
        }
        let message = [vec![2, 0], vector16(&body)].concat();
        [vec![22, 3, 3], vector16(&message)].concat()
    }

    fn chose(suite: u16, dh_bits: Option<u32>) -> Option<Reply> {
        Some(Reply::Chose { suite, dh_bits, chain: Vec::new() })
    }

    #[test]
    fn the_servers_choice_is_read() {
        let old = answer(0x0301, 0xc014, &[]);
        assert_eq!(reply(&old, Version::Tls10, false), None, "its chain is to come");
        assert_eq!(reply(&old, Version::Tls10, true), chose(0xc014, None));
        assert_eq!(reply(&old, Version::Tls12, false), Some(Reply::Refused), "another version than was offered");
        let modern = answer(0x0303, 0x1301, &[0, 43, 0, 2, 3, 4]);
        assert_eq!(reply(&modern, Version::Tls13, false), chose(0x1301, None));
        for cut in 0..modern.len() {
            assert_eq!(reply(&modern[..cut], Version::Tls13, false), None, "{cut}");
        }
    }

    #[test]
    fn alerts_silence_and_other_protocols_are_refusals() {
        for bytes in [&[21, 3, 1, 0, 2, 2, 70][..], b"HTTP/1.1 400 Bad Request\r\n"] {
            assert_eq!(reply(bytes, Version::Tls10, false), Some(Reply::Refused));
        }
        assert_eq!(reply(&[], Version::Tls10, true), Some(Reply::Refused));
    }

    #[test]
    fn the_chain_and_the_size_of_a_group_are_read() {
        let record = |kind: u8, body: &[u8]| {
            let message = [vec![kind, 0], vector16(body)].concat();
            [vec![22, 3, 3], vector16(&message)].concat()
        };
        let group = [vec![0, 129, 0], vec![0xff; 128], vec![0, 1, 2]].concat();
        let chain = [0, 0, 6, 0, 0, 3, 1, 2, 3];
        let bytes = [answer(0x0303, 0x009e, &[]), record(11, &chain), record(12, &group), record(14, &[])].concat();
        let expected = Reply::Chose { suite: 0x009e, dh_bits: Some(1024), chain: vec![vec![1, 2, 3]] };
        assert_eq!(reply(&bytes, Version::Tls12, false), Some(expected));
    }

    #[test]
    fn hellos_name_their_length() {
        let bytes = hello(Version::Tls13, &[0x1301], "shop.example", &[1; 64]);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[3], bytes[4]])), bytes.len() - 5);
        assert_eq!(usize::from(bytes[7]) << 8 | usize::from(bytes[8]), bytes.len() - 9);
    }
}
