//! A day with every pattern of the operations guide once, and who did it.

use std::io::Write as _;

use palisade_event::{Code, Kind, Outcome, Signal};

use crate::day::{csrf, page, quiet_day};
use crate::world::{COMMON, NEW, UNUSUAL, stranger};
use crate::{Request, Rng};

/// A pattern of the guide, by the row of the mission that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// `E1` to `E23`; where a row has several rules, with a word behind it.
    pub id: &'static str,
    /// Whether an access log in combined format says enough to see it. Those of CSRF are told apart from other 403s by
    /// the gate's code only; a region needs a database of addresses.
    pub combined: bool,
}

/// What is true of a pattern in the attack day.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Which one.
    pub pattern: Pattern,
    /// Its first request.
    pub from: u64,
    /// Its last.
    pub to: u64,
    /// How many requests it has.
    pub requests: u64,
    /// Who did it, the first of them if they are many.
    pub clients: Vec<String>,
}

/// How the requests of a pattern are spread.
struct Shape {
    pattern: Pattern,
    /// Minutes after midnight.
    at: u64,
    /// Seconds it takes.
    seconds: u64,
    /// Clients.
    clients: u64,
    /// Requests of all of them.
    requests: u64,
    make: fn(&Request, u64) -> Request,
}

const fn pattern(id: &'static str, combined: bool) -> Pattern {
    Pattern { id, combined }
}

#[rustfmt::skip]
const SHAPES: &[Shape] = &[
    Shape { pattern: pattern("E13", true), at: 205, seconds: 600, clients: 80, requests: 160, make: |r, n| Request { user: Some(u32::try_from(n).unwrap_or_default()), outcome: Some(Outcome::Success), ..login(r) } },
    Shape { pattern: pattern("E1", true), at: 420, seconds: 60, clients: 1, requests: 45, make: |r, _| over_limit(&search(r)) },
    Shape { pattern: pattern("E2", true), at: 440, seconds: 60, clients: 60, requests: 240, make: |r, _| over_limit(&search(r)) },
    Shape { pattern: pattern("E3", true), at: 460, seconds: 240, clients: 1, requests: 20, make: |r, _| over_limit(&login(r)) },
    Shape { pattern: pattern("E4", false), at: 480, seconds: 200, clients: 1, requests: 14, make: |r, _| refused(&form(r), Code::CsrfTokenInvalid) },
    Shape { pattern: pattern("E5", false), at: 500, seconds: 280, clients: 6, requests: 120, make: |r, _| refused(&form(r), Code::CsrfTokenInvalid) },
    Shape { pattern: pattern("E6", false), at: 520, seconds: 400, clients: 1, requests: 6, make: |r, _| refused(&form(r), Code::CsrfTokenMissing) },
    Shape { pattern: pattern("E7", true), at: 540, seconds: 280, clients: 24, requests: 260, make: |r, _| refused(&account(r), Code::AuthRequired) },
    Shape { pattern: pattern("E8", true), at: 560, seconds: 280, clients: 30, requests: 240, make: |r, _| refused(&account(r), Code::ForbiddenRole) },
    Shape { pattern: pattern("E9", true), at: 580, seconds: 400, clients: 1, requests: 24, make: |r, n| refused(&Request { path: format!("/api/users/{n}").into(), route: "/api/users/{user}", ..account(r) }, if n < 12 { Code::AuthRequired } else { Code::ForbiddenOwner }) },
    Shape { pattern: pattern("E10", true), at: 610, seconds: 300, clients: 40, requests: 200, make: |r, _| Request { status: 500, ..account(r) } },
    Shape { pattern: pattern("E11-invalid", true), at: 640, seconds: 280, clients: 8, requests: 220, make: |r, _| refused(&form(r), Code::ValidationFailed) },
    Shape { pattern: pattern("E11-xss", true), at: 660, seconds: 200, clients: 1, requests: 8, make: |r, n| probe(&search(r), format!("q=%3Cscript%3Ealert({n})%3C%2Fscript%3E"), Signal::Xss) },
    Shape { pattern: pattern("E11-sql", true), at: 680, seconds: 200, clients: 1, requests: 8, make: |r, n| probe(&search(r), format!("q=1%27+UNION+SELECT+{n},password+FROM+users--+-"), Signal::SqlInjection) },
    Shape { pattern: pattern("E11-length", true), at: 700, seconds: 200, clients: 1, requests: 8, make: |r, n| probe(&search(r), format!("q={}{n}", "a".repeat(5000)), Signal::ExcessiveLength) },
    Shape { pattern: pattern("E12-errors", false), at: 720, seconds: 280, clients: 8, requests: 60, make: |r, _| Request { status: 404, path: "/old".into(), route: "(undeclared)", query: None, ..r.clone() } },
    Shape { pattern: pattern("E12-new", false), at: 740, seconds: 600, clients: 20, requests: 100, make: |r, n| Request { user: Some(u32::try_from(9000 + n % 20).unwrap_or_default()), status: 200, ..account(r) } },
    Shape { pattern: pattern("E14", false), at: 770, seconds: 280, clients: 30, requests: 60, make: |r, _| refused(&form(r), Code::CsrfTokenInvalid) },
    Shape { pattern: pattern("E15", true), at: 800, seconds: 60, clients: 40, requests: 170, make: |r, _| Request { status: 401, outcome: Some(Outcome::Failure), ..login(r) } },
    Shape { pattern: pattern("E17", true), at: 830, seconds: 10_800, clients: 1, requests: 72, make: |r, _| Request { status: 401, outcome: Some(Outcome::Failure), ..login(r) } },
    Shape { pattern: pattern("E18", true), at: 860, seconds: 280, clients: 10, requests: 14, make: |r, _| Request { method: "POST", path: "/api/orders".into(), route: "/api/orders", kind: Kind::Payment, status: 502, code: Some(Code::UpstreamUnreachable), query: None, ..r.clone() } },
    Shape { pattern: pattern("E19", true), at: 880, seconds: 60, clients: 1, requests: 9, make: exploit },
    Shape { pattern: pattern("E20", true), at: 910, seconds: 480, clients: 300, requests: 800, make: |r, _| Request { status: 503, ..account(r) } },
    Shape { pattern: pattern("E21", true), at: 940, seconds: 60, clients: 13, requests: 150, make: |r, _| over_limit(&search(r)) },
    Shape { pattern: pattern("E22", true), at: 970, seconds: 60, clients: 50, requests: 90, make: |r, _| Request { status: 500, ..account(r) } },
    Shape { pattern: pattern("E23", false), at: 1000, seconds: 100, clients: 1, requests: 6, make: |r, _| refused(&form(r), Code::CsrfTokenReused) },
    // Many a day: more than the weeks before by any measure.
    Shape { pattern: pattern("E16", true), at: 1020, seconds: 14_400, clients: 240, requests: 2400, make: |r, _| over_limit(&search(r)) },
];

