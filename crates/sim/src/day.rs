//! A day on which nothing happens.

use palisade_event::{Code, Kind, Outcome};

use crate::world::visitor;
use crate::{Request, Rng};

/// Microseconds of a day.
pub const DAY_MICROS: u64 = 86_400_000_000;

/// How many requests an hour has, of all of a day.
const HOURS: [u64; 24] = [12, 8, 4, 3, 3, 6, 14, 28, 42, 52, 56, 58, 60, 58, 56, 56, 58, 60, 62, 64, 60, 48, 32, 20];

/// Notable things of a day, and how often each happens.
const NOTABLE: &[(Notable, u64)] = &[
    (Notable::Login, 3000),
    (Notable::LoginFailed, 240),
    (Notable::SessionOver, 700),
    (Notable::NotFound, 600),
    (Notable::Forbidden, 120),
    (Notable::Invalid, 260),
    (Notable::OverLimit, 60),
    (Notable::CsrfExpired, 90),
    (Notable::Fault, 140),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Notable {
    Login,
    LoginFailed,
    SessionOver,
    NotFound,
    Forbidden,
    Invalid,
    OverLimit,
    CsrfExpired,
    Fault,
}

pub(crate) const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
];
/// People who visit.
const VISITORS: u64 = 20_000;

/// Tells the requests of a quiet day that begins at `midnight`, in the order of their times; about `requests` of them.
pub fn quiet_day(seed: u64, midnight: u64, requests: u64, mut each: impl FnMut(Request)) {
    let mut rng = Rng::new(seed ^ midnight, "quiet day");
    let mut notable = notable(&mut rng, midnight);
    let of_all: u64 = HOURS.iter().sum();
    for (hour, weight) in (0_u64..).zip(HOURS) {
        let from = midnight + hour * 3_600_000_000;
        let count = (requests * weight / of_all).max(1);
        for number in 0..count {
            let step = 3_600_000_000 / count;
            let time = from + number * step + rng.below(step.max(1));
            while notable.last().is_some_and(|request| request.time <= time) {
                if let Some(request) = notable.pop() {
                    each(request);
                }
            }
            each(page(&mut rng, time));
        }
    }
    while let Some(request) = notable.pop() {
        each(request);
    }
}

/// Notable requests of the day, the last one first. What needs something before it (a token that was fetched and
/// expired) brings it along.
fn notable(rng: &mut Rng, midnight: u64) -> Vec<Request> {
    let of_all: u64 = HOURS.iter().sum();
    let mut all = Vec::new();
    for (what, count) in NOTABLE {
        for _ in 0..*count {
            let mut at = rng.below(of_all);
            let hour = HOURS.iter().position(|weight| match at.checked_sub(*weight) {
                None => true,
                Some(rest) => {
                    at = rest;
                    false
                }
            });
            let time = midnight + hour.unwrap_or_default() as u64 * 3_600_000_000 + rng.below(3_600_000_000);
            one(rng, *what, time, &mut all);
        }
    }
    all.retain(|request| request.time < midnight + DAY_MICROS);
    all.sort_by_key(|request| (std::cmp::Reverse(request.time), request.client));
    all
}

fn one(rng: &mut Rng, what: Notable, time: u64, all: &mut Vec<Request>) {
    let base = page(rng, time);
    let user = Some(u32::try_from(rng.below(8000)).unwrap_or_default());
    let login = Request {
        method: "POST",
        path: "/api/login".into(),
        query: None,
        route: "/api/login",
        kind: Kind::Login,
        status: 200,
        outcome: Some(Outcome::Success),
        ..base.clone()
    };
    let write = Request {
        method: "POST",
        path: "/api/contact".into(),
        query: None,
        route: "/api/contact",
        kind: Kind::PublicForm,
        ..base.clone()
    };
    let account = Request {
        path: "/api/account".into(),
        query: None,
        route: "/api/account",
        kind: Kind::ProtectedRead,
        ..base.clone()
    };
    let request = match what {
        Notable::Login => Request { user, ..login },
        Notable::LoginFailed => Request { status: 401, outcome: Some(Outcome::Failure), ..login },
        Notable::SessionOver => Request { status: 401, code: Some(Code::TokenExpired), ..account },
        Notable::NotFound => {
            Request { path: "/favicon.png".into(), query: None, route: "(undeclared)", status: 404, ..base }
        }
        Notable::Forbidden => Request { status: 403, code: Some(Code::ForbiddenPlan), user, ..account },
        Notable::Invalid => Request { status: 400, code: Some(Code::ValidationFailed), ..write },
        Notable::OverLimit => Request { status: 429, code: Some(Code::RateLimited), ..write },
        Notable::CsrfExpired => {
            all.push(csrf(&write, time.saturating_sub(600_000_000)));
            Request { status: 403, code: Some(Code::CsrfTokenExpired), ..write }
        }
        Notable::Fault => Request { status: 500, ..account },
    };
    all.push(request);
}

/// The fetch of a token by the same client.
pub(crate) fn csrf(like: &Request, time: u64) -> Request {
    Request {
        time,
        method: "GET",
        path: "/api/csrf".into(),
        query: None,
        route: "/api/csrf",
        kind: Kind::PublicRead,
        status: 200,
        code: None,
        outcome: None,
        ..like.clone()
    }
}

/// A page, a file or a list that loads.
pub(crate) fn page(rng: &mut Rng, time: u64) -> Request {
    let number = rng.below(VISITORS);
    let (client, country) = visitor(number);
    let user = number.is_multiple_of(3).then(|| u32::try_from(number).unwrap_or_default());
    let agent = usize::try_from(number % 4).ok().and_then(|at| AGENTS.get(at)).copied().unwrap_or_default();
    let (path, query, route, kind): (String, Option<String>, _, _) = match rng.below(10) {
        0..=3 => (format!("/_next/static/chunks/{:x}.js", rng.below(400)), None, "/_next/static/{*rest}", Kind::Static),
        4..=6 => (format!("/product/{}", rng.below(9000)), None, "/product/{id}", Kind::Page),
        7 => (String::from("/search"), Some(format!("q=red+shoes&page={}", rng.below(20))), "/search", Kind::Search),
        8 => (String::from("/api/items"), Some(format!("page={}", rng.below(50))), "/api/items", Kind::PublicRead),
        _ => (String::from("/"), None, "/", Kind::Page),
    };
    Request {
        time,
        client,
        country,
        method: "GET",
        path: path.into(),
        query: query.map(Into::into),
        route,
        kind,
        status: if kind == Kind::Static && rng.one_in(1, 4) { 304 } else { 200 },
        code: None,
        user,
        outcome: None,
        signals: 0,
        agent,
        bytes: u32::try_from(500 + rng.below(20_000)).unwrap_or_default(),
    }
}
