use palisade_event::{EventTime, Field, Seen};

use super::Said;
use crate::lines::clf::Clock;
use crate::lines::text::{Escapes, given, number, plain, request, seconds, status, target};

/// A variable of nginx, as far as it says something of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    TimeLocal,
    TimeIso,
    Msec,
    Address,
    Peer,
    Forwarded,
    User,
    Request,
    Method,
    /// `$request_uri`: with the query.
    Target,
    /// `$uri`: decoded, without it.
    Path,
    Query,
    Status,
    BodyBytes,
    RequestBytes,
    Referrer,
    Agent,
    Host,
    Duration,
    Id,
    Country,
    Other,
}

// === impl Variable ===

impl Variable {
    pub(super) fn of(name: &str) -> Variable {
        match name {
            "time_local" => Variable::TimeLocal,
            "time_iso8601" => Variable::TimeIso,
            "msec" => Variable::Msec,
            "remote_addr" | "proxy_protocol_addr" => Variable::Address,
            "realip_remote_addr" => Variable::Peer,
            "http_x_forwarded_for" | "http_forwarded" | "http_x_real_ip" | "http_cf_connecting_ip" => {
                Variable::Forwarded
            }
            "remote_user" => Variable::User,
            "request" => Variable::Request,
            "request_method" => Variable::Method,
            "request_uri" => Variable::Target,
            "uri" | "document_uri" => Variable::Path,
            "args" | "query_string" => Variable::Query,
            "status" => Variable::Status,
            "body_bytes_sent" | "bytes_sent" => Variable::BodyBytes,
            "request_length" | "content_length" => Variable::RequestBytes,
            "http_referer" => Variable::Referrer,
            "http_user_agent" => Variable::Agent,
            "host" | "http_host" | "server_name" => Variable::Host,
            "request_time" => Variable::Duration,
            "request_id" | "http_x_request_id" => Variable::Id,
            "geoip_country_code" | "geoip2_data_country_code" | "geoip2_country_code" | "http_cf_ipcountry" => {
                Variable::Country
            }
            _ => Variable::Other,
        }
    }

    pub(super) fn is_time(&self) -> bool {
        matches!(self, Variable::TimeLocal | Variable::TimeIso | Variable::Msec)
    }

    pub(super) fn is_request(&self) -> bool {
        matches!(self, Variable::Request | Variable::Target | Variable::Path | Variable::Status)
    }

    pub(super) fn carries(self, field: Field) -> bool {
        use Field as F;
        match self {
            Variable::Request => matches!(field, F::Method | F::Path | F::Query | F::Kind | F::Route | F::Signals),
            Variable::Method => field == F::Method,
            Variable::Target => matches!(field, F::Path | F::Query | F::Kind | F::Route | F::Signals),
            Variable::Path => matches!(field, F::Path | F::Kind | F::Route | F::Signals),
            Variable::Query => matches!(field, F::Query | F::Signals),
            Variable::Status => matches!(field, F::Status | F::Outcome),
            Variable::User => field == F::User,
            Variable::BodyBytes => field == F::ResponseBytes,
            Variable::RequestBytes => field == F::RequestBytes,
            Variable::Referrer => field == F::Referrer,
            Variable::Agent => field == F::UserAgent,
            Variable::Host => field == F::Host,
            Variable::Duration => field == F::Duration,
            Variable::Id => field == F::RequestId,
            Variable::TimeLocal | Variable::TimeIso | Variable::Msec | Variable::Address | Variable::Peer => false,
            Variable::Forwarded | Variable::Country | Variable::Other => false,
        }
    }

    pub(super) fn set<'a>(self, value: &'a str, seen: &mut Seen<'a>, said: &mut Said<'a>, clock: &mut Clock) {
        match self {
            Variable::TimeLocal => said.time = clock.read(value.as_bytes()).or(said.time),
            Variable::TimeIso => said.time = EventTime::from_rfc3339(value).or(said.time),
            Variable::Msec => said.time = msec(value).or(said.time),
            Variable::Address => said.peer = said.peer.or(Some(value)),
            // Behind nginx's own real_ip the address is the client's already; the peer says nothing more.
            Variable::Peer | Variable::Other => {}
            Variable::Forwarded => said.forwarded = said.forwarded.or(Some(value)),
            Variable::User => seen.user = given(value),
            Variable::Request => request(seen, value, Escapes::of(value)),
            Variable::Method => seen.method = given(value),
            Variable::Target => target(seen, plain(value)),
            Variable::Path => {
                seen.path.get_or_insert_with(|| plain(value));
            }
            Variable::Query => seen.query = given(value).or(seen.query.take()),
            Variable::Status => seen.status = status(value.as_bytes()),
            Variable::BodyBytes => seen.response_bytes = number(value.as_bytes()),
            Variable::RequestBytes => seen.request_bytes = number(value.as_bytes()),
            Variable::Referrer => seen.referrer = given(value),
            Variable::Agent => seen.user_agent = given(value),
            Variable::Host => seen.host = given(value),
            Variable::Duration => seen.duration_micros = seconds(value.as_bytes()),
            Variable::Id => seen.request_id = given(value),
            Variable::Country => seen.country = given(value).filter(|code| is_country(code)),
        }
    }
}

/// Seconds since the epoch with milliseconds.
fn msec(value: &str) -> Option<EventTime> {
    value.parse().ok().and_then(EventTime::from_number)
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
