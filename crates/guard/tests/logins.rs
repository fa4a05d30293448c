//! Failed sign-ins: the attacks of SECURITY.md 14, played.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "support/gate.rs"]
mod support;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Request, Response};
use palisade_event::{Code, Kind, Outcome, Stage};
use palisade_guard::Fault;
use palisade_policy::{CsrfStrength, Environment, Limit, Method, Mode, Route, Success};
use support::{Gate, body, builder, from, post, route};

const PATH: &str = "/login";
const ATTACKER: &str = "203.0.113.66";
const VICTIM: &str = "198.51.100.10";

/// Limits out of the way, and no token, so that what refuses is what is tested.
fn login(success: Success) -> Route {
    Route {
        success: Some(success),
        identifier: Some("email".to_owned()),
        limit: Limit::parse("600/min").ok(),
        csrf: CsrfStrength::None,
        csrf_because: Some("a test".to_owned()),
        ..route(Method::Post, PATH, Kind::Login)
    }
}

fn gate() -> Gate {
    Gate::new(builder().route(login(Success::Status(302))))
}

fn attempt(address: &str, email: &str) -> Request<Bytes> {
    let text = format!("email={email}&password=x");
    body(from(address, post(PATH)).header("content-type", "application/x-www-form-urlencoded"), &text)
}

fn with_cookie(mut request: Request<Bytes>, cookie: &str) -> Request<Bytes> {
    request.headers_mut().insert("cookie", cookie.parse().expect("cookie"));
    request
}

fn answer(status: u16) -> impl FnOnce(&http::request::Parts) -> Response<Bytes> {
    move |_| Response::builder().status(status).body(Bytes::from_static(b"{}")).expect("response")
}

fn fails(gate: &Gate, address: &str, email: &str) -> support::Outcome {
    gate.send_to(attempt(address, email), answer(401))
}

/// Signs in; the cookie by which the browser is known from then on.
fn signs_in(gate: &Gate, address: &str, email: &str) -> String {
    let outcome = gate.send_to(attempt(address, email), answer(302));
    assert_eq!(outcome.status(), 302);
    outcome.header("set-cookie").split(';').next().expect("cookie").to_owned()
}

#[test]
fn of_a_hundred_guesses_at_once_no_more_reach_the_application_than_may_fail() {
    let gate = gate();
    // None of them is answered before all of them are decided.
    let decided: Vec<_> = (0..100)
        .map(|_| {
            let (head, body) = attempt(ATTACKER, "anna").into_parts();
            gate.decide(&head, &body)
        })
        .collect();
    assert_eq!(decided.iter().filter(|decision| decision.is_ok()).count(), 10);
    let denied = decided.into_iter().find_map(Result::err).and_then(|answer| answer.denial()).expect("a denial");
    assert_eq!((denied.code(), denied.stage()), (Code::LoginLocked, Stage::Claim));
    let refused = fails(&gate, ATTACKER, "anna");
    assert_eq!((refused.status(), refused.header("retry-after")), (403, "360"));
    assert_eq!(refused.json()["code"], "login-locked");
}

#[test]
fn an_attacker_locks_itself_out_and_nobody_else() {
    let gate = gate();
    let known = signs_in(&gate, VICTIM, "anna");
    for _ in 0..30 {
        fails(&gate, ATTACKER, "anna");
    }
    assert_eq!(fails(&gate, ATTACKER, "anna").code(), Some(Code::LoginLocked));
    assert!(gate.send_to(attempt(VICTIM, "anna"), answer(302)).admitted(), "from another address");
    let same_address = with_cookie(attempt(ATTACKER, "anna"), &known);
    assert!(gate.send_to(same_address, answer(302)).admitted(), "from the attacker's, by the browser that is known");
    assert!(fails(&gate, ATTACKER, "bert").admitted(), "another account is another count");
}

