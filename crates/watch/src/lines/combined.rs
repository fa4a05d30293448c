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
use palisade_event::{BadLine, Seen};
use palisade_policy::Clients;

use super::clf::{Clock, WIDTH};
use super::clients;
use super::text::{Escapes, address, number, request, status, word};

/// Fills in an event of nothing: it is large, and told millions of times.
pub(super) fn read<'a>(seen: &mut Seen<'a>, line: &'a str, known: &Clients, clock: &mut Clock) -> Result<(), BadLine> {
    // Some shippers quote whole lines.
    let quote = memchr(b'"', line.as_bytes()).ok_or(BadLine::Shape)?;
    if quote == 0 {
        return Err(BadLine::Shape);
    }
    let (head, rest) = line.split_at(quote);
    let head = head.strip_suffix("] ").ok_or(BadLine::Shape)?;
    let (who, time) = head.split_at_checked(head.len().wrapping_sub(WIDTH)).ok_or(BadLine::Shape)?;
    let who = who.strip_suffix(" [").ok_or(BadLine::Shape)?;
    seen.time = clock.read(time.as_bytes()).ok_or(BadLine::NoTime)?;
    let escapes = Escapes::of(line);
    let peer = asked_by(seen, who, escapes)?;
    let (asked, rest) = escapes.quoted(rest).ok_or(BadLine::Shape)?;
    request(seen, asked, escapes);
    let rest = numbers(seen, rest.strip_prefix(' ').ok_or(BadLine::Shape)?)?;
    let forwarded = tail(seen, rest, escapes);
    if let Some(peer) = peer {
        seen.set_client(clients::client(known, peer, forwarded.map(str::as_bytes)));
    }
    Ok(())
}

/// `192.0.2.1 - frank`, or with a virtual host first.
fn asked_by<'a>(seen: &mut Seen<'a>, who: &'a str, escapes: Escapes) -> Result<Option<std::net::IpAddr>, BadLine> {
    let (first, rest) = word(who).ok_or(BadLine::Shape)?;
    let mut peer = address(first.as_bytes());
    let mut rest = rest;
    if peer.is_none() {
        let (second, after) = word(rest).ok_or(BadLine::Shape)?;
        if let Some(found) = address(second.as_bytes()) {
            peer = Some(found);
            seen.host = escapes.given(first);
            rest = after;
        }
    }
    // The identity of RFC 1413, which nobody has.
    let (_, user) = word(rest).ok_or(BadLine::Shape)?;
    seen.user = escapes.given(user);
    Ok(peer)
}

/// `200 612`; a size that is not known is `-`.
fn numbers<'a>(seen: &mut Seen<'_>, text: &'a str) -> Result<&'a str, BadLine> {
    let (code, rest) = text.split_at_checked(3).ok_or(BadLine::Shape)?;
    seen.status = status(code.as_bytes());
    if seen.status.is_none() && code != "000" && !code.starts_with('-') {
        return Err(BadLine::Shape);
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let end = memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
    let (size, rest) = rest.split_at(end);
    seen.response_bytes = number(size.as_bytes());
    if seen.response_bytes.is_none() && size != "-" {
        return Err(BadLine::Shape);
    }
    Ok(rest)
}

/// Referrer and user agent, and a forwarding header if a quoted list of addresses follows. The common format ends
/// before them.
fn tail<'a>(seen: &mut Seen<'a>, rest: &'a str, escapes: Escapes) -> Option<&'a str> {
    let (referrer, rest) = escapes.quoted(rest.strip_prefix(' ')?)?;
    seen.referrer = escapes.given(referrer);
    let (agent, rest) = escapes.quoted(rest.strip_prefix(' ')?)?;
    seen.user_agent = escapes.given(agent);
    let (forwarded, _) = escapes.quoted(rest.strip_prefix(' ')?)?;
    Some(forwarded)
}
