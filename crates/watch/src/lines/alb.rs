//! Access logs of AWS Application Load Balancer: fields between blanks, some quoted, more at the end with the years.

use memchr::memchr;
use palisade_event::{BadLine, EventTime, Seen, Source};

use super::text::{Escapes, address, given, number, quoted, request, seconds, status};

/// Fields up to the user agent, which every version has.
const MIN_FIELDS: usize = 14;
/// Fields that are looked at: up to the domain name.
const MAX_FIELDS: usize = 19;

pub(super) fn read(line: &str) -> Result<Seen<'_>, BadLine> {
    let mut fields = [""; MAX_FIELDS];
    let count = split(line, &mut fields);
    if count < MIN_FIELDS {
        return Err(BadLine::Shape);
    }
    let [
        kind,
        time,
        _,
        client,
        _,
        before,
        inside,
        after,
        elb_status,
        _,
        received,
        sent,
        line,
        agent,
        _,
        _,
        _,
        trace,
        domain,
    ] = fields;
    if !matches!(kind, "http" | "https" | "h2" | "grpcs" | "ws" | "wss") {
        return Err(BadLine::Shape);
    }
    let time = EventTime::from_rfc3339(time).ok_or(BadLine::NoTime)?;
    let mut seen = Seen::at(time, Source::Alb);
    request(&mut seen, line, Escapes::of(line));
    seen.status = status(elb_status.as_bytes());
    seen.user_agent = given(agent);
    seen.host = given(domain);
    seen.request_id = given(trace);
    seen.request_bytes = number(received.as_bytes());
    seen.response_bytes = number(sent.as_bytes());
    // -1 where a step did not happen.
    let steps = [before, inside, after].into_iter().filter_map(|step| seconds(step.as_bytes()));
    seen.duration_micros = Some(steps.sum());
    if let Some(client) = address(client.as_bytes()) {
        seen.set_client(client);
    }
    Ok(seen)
}

/// Splits at blanks outside quotes; gives the number of fields, all that fit are set.
fn split<'a>(line: &'a str, fields: &mut [&'a str; MAX_FIELDS]) -> usize {
    let (mut rest, mut count) = (line, 0);
    for place in fields.iter_mut() {
        let (field, after) = if rest.starts_with('"') {
            let Some(found) = quoted(rest) else { break };
            found
        } else {
            rest.split_at(memchr(b' ', rest.as_bytes()).unwrap_or(rest.len()))
        };
        *place = field;
        count += 1;
        match after.strip_prefix(' ') {
            Some(after) => rest = after,
            None => break,
        }
    }
    count
}
