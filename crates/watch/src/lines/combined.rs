//! nginx's and Apache's combined log format, its common subset, and what people add to it: a virtual host in front, a
//! quoted `X-Forwarded-For` or Traefik's fields behind.
//!
//! ```text
//! 192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 612 "https://a.example/" "curl/8.1" "203.0.113.9"
//! ```
//!
//! The user name is the client's and may hold blanks and brackets, but no bare quote: the first quote of a line ends
//! what a client could have forged before it.

use memchr::memchr;
use palisade_event::{BadLine, Seen, Source};
use palisade_policy::Clients;

use super::clf::{Clock, WIDTH};
use super::clients;
use super::text::{address, given, number, quoted, request, status};

pub(super) fn read<'a>(line: &'a [u8], known: &Clients, clock: &mut Clock) -> Result<Seen<'a>, BadLine> {
    // Some shippers quote whole lines.
    let quote = memchr(b'"', line).ok_or(BadLine::Shape)?;
    if quote == 0 {
        return Err(BadLine::Shape);
    }
    let (head, rest) = line.split_at(quote);
    let head = head.strip_suffix(b"] ").ok_or(BadLine::Shape)?;
    let (who, time) = head.split_at_checked(head.len().wrapping_sub(WIDTH)).ok_or(BadLine::Shape)?;
    let who = who.strip_suffix(b" [").ok_or(BadLine::Shape)?;
    let mut seen = Seen::at(clock.read(time).ok_or(BadLine::NoTime)?, Source::Access);
    let peer = asked_by(&mut seen, who)?;
    let (line, rest) = quoted(rest).ok_or(BadLine::Shape)?;
    request(&mut seen, line);
    let rest = numbers(&mut seen, rest.strip_prefix(b" ").ok_or(BadLine::Shape)?)?;
    let forwarded = tail(&mut seen, rest);
    if let Some(peer) = peer {
        seen.set_client(clients::client(known, peer, forwarded));
    }
    Ok(seen)
}

/// `192.0.2.1 - frank`, or with a virtual host first.
fn asked_by<'a>(seen: &mut Seen<'a>, who: &'a [u8]) -> Result<Option<std::net::IpAddr>, BadLine> {
    let (first, rest) = word(who).ok_or(BadLine::Shape)?;
    let mut peer = address(first);
    let mut rest = rest;
    if peer.is_none() {
        let (second, after) = word(rest).ok_or(BadLine::Shape)?;
        if let Some(found) = address(second) {
            peer = Some(found);
            seen.host = given(first);
            rest = after;
        }
    }
    // The identity of RFC 1413, which nobody has.
    let (_, user) = word(rest).ok_or(BadLine::Shape)?;
    seen.user = given(user);
    Ok(peer)
}

/// `200 612`; a size that is not known is `-`.
fn numbers<'a>(seen: &mut Seen<'_>, text: &'a [u8]) -> Result<&'a [u8], BadLine> {
    let (code, rest) = text.split_at_checked(3).ok_or(BadLine::Shape)?;
    seen.status = status(code);
    if seen.status.is_none() && code != b"000" && !code.starts_with(b"-") {
        return Err(BadLine::Shape);
    }
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let (size, rest) = rest.split_at(end);
    seen.response_bytes = number(size);
    if seen.response_bytes.is_none() && size != b"-" {
        return Err(BadLine::Shape);
    }
    Ok(rest)
}

/// Referrer and user agent, and a forwarding header if a quoted list of addresses follows. The common format ends
/// before them.
fn tail<'a>(seen: &mut Seen<'a>, rest: &'a [u8]) -> Option<&'a [u8]> {
    let (referrer, rest) = quoted(rest.strip_prefix(b" ")?)?;
    seen.referrer = given(referrer);
    let (agent, rest) = quoted(rest.strip_prefix(b" ")?)?;
    seen.user_agent = given(agent);
    let (forwarded, _) = quoted(rest.strip_prefix(b" ")?)?;
    Some(forwarded)
}

/// Up to the next blank.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
