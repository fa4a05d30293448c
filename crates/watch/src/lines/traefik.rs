//! Traefik's JSON access log. Headers stand in it only where its configuration keeps them.

use palisade_event::json::{Scalar, walk};
use palisade_event::{BadLine, EventTime, Seen, Source};
use palisade_policy::Clients;

use super::clients;
use super::text::{address, target};

pub(super) fn read<'a>(line: &'a [u8], known: &Clients) -> Result<Seen<'a>, BadLine> {
    let mut seen = Seen::at(EventTime::default(), Source::Traefik);
    let (mut time, mut peer, mut forwarded) = (None, None, None);
    walk(line, |path, scalar| match (path, scalar) {
        ("StartUTC", Scalar::Text(text)) => time = EventTime::from_rfc3339(&text),
        ("StartLocal" | "time", Scalar::Text(text)) if time.is_none() => time = EventTime::from_rfc3339(&text),
        ("ClientHost", Scalar::Text(text)) => peer = address(text.as_bytes()),
        ("ClientAddr", Scalar::Text(text)) if peer.is_none() => peer = address(text.as_bytes()),
        ("ClientUsername", Scalar::Text(text)) if text != "-" && !text.is_empty() => seen.user = Some(text),
        ("RequestMethod", Scalar::Text(text)) => seen.method = Some(text),
        ("RequestHost", Scalar::Text(text)) => seen.host = Some(text),
        ("RequestPath", Scalar::Text(text)) => target(&mut seen, text),
        ("RequestContentSize", Scalar::Number(size)) => seen.request_bytes = u64::try_from(size).ok(),
        ("DownstreamContentSize", Scalar::Number(size)) => seen.response_bytes = u64::try_from(size).ok(),
        ("DownstreamStatus", Scalar::Number(status)) => {
            seen.status = u16::try_from(status).ok().filter(|status| (100..1000).contains(status));
        }
        ("Duration", Scalar::Number(nanos)) => seen.duration_micros = u64::try_from(nanos / 1000).ok(),
        ("request_User-Agent", Scalar::Text(text)) => seen.user_agent = Some(text),
        ("request_Referer", Scalar::Text(text)) => seen.referrer = Some(text),
        ("request_X-Forwarded-For", Scalar::Text(text)) => forwarded = Some(text),
        ("request_X-Request-Id", Scalar::Text(text)) => seen.request_id = Some(text),
        _ => {}
    })?;
    if seen.method.is_none() || seen.path.is_none() {
        return Err(BadLine::Unrelated);
    }
    seen.time = time.ok_or(BadLine::NoTime)?;
    if let Some(peer) = peer {
        seen.set_client(clients::client(known, peer, forwarded.as_deref().map(str::as_bytes)));
    }
    Ok(seen)
}
