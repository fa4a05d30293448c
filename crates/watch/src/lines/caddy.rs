//! Caddy's JSON access log.

use std::borrow::Cow;

use palisade_event::json::{Scalar, walk};
use palisade_event::{BadLine, EventTime, Seen, Source};
use palisade_policy::Clients;

use super::clients;
use super::text::{address, micros, target};

#[expect(clippy::cast_precision_loss, reason = "times and durations, which have fractions anyway")]
pub(super) fn read<'a>(line: &'a [u8], known: &Clients) -> Result<Seen<'a>, BadLine> {
    let mut seen = Seen::at(EventTime::default(), Source::Caddy);
    let (mut time, mut remote, mut client) = (None, None, None);
    let mut forwarded: Option<Cow<'a, str>> = None;
    walk(line, |path, scalar| match (path, scalar) {
        ("ts", Scalar::Decimal(seconds)) => time = EventTime::from_number(seconds),
        ("ts", Scalar::Number(seconds)) => time = EventTime::from_number(seconds as f64),
        ("ts", Scalar::Text(text)) => time = EventTime::from_rfc3339(&text),
        ("request.remote_ip" | "request.remote_addr", Scalar::Text(text)) => remote = address(text.as_bytes()),
        ("request.client_ip", Scalar::Text(text)) => client = address(text.as_bytes()),
        ("request.method", Scalar::Text(text)) => seen.method = Some(text),
        ("request.host", Scalar::Text(text)) => seen.host = Some(text),
        ("request.uri", Scalar::Text(text)) => target(&mut seen, text),
        ("request.headers.User-Agent", Scalar::Text(text)) => seen.user_agent = Some(text),
        ("request.headers.Referer", Scalar::Text(text)) => seen.referrer = Some(text),
        ("request.headers.X-Forwarded-For", Scalar::Text(text)) => {
            // Several lines of the header are one list.
            forwarded = Some(forwarded.take().map_or(text.clone(), |before| format!("{before},{text}").into()));
        }
        ("user_id", Scalar::Text(text)) if !text.is_empty() => seen.user = Some(text),
        ("duration", Scalar::Decimal(seconds)) => seen.duration_micros = micros(seconds * 1e6),
        ("duration", Scalar::Number(seconds)) => seen.duration_micros = micros(seconds as f64 * 1e6),
        ("size", Scalar::Number(size)) => seen.response_bytes = u64::try_from(size).ok(),
        ("bytes_read", Scalar::Number(size)) => seen.request_bytes = u64::try_from(size).ok(),
        ("status", Scalar::Number(status)) => {
            seen.status = u16::try_from(status).ok().filter(|status| (100..1000).contains(status));
        }
        _ => {}
    })?;
    if seen.method.is_none() || seen.path.is_none() {
        return Err(BadLine::Unrelated);
    }
    seen.time = time.ok_or(BadLine::NoTime)?;
    // Caddy has applied its own list of trusted proxies to client_ip already.
    if let Some(peer) = client.or(remote) {
        seen.set_client(clients::client(known, peer, forwarded.as_deref().map(str::as_bytes)));
    }
    Ok(seen)
}