#[test]
fn guesses_from_many_addresses_slow_strangers_and_never_a_known_browser() {
    let gate = gate();
    let known = signs_in(&gate, VICTIM, "anna");
    for host in 1..=20 {
        fails(&gate, &format!("203.0.113.{host}"), "anna");
    }
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 0);
    let slowed = fails(&gate, "203.0.113.99", "anna");
    assert!(slowed.admitted(), "an account's own limit never refuses");
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 1);
    assert!(gate.send_to(with_cookie(attempt(VICTIM, "anna"), &known), answer(302)).admitted());
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 1, "a known browser does not wait");
    fails(&gate, "203.0.113.99", "bert");
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 1, "nor does another account");
}

#[test]
fn spellings_of_an_account_share_a_count() {
    let gate = gate();
    let spellings =
        ["anna@x.example", "ANNA@x.example", "%20anna@X.example%20", "%EF%BD%81nna@x.example", "anna%40x.example"];
    for index in 0..10 {
        assert!(fails(&gate, ATTACKER, spellings[index % spellings.len()]).admitted());
    }
    for spelling in spellings {
        assert_eq!(fails(&gate, ATTACKER, spelling).code(), Some(Code::LoginLocked), "{spelling}");
    }
}

#[test]
fn a_success_gives_back_its_own_attempt_and_no_other() {
    let gate = gate();
    for _ in 0..50 {
        signs_in(&gate, VICTIM, "anna");
    }
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 0);
    // An account of one's own in between buys no guesses at another, nor at itself.
    for _ in 0..9 {
        fails(&gate, ATTACKER, "anna");
        signs_in(&gate, ATTACKER, "mallory");
    }
    signs_in(&gate, ATTACKER, "anna");
    fails(&gate, ATTACKER, "anna");
    assert_eq!(fails(&gate, ATTACKER, "anna").code(), Some(Code::LoginLocked));
}

#[test]
fn without_a_named_account_failures_are_counted_by_client() {
    let gate = Gate::new(builder().route(Route { identifier: None, ..login(Success::Status(302)) }));
    for index in 0..10 {
        assert!(fails(&gate, ATTACKER, &format!("user{index}")).admitted());
    }
    assert_eq!(fails(&gate, ATTACKER, "user99").code(), Some(Code::LoginLocked));
    let victim = gate.send_to(attempt(VICTIM, "user1"), answer(302));
    assert!(victim.admitted());
    assert_eq!(victim.header("set-cookie"), "", "no account, nothing to be known to");
}

#[test]
fn stuffing_over_many_accounts_is_held_by_the_rate() {
    let gate = Gate::new(builder().route(Route { limit: Limit::parse("5/min").ok(), ..login(Success::Status(302)) }));
    let reached = (0..100).filter(|index| fails(&gate, ATTACKER, &format!("user{index}")).admitted()).count();
    assert_eq!(reached, 5);
    let refused = fails(&gate, ATTACKER, "user100");
    assert_eq!((refused.code(), refused.stage()), (Some(Code::RateLimited), Some(Stage::Rate)));
}

#[test]
fn the_device_cookie_is_bound_dated_signed_and_the_gates_alone() {
    let gate = gate();
    let outcome = gate.send_to(with_cookie(attempt(VICTIM, "anna"), "a=1"), answer(302));
    let line = outcome.header("set-cookie").to_owned();
    assert!(line.starts_with("__Host-palisade-device="), "{line}");
    assert!(line.ends_with("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure"), "{line}");
    assert_eq!(outcome.header("cache-control"), "no-store");
    let known = line.split(';').next().expect("cookie").to_owned();
    let again = gate.send_to(with_cookie(attempt(VICTIM, "anna"), &format!("a=1; {known}; b=2")), answer(302));
    assert_eq!(again.up("cookie"), Some("a=1; b=2"), "the application does not see it");
    assert_ne!(again.header("set-cookie").split(';').next(), Some(known.as_str()), "a new one at each success");
    assert_eq!(fails(&gate, VICTIM, "bert").header("set-cookie"), "", "a failure makes nothing known");

    for _ in 0..10 {
        fails(&gate, ATTACKER, "anna");
        fails(&gate, ATTACKER, "carl");
    }
    let tampered = format!("{}AAAA", &known[..known.len() - 4]);
    for (email, cookie) in [("carl", known.as_str()), ("anna", &tampered), ("anna", "__Host-palisade-device=x")] {
        let refused = gate.send(with_cookie(attempt(ATTACKER, email), cookie));
        assert_eq!(refused.code(), Some(Code::LoginLocked), "{email} {cookie}");
    }
    // A stolen cookie has a count of its own, and an end.
    let stolen = || with_cookie(attempt(ATTACKER, "anna"), &known);
    let reached = (0..30).filter(|_| gate.send_to(stolen(), answer(401)).admitted()).count();
    assert_eq!(reached, 10);
    let later = Gate { seconds: gate.seconds + 91 * 86_400, ..gate };
    let full = (0..10).filter(|_| fails(&later, ATTACKER, "anna").admitted()).count();
    assert_eq!(full, 10);
    assert_eq!(later.send(stolen()).code(), Some(Code::LoginLocked), "after three months it is a stranger's");
}

