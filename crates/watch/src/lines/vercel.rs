//! Log drains of Vercel: NDJSON or an array, several entries for one request, and the application's own events inside
//! `message`.

use std::borrow::Cow;

use palisade_event::json::{Scalar, elements, walk};
use palisade_event::{BadLine, EventTime, Seen, Source, decode};

use super::text::{address, target};
use crate::recent::Recent;

/// Requests that are remembered, so that the entries of middleware, function and cache count once.
pub(super) const MAX_TOLD: usize = 8192;
/// What an entry says beside the request itself.
#[derive(Default)]
struct Entry<'a> {
    time: Option<EventTime>,
    message: Option<Cow<'a, str>>,
    proxied: bool,
    background: bool,
    waf: Option<Cow<'a, str>>,
}

pub(super) fn read(line: &[u8], told: &mut Recent, mut each: impl FnMut(Result<Seen<'_>, BadLine>)) {
    if !line.trim_ascii_start().starts_with(b"[") {
        return entry(line, told, &mut each);
    }
    if let Err(bad) = elements(line, |element| entry(element, told, &mut each)) {
        each(Err(bad));
    }
}

fn entry(text: &[u8], told: &mut Recent, each: &mut impl FnMut(Result<Seen<'_>, BadLine>)) {
    let mut seen = Seen::at(EventTime::default(), Source::Vercel);
    let mut entry = Entry::default();
    if let Err(bad) = walk(text, |path, scalar| entry.take(&mut seen, path, scalar)) {
        return each(Err(bad));
    }
    let Some(time) = entry.time else { return each(Err(BadLine::NoTime)) };
    seen.time = time;
    if let Some(action) = entry.waf.filter(|action| action != "log" && action != "bypass") {
        seen.action = Some(Cow::Owned(format!("waf-{action}")));
    }
    // What the application itself says of the request says more than the drain.
    let mut unwrapped = false;
    for line in entry.message.as_deref().unwrap_or_default().lines().filter(|line| line.starts_with('{')) {
        if let Ok(report) = decode(line.as_bytes())
            && (report.decision.is_some() || report.kind_of_report.is_some() || report.notice.is_some())
        {
            unwrapped = true;
            each(Ok(beside(report, &seen)));
        }
    }
    let first = seen.request_id.as_deref().is_none_or(|id| told.first(id));
    if !unwrapped {
        let request = entry.proxied && first && !entry.background;
        each(if request { Ok(seen) } else { Err(BadLine::Unrelated) });
    }
}

/// The application's report, completed by what the drain knows of the request. A report has no id that the drain gave
/// to the entry it came in: one entry may hold several.
fn beside<'a>(report: Seen<'a>, seen: &'a Seen<'_>) -> Seen<'a> {
    let or = |own: Option<Cow<'a, str>>, other: &'a Option<Cow<'_, str>>| {
        own.or_else(|| other.as_deref().map(Cow::Borrowed))
    };
    Seen {
        service: or(report.service, &seen.service),
        environment: or(report.environment, &seen.environment),
        method: or(report.method, &seen.method),
        host: or(report.host, &seen.host),
        path: or(report.path, &seen.path),
        user_agent: or(report.user_agent, &seen.user_agent),
        status: report.status.or(seen.status),
        client_address: report.client_address.or(seen.client_address),
        client: report.client.or(seen.client),
        ..report
    }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
    fn take(&mut self, seen: &mut Seen<'a>, path: &str, scalar: Scalar<'a>) {
        match (path, scalar) {
            ("timestamp", Scalar::Number(millis)) => self.time = EventTime::from_number(millis as f64),
            ("timestamp", Scalar::Decimal(millis)) => self.time = EventTime::from_number(millis),
            ("timestamp", Scalar::Text(text)) => self.time = EventTime::from_rfc3339(&text),
            ("message", Scalar::Text(text)) => self.message = Some(text),
            ("id", Scalar::Text(text)) => seen.id = Some(text),
            ("requestId", Scalar::Text(text)) => seen.request_id = Some(text),
            ("projectName", Scalar::Text(text)) => seen.service = Some(text),
            ("environment", Scalar::Text(text)) => seen.environment = Some(text),
            ("proxy.method", Scalar::Text(text)) => {
                self.proxied = true;
                seen.method = Some(text);
            }
            ("proxy.host", Scalar::Text(text)) => seen.host = Some(text),
            ("proxy.path", Scalar::Text(text)) => target(seen, text),
            ("proxy.userAgent", Scalar::Text(text)) => {
                seen.user_agent.get_or_insert(text);
            }
            ("proxy.referer", Scalar::Text(text)) => seen.referrer = Some(text),
            ("proxy.clientIp", Scalar::Text(text)) => {
                if let Some(address) = address(text.as_bytes()) {
                    seen.set_client(address);
                }
            }
            ("proxy.responseByteSize", Scalar::Number(size)) => seen.response_bytes = u64::try_from(size).ok(),
            ("proxy.wafAction", Scalar::Text(text)) => self.waf = Some(text),
            // -1: no request came in, a cached page was made anew.
            ("proxy.statusCode", Scalar::Number(-1)) => self.background = true,
            ("proxy.statusCode", Scalar::Number(status)) => {
                seen.status = u16::try_from(status).ok().filter(|status| (100..1000).contains(status));
            }
            // Beside a request without one; -1: the function crashed.
            ("statusCode", Scalar::Number(-1)) if seen.status.is_none() => seen.status = Some(500),
            _ => {}
        }
    }
}