/// Tells the requests of the attack day that begins at `midnight`, in the order of their times: about `requests` of people,
/// and every pattern once. Gives what is true of it.
pub fn attack_day(seed: u64, midnight: u64, requests: u64, mut each: impl FnMut(Request)) -> Vec<Truth> {
    let mut attacks = Vec::new();
    let mut truths: Vec<_> =
        (0_u64..).zip(SHAPES).map(|(at, shape)| shape.play(seed, midnight, at, &mut attacks)).collect();
    truths.sort_by_key(|truth| truth.pattern);
    attacks.sort_by_key(|request| std::cmp::Reverse((request.time, request.client)));
    quiet_day(seed, midnight, requests, |request| {
        while attacks.last().is_some_and(|attack| attack.time <= request.time) {
            attacks.pop().into_iter().for_each(&mut each);
        }
        each(request);
    });
    while let Some(attack) = attacks.pop() {
        each(attack);
    }
    truths
}

// === impl Shape ===

impl Shape {
    fn play(&self, seed: u64, midnight: u64, number: u64, all: &mut Vec<Request>) -> Truth {
        let Shape { pattern, at, seconds, clients, requests, make } = self;
        let mut rng = Rng::new(seed, pattern.id);
        let from = midnight + at * 60_000_000;
        let country = match pattern.id {
            "E12-errors" => UNUSUAL,
            "E12-new" => NEW,
            _ => COMMON,
        };
        let step = seconds * 1_000_000 / requests;
        let (mut last, mut names) = (from, Vec::new());
        for n in 0..*requests {
            // Not a stranger's client of another pattern.
            let (client, country) = stranger(country, number * 400 + n % clients);
            last = from + n * step + rng.below(step.max(1));
            let base = Request { client, country, user: None, agent: "python-requests/2.32", ..page(&mut rng, last) };
            let request = make(&base, n);
            let fetched = matches!(request.code, Some(Code::CsrfTokenInvalid | Code::CsrfTokenReused)) && n < *clients;
            if fetched {
                all.push(csrf(&request, from.saturating_sub(30_000_000 - n * 1000)));
            }
            all.push(request);
            let name = client.to_string();
            if names.len() < 5 && !names.contains(&name) {
                names.push(name);
            }
        }
        Truth { pattern: *pattern, from, to: last, requests: *requests, clients: names }
    }
}