#[test]
fn what_the_application_never_judged_is_given_back_but_not_for_ever() {
    let gate = gate();
    let breaks = |gate: &Gate| gate.send_to(attempt(ATTACKER, "anna"), answer(500));
    let first = breaks(&gate);
    assert_eq!(first.record.event().outcome, Some(Outcome::Unknown));
    let reached = (1..100).filter(|_| breaks(&gate).admitted()).count() + 1;
    assert_eq!(reached, 20, "ten for nothing, then each counts");
    // An honest visitor of an application that is down for a while keeps its tries.
    for _ in 0..5 {
        let (head, body) = attempt(VICTIM, "anna").into_parts();
        let admitted = gate.decide(&head, &body).expect("admitted");
        let (_, _, record, _) = admitted.fail(Fault::Unreachable, &gate.env());
        assert_eq!(record.event().outcome, Some(Outcome::Unknown));
    }
    assert_eq!((0..30).filter(|_| fails(&gate, VICTIM, "anna").admitted()).count(), 10);
}

#[test]
fn a_body_that_the_client_broke_off_is_no_free_guess() {
    let gate = Gate::new(builder().route(Route { identifier: None, ..login(Success::Status(302)) }));
    let reached = (0..30)
        .filter(|_| {
            let (head, body) = attempt(ATTACKER, "anna").into_parts();
            let admitted = gate.decide(&head, &body);
            admitted.map(|admitted| admitted.fail(Fault::BodyBroken, &gate.env())).is_ok()
        })
        .count();
    assert_eq!(reached, 10);
}

