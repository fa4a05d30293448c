//! What every response wears, put together once a route: a copy of a map costs a fraction of hashing a dozen names. Without the
//! feature `fast` it is put on piece by piece, which is less code.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::exchange::Exchange;
use crate::finish;
use crate::headers::Brought;
use crate::plan::RatePlan;

/// The fields of a route's responses, those of the request itself first and empty.
#[derive(Debug)]
pub(crate) struct Dress {
    plain: HeaderMap,
    /// With what is told of its limit.
    counted: Option<HeaderMap>,
}

/// Room for what is copied and for what an application usually adds, so that adding it moves nothing.
const ROOM: usize = 24;

// === impl Dress ===

impl Dress {
    pub(crate) fn of(rate: Option<&RatePlan>, hsts: bool) -> Dress {
        let begin = || {
            let mut headers = HeaderMap::with_capacity(ROOM);
            headers.insert(finish::X_REQUEST_ID, HeaderValue::from_static(""));
            headers
        };
        let mut plain = begin();
        finish::protect(&mut plain, Brought::NOTHING, hsts);
        let counted = rate.map(|rate| {
            let mut headers = begin();
            for name in finish::COUNTED {
                headers.insert(name, HeaderValue::from_static(""));
            }
            finish::protect(&mut headers, Brought::NOTHING, hsts);
            finish::limit_fields(&mut headers, rate);
            headers
        });
        Dress { plain, counted }
    }
}

/// Puts on a response what every one wears, and what is told of the limit if `told`. An application may be stricter: where
/// it brought one of these fields itself, each is looked at.
pub(crate) fn put_on(exchange: &Exchange, headers: &mut HeaderMap, brought: Brought, told: bool) {
    let route = exchange.route().filter(|_| cfg!(feature = "fast") && !brought.has(Brought::WORN));
    let Some(dress) = route.and_then(|route| route.dress.as_ref()) else {
        headers.reserve(ROOM);
        finish::harden(exchange, headers, brought);
        if told {
            finish::rate_fields(exchange, headers);
        }
        return;
    };
    let id = (finish::X_REQUEST_ID, exchange.id.header());
    let worn = match (finish::counted(exchange).filter(|_| told), &dress.counted) {
        (Some([left, remaining, reset]), Some(counted)) => filled(counted, [id, left, remaining, reset]),
        _ => filled(&dress.plain, [id]),
    };
    let theirs = std::mem::replace(headers, worn);
    if !theirs.is_empty() {
        headers.extend(theirs);
    }
}

/// A copy, in which the fields of this request have their values. They stand first; should they ever not, they are looked
/// up.
fn filled<const N: usize>(dress: &HeaderMap, own: [(HeaderName, HeaderValue); N]) -> HeaderMap {
    let mut headers = dress.clone();
    if headers.keys().take(N).eq(own.iter().map(|(name, _)| name)) {
        for (place, (_, value)) in headers.values_mut().zip(own) {
            *place = value;
        }
    } else {
        for (name, value) in own {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_names_wherever_they_stand() {
        let own = || {
            [
                (finish::X_REQUEST_ID, HeaderValue::from_static("1")),
                (HeaderName::from_static("ratelimit"), HeaderValue::from_static("2")),
            ]
        };
        for names in
            [["x-request-id", "ratelimit", "x-frame-options"], ["x-frame-options", "x-request-id", "ratelimit"]]
        {
            let names = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("DENY")));
            let headers = filled(&HeaderMap::from_iter(names), own());
            let told = ["x-request-id", "ratelimit", "x-frame-options"].map(|name| headers.get(name).cloned());
            let expect = ["1", "2", "DENY"].map(|text| Some(HeaderValue::from_static(text)));
            assert_eq!((told, headers.len()), (expect, 3));
        }
    }
}