// === impl Truth ===

impl Truth {
    /// Appends it as one JSON object and a line feed.
    pub fn encode(&self, line: &mut Vec<u8>) {
        let Truth { pattern: Pattern { id, combined }, from, to, requests, clients } = self;
        let clients = clients.iter().map(|client| format!("\"{client}\"")).collect::<Vec<_>>().join(",");
        let _ = writeln!(
            line,
            "{{\"pattern\":\"{id}\",\"combined\":{combined},\"from_micros\":{from},\"to_micros\":{to},\
             \"requests\":{requests},\"clients\":[{clients}]}}"
        );
    }
}

fn search(like: &Request) -> Request {
    Request {
        path: "/search".into(),
        query: Some("q=a".into()),
        route: "/search",
        kind: Kind::Search,
        status: 200,
        ..like.clone()
    }
}

fn login(like: &Request) -> Request {
    let (path, route) = ("/api/login".into(), "/api/login");
    Request { method: "POST", path, query: None, route, kind: Kind::Login, status: 200, ..like.clone() }
}

fn form(like: &Request) -> Request {
    let (path, route) = ("/api/contact".into(), "/api/contact");
    Request { method: "POST", path, query: None, route, kind: Kind::PublicForm, status: 200, ..like.clone() }
}

fn account(like: &Request) -> Request {
    let (path, route) = ("/api/account".into(), "/api/account");
    Request { path, query: None, route, kind: Kind::ProtectedRead, status: 200, ..like.clone() }
}

fn refused(like: &Request, code: Code) -> Request {
    Request { status: code.status(), code: Some(code), ..like.clone() }
}

fn over_limit(like: &Request) -> Request {
    refused(like, Code::RateLimited)
}

fn probe(like: &Request, query: String, signal: Signal) -> Request {
    Request { query: Some(query.into()), signals: signal.bit(), status: 200, ..like.clone() }
}

fn exploit(like: &Request, n: u64) -> Request {
    let paths = ["/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/", "/.aws/credentials", "/actuator/env"];
    let path = usize::try_from(n).ok().and_then(|at| paths.get(at % paths.len())).copied().unwrap_or("/.env");
    // One of them is there.
    let status = if n == 7 { 200 } else { 404 };
    let (query, signals) = (None, Signal::KnownExploit.bit());
    Request { path: path.into(), query, route: "(undeclared)", kind: Kind::Page, status, signals, ..like.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FIRST_DAY;

    fn lines(seed: u64) -> (Vec<u8>, Vec<u8>, Vec<Truth>) {
        let (mut gate, mut combined, mut last) = (Vec::new(), Vec::new(), 0);
        let truths = attack_day(seed, FIRST_DAY, 20_000, |request| {
            assert!(request.time >= last, "in the order of time");
            last = request.time;
            request.gate_line(&mut gate);
            request.combined_line(&mut combined);
        });
        (gate, combined, truths)
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_another_others() {
        let one = lines(1);
        assert_eq!(one, lines(1));
        assert_ne!(one.0, lines(2).0);
        let count = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(count(&one.0), count(&one.1));
    }

    #[test]
    fn every_pattern_is_there_once() {
        let (.., truths) = lines(1);
        let mut rows: Vec<_> =
            truths.iter().map(|truth| truth.pattern.id.split('-').next().unwrap_or_default()).collect();
        rows.sort_by_key(|row| row.trim_start_matches('E').parse::<u32>().unwrap_or_default());
        rows.dedup();
        let expect: Vec<_> = (1..=23).map(|row| format!("E{row}")).collect();
        assert_eq!(rows, expect);
        let mut text = Vec::new();
        truths.iter().for_each(|truth| truth.encode(&mut text));
        for line in String::from_utf8(text).expect("utf-8").lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("json");
        }
    }

    #[test]
    fn lines_of_the_gate_read_back_as_what_they_say() {
        let mut checked = 0;
        attack_day(3, FIRST_DAY, 2000, |request| {
            let mut line = Vec::new();
            request.gate_line(&mut line);
            assert_eq!(palisade_event::decode(&line), Ok(request.seen()));
            checked += 1;
        });
        assert!(checked > 2000);
    }
}