#[test]
fn only_the_declared_success_is_one() {
    let told = |success: Success, status: u16, headers: &[(&str, &str)], text: &str| {
        let gate = Gate::new(builder().route(login(success)));
        let outcome = gate.send_to(attempt(VICTIM, "anna"), |head| {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            assert!(!head.headers.contains_key("x-palisade-device"));
            response.body(Bytes::copy_from_slice(text.as_bytes())).expect("response")
        });
        assert_eq!(outcome.response.body(), text, "the answer goes on as it was");
        outcome.record.event().outcome == Some(Outcome::Success)
    };
    let home = || Success::Location("/home".to_owned());
    assert!(told(home(), 302, &[("location", "/home")], ""));
    assert!(told(home(), 303, &[("location", "https://shop.example/home")], ""));
    assert!(!told(home(), 302, &[("location", "/home?error=1")], ""), "many tell a failure so");
    assert!(!told(home(), 302, &[("location", "https://evil.example/home")], ""));
    assert!(!told(home(), 200, &[("location", "/home")], ""));
    assert!(!told(home(), 302, &[("location", "/home"), ("location", "/login")], ""));
    let ok = || Success::Pointer("/user/ok".to_owned());
    let json = ("content-type", "application/json; charset=utf-8");
    assert!(told(ok(), 200, &[json], r#"{"user":{"ok":true}}"#));
    assert!(!told(ok(), 200, &[json], r#"{"user":{"ok":"true"}}"#));
    assert!(!told(ok(), 200, &[json], r#"{"user":{"ok":false}}"#));
    assert!(!told(ok(), 200, &[json], r#"{"user":{"ok":true}"#));
    assert!(!told(ok(), 401, &[json], r#"{"user":{"ok":true}}"#));
    assert!(!told(ok(), 200, &[json, ("content-encoding", "gzip")], r#"{"user":{"ok":true}}"#));
    assert!(!told(ok(), 200, &[("content-type", "text/html")], r#"{"user":{"ok":true}}"#));
    assert!(told(Success::Status(200), 200, &[], "") && !told(Success::Status(200), 201, &[], ""));
}

#[test]
fn an_answer_that_must_be_read_is_asked_for_uncompressed() {
    let gate = Gate::new(builder().route(login(Success::Pointer("/ok".to_owned()))));
    let mut request = attempt(VICTIM, "anna");
    request.headers_mut().insert("accept-encoding", "gzip, br".parse().expect("value"));
    assert_eq!(gate.send(request).up("accept-encoding"), Some("identity"));
}

#[test]
fn a_body_that_names_no_account_is_refused_before_it_counts() {
    let gate = gate();
    let send = |content_type: &str, text: &str| {
        gate.send(body(from(ATTACKER, post(PATH)).header("content-type", content_type), text))
    };
    for text in ["email=a&email=b", "email=a&Email=b", "email[]=a", "password=x", "email=%20"] {
        let refused = send("application/x-www-form-urlencoded", text);
        assert_eq!((refused.code(), refused.stage()), (Some(Code::ValidationFailed), Some(Stage::Body)), "{text}");
        assert!(refused.json()["details"]["/email"].is_string());
    }
    for text in [r#"{"email":["a"]}"#, r#"{"email":"a","EMAIL":"b"}"#] {
        assert_eq!(send("application/json", text).code(), Some(Code::ValidationFailed), "{text}");
    }
    assert_eq!(send("application/json", r#"{"email":"a","email":"b"}"#).code(), Some(Code::BodyMalformed));
    assert_eq!(send("text/plain", r#"{"email":"a"}"#).code(), Some(Code::MediaType));
    assert_eq!(send("application/json", "").code(), Some(Code::MediaType));
    let query = body(post("/login?email=b").header("content-type", "application/x-www-form-urlencoded"), "email=a");
    assert_eq!(gate.send(query).code(), Some(Code::ValidationFailed));
    assert_eq!((0..30).filter(|_| fails(&gate, ATTACKER, "a").admitted()).count(), 10, "none of them counted");
}

#[test]
fn a_refused_token_costs_no_attempt_and_a_lock_no_token() {
    let strict = Route { csrf: CsrfStrength::Token, csrf_because: None, ..login(Success::Status(302)) };
    let gate = Gate::new(builder().route(strict));
    let (cookie, token) = gate.token();
    let send = |token: &str, status| {
        let mut request = with_cookie(attempt(ATTACKER, "anna"), &cookie);
        request.headers_mut().insert("x-csrf-token", token.parse().expect("token"));
        request.headers_mut().insert("sec-fetch-site", "same-origin".parse().expect("value"));
        gate.send_to(request, answer(status))
    };
    let mut next = send(&token, 401).header("x-csrf-token").to_owned();
    for _ in 0..30 {
        assert_eq!(send(&token, 401).code(), Some(Code::CsrfTokenReused));
    }
    for _ in 1..10 {
        let outcome = send(&next, 401);
        assert!(outcome.admitted(), "{:?}", outcome.code());
        next = outcome.header("x-csrf-token").to_owned();
    }
    assert_eq!(send(&next, 401).code(), Some(Code::LoginLocked));
    let gate = Gate { seconds: gate.seconds + 400, ..gate };
    let mut request = with_cookie(attempt(ATTACKER, "anna"), &cookie);
    request.headers_mut().insert("x-csrf-token", next.parse().expect("token"));
    request.headers_mut().insert("sec-fetch-site", "same-origin".parse().expect("value"));
    assert!(gate.send_to(request, answer(302)).admitted(), "the token of the refused attempt is still good");
}

#[test]
fn events_tell_the_outcome_and_never_the_account() {
    let gate = gate();
    let line = |outcome: &support::Outcome| {
        let mut line = Vec::new();
        outcome.record.event().encode(&mut line);
        String::from_utf8(line).expect("text")
    };
    let failed = line(&fails(&gate, ATTACKER, "anna-secret"));
    assert!(failed.contains(r#""event.outcome":"failure""#) && !failed.contains("anna-secret"), "{failed}");
    let fine = line(&gate.send_to(attempt(VICTIM, "anna-secret"), answer(302)));
    assert!(fine.contains(r#""event.outcome":"success""#) && !fine.contains("anna-secret"), "{fine}");
    (0..10).for_each(|_| drop(fails(&gate, ATTACKER, "anna-secret")));
    let locked = line(&fails(&gate, ATTACKER, "anna-secret"));
    assert!(locked.contains("login-locked") && !locked.contains("event.outcome"), "{locked}");
}

#[test]
fn observing_a_locked_client_is_noted_and_passes_without_delay() {
    let gate = Gate::new(builder().route(Route { mode: Mode::Observe, ..login(Success::Status(302)) }));
    let outcomes: Vec<_> = (0..40).map(|_| fails(&gate, ATTACKER, "anna")).collect();
    assert!(outcomes.iter().all(support::Outcome::admitted));
    assert_eq!(outcomes[39].code(), Some(Code::LoginLocked));
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 0);
}

/// The account `admin` of the shop is the attacker's own; that of the office behind the other route, or under the other
/// host, is not. Each sign-in to the shop gave a browser known to "admin", with a fresh count of ten guesses.
#[test]
fn a_browser_known_to_one_site_is_a_stranger_to_the_others() {
    let origins = vec![support::origin("https://shop.example"), support::origin("https://office.example")];
    let builder = palisade_policy::Policy::builder("shop", origins).environment(Environment::Production);
    let gate = Gate::new(
        builder
            .route(login(Success::Status(302)))
            .route(Route { path: "/office/login".to_owned(), ..login(Success::Status(302)) }),
    );
    let guess = |path: &str, host: &str, cookie: &str| {
        let request = post(path).header("content-type", "application/x-www-form-urlencoded").header("cookie", cookie);
        let mut request = body(from(ATTACKER, request), "email=admin&password=x");
        request.headers_mut().insert("host", host.parse().expect("host"));
        gate.send_to(request, answer(401)).admitted()
    };
    for (path, host) in [("/office/login", "shop.example"), (PATH, "office.example")] {
        let reached = (0..20).filter(|_| guess(path, host, &signs_in(&gate, VICTIM, "admin"))).count();
        assert_eq!(reached, 10, "guesses at {host}{path}");
    }
}

/// Where the application tells `ANNA` from `anna`, the one may be the attacker's: its sign-ins bought guesses at the
/// other, for both share a count.
#[test]
fn a_browser_known_to_one_spelling_is_a_stranger_to_the_others() {
    let gate = gate();
    let reached = (0..20).filter(|_| {
        let own = signs_in(&gate, VICTIM, "ANNA");
        gate.send_to(with_cookie(attempt(ATTACKER, "anna"), &own), answer(401)).admitted()
    });
    assert_eq!(reached.count(), 10);
}

/// A place to wait was taken before the token was looked at, and given back with the attempt: with a token that is used
/// up, a few addresses kept every new browser of an account waiting for ever.
#[test]
fn a_used_token_waits_in_nobodys_place() {
    let strict = Route { csrf: CsrfStrength::Token, csrf_because: None, ..login(Success::Status(302)) };
    let gate = Gate::new(builder().route(strict));
    let (cookie, token) = gate.token();
    let send = |address: &str, cookie: &str, token: &str| {
        let mut request = with_cookie(attempt(address, "anna"), cookie);
        request.headers_mut().insert("x-csrf-token", token.parse().expect("token"));
        request.headers_mut().insert("sec-fetch-site", "same-origin".parse().expect("value"));
        gate.send_to(request, answer(401))
    };
    for host in 1..=20 {
        let (cookie, token) = gate.token();
        assert!(send(&format!("203.0.113.{host}"), &cookie, &token).admitted());
    }
    assert!(send("203.0.113.99", &cookie, &token).admitted());
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 1, "a stranger's attempt waits");
    for _ in 0..30 {
        assert_eq!(send("203.0.113.98", &cookie, &token).code(), Some(Code::CsrfTokenReused));
    }
    assert_eq!(gate.pauses.load(Ordering::Relaxed), 1, "and one that is refused does not");
}
