//! Failed sign-ins are counted over all gates that share a server, as with one gate (SECURITY.md 14, 15).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

use std::time::{Duration, Instant};

use palisade_event::Kind;
use palisade_policy::{Clients, CsrfStrength, ForwardingHeader, Method, PolicyBuilder, Route, SIGN_IN, Success};
use palisade_testkit::{
    Client, HOST, Redis, Reply, Response, RunningGate, Upstream, builder, eventually, route, shared_state,
};

/// Long enough that a busy machine is no outage.
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTACKER: &str = "203.0.113.66";

/// `/login` counts by account; `/token` as well, and wants a token; nothing else limits.
fn policy() -> PolicyBuilder {
    let proxies = vec!["127.0.0.0/8".parse().expect("net")];
    let login = |path: &str| Route {
        limit: None,
        success: Some(Success::Status(302)),
        identifier: Some("email".to_owned()),
        ..route(path, Kind::Login, &[Method::Post])
    };
    let bare = Route {
        csrf: CsrfStrength::None,
        csrf_because: Some("it is looked at by other tests".to_owned()),
        ..login("/login")
    };
    builder()
        .clients(Clients { trusted_proxies: proxies, header: ForwardingHeader::XForwardedFor })
        .state(shared_state(TIMEOUT))
        .route(bare)
        .route(login("/token"))
}

/// Lets in whose password is `right`, and fails over `broken`.
fn application() -> Upstream {
    Upstream::start(|exchange| {
        let body = exchange.body();
        let has = |word: &str| String::from_utf8_lossy(&body).contains(word);
        let status = if has("password=right") { 302 } else { if has("password=broken") { 500 } else { 401 } };
        exchange.reply(status, &[], "");
    })
}

fn pair(upstream: &Upstream, redis: &Redis) -> [RunningGate; 2] {
    let gates = [(); 2].map(|()| RunningGate::sharing(policy(), &upstream.origin(), 1, &redis.url()));
    redis.wait_for_gates(2);
    gates
}

fn request(path: &str, client: &str, account: &str, password: &str, more: &str) -> String {
    let body = format!("email={account}&password={password}");
    format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nX-Forwarded-For: {client}\r\n{more}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(to: &mut Client, request: &str) -> Response {
    to.send(request);
    to.response()
}

fn guess(to: &mut Client, client: &str, password: &str) -> Response {
    answer(to, &request("/login", client, "anna", password, ""))
}

/// What the server keeps of attempts.
fn counts(redis: &Redis) -> Vec<Reply> {
    match redis.ask(&["KEYS", "palisade:{*:f:*"]) {
        Reply::List(keys) => keys,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_attacker_that_changes_gates_is_locked_out_as_by_one_and_asks_nobody_then() {
    let redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    let mut lines = [gates[0].client(), gates[1].client()];
    let lock = usize::try_from(SIGN_IN.lock.count).expect("small");
    for turn in 0..lock {
        assert_eq!(guess(&mut lines[turn % 2], ATTACKER, "wrong").status, 401, "{turn}");
    }
    for line in &mut lines {
        let refused = guess(line, ATTACKER, "right");
        assert_eq!((refused.status, refused.code().as_str()), (403, "login-locked"));
        let retry: u64 = refused.field("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((300..=360).contains(&retry), "{retry}");
    }
    assert_eq!(upstream.requests().len(), lock);
    let before = redis.scripts_run();
    for turn in 0..200 {
        assert_eq!(guess(&mut lines[turn % 2], ATTACKER, "right").status, 403);
    }
    // What is left are the gates' signs of life.
    let asked = redis.scripts_run() - before;
    assert!(asked <= 20, "{asked} scripts");
    assert_eq!(guess(&mut lines[1], "198.51.100.1", "right").status, 302, "somebody else is not locked out");
}

#[test]
fn of_guesses_at_once_over_two_gates_no_more_pass_than_may_fail() {
    let redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    let mut lines: Vec<Client> = (0..40).map(|turn| gates[turn % 2].client()).collect();
    let text = request("/login", ATTACKER, "anna", "wrong", "");
    for line in &mut lines {
        line.send(&text);
    }
    let passed = lines.iter_mut().map(Client::response).filter(|answer| answer.status == 401).count();
    assert_eq!(passed, usize::try_from(SIGN_IN.lock.count).expect("small"));
}

#[test]
fn an_account_guessed_at_through_two_gates_slows_strangers_at_both() {
    let redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    let mut lines = [gates[0].client(), gates[1].client()];
    let slow = usize::try_from(SIGN_IN.slow.count).expect("small");
    for turn in 0..slow {
        let client = format!("203.0.113.{turn}");
        assert_eq!(guess(&mut lines[turn % 2], &client, "wrong").status, 401, "{turn}");
    }
    let began = Instant::now();
    for (line, client) in lines.iter_mut().zip(["198.51.100.1", "198.51.100.2"]) {
        line.send(request("/login", client, "anna", "wrong", ""));
    }
    for line in &mut lines {
        assert_eq!(line.response().status, 401);
    }
    assert!(began.elapsed() >= SIGN_IN.pause, "{:?}", began.elapsed());
}

#[test]
fn a_success_through_one_gate_costs_nothing_at_the_other() {
    let redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    let mut lines = [gates[0].client(), gates[1].client()];
    for _ in 0..20 {
        assert_eq!(guess(&mut lines[1], ATTACKER, "right").status, 302);
    }
    eventually("what succeeded is forgotten", || counts(&redis).is_empty());
    for _ in 0..SIGN_IN.lock.count - 1 {
        assert_eq!(guess(&mut lines[0], ATTACKER, "wrong").status, 401);
    }
    // One is left, which the other gate charges and gives back, as often as it likes.
    for _ in 0..5 {
        let held = counts(&redis).len();
        assert_eq!((guess(&mut lines[1], ATTACKER, "right").status, held), (302, 2));
        eventually("given back", || room(&redis) == 1);
    }
    assert_eq!(guess(&mut lines[0], ATTACKER, "wrong").status, 401);
    assert_eq!(guess(&mut lines[1], ATTACKER, "right").status, 403);
}

/// How many more failures the server would take of the one client there is.
fn room(redis: &Redis) -> u64 {
    let mut clients = counts(redis).into_iter().filter_map(|key| match key {
        Reply::Text(key) if key.contains("}:") => Some(key),
        _ => None,
    });
    let key = clients.next_back().expect("a client");
    let Reply::Number(left) = redis.ask(&["PTTL", &key]) else { panic!("no number") };
    let one = 3_600_000 / u64::from(SIGN_IN.lock.count);
    u64::from(SIGN_IN.lock.count) - u64::try_from(left).expect("alive").div_ceil(one)
}

#[test]
fn what_nobody_judged_is_given_back_only_as_often_as_it_may_fail() {
    let redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    let mut lines = [gates[0].client(), gates[1].client()];
    let reached = (0..60).filter(|turn| guess(&mut lines[turn % 2], ATTACKER, "broken").status == 500).count();
    let most = usize::try_from(SIGN_IN.lock.count * 2).expect("small");
    assert!(reached <= most && reached >= most / 2, "{reached} of at most {most}");
    assert_eq!(guess(&mut lines[0], ATTACKER, "wrong").status, 403);
}

#[test]
fn an_attempt_whose_token_is_refused_is_given_back() {
    let redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    let mut line = gates[0].client();
    let minted = line.get("/api/csrf");
    let json: serde_json::Value = serde_json::from_slice(&minted.body).expect("json");
    let token = json["csrfToken"].as_str().expect("token");
    let cookie = minted.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("cookie");
    let fields = format!("Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\n");
    let spent = request("/token", ATTACKER, "anna", "right", &fields);
    assert_eq!(answer(&mut line, &spent).status, 302);
    for gate in &gates {
        let mut line = gate.client();
        for _ in 0..15 {
            assert_eq!(answer(&mut line, &spent).code(), "csrf-token-reused");
        }
    }
    eventually("nothing is counted", || counts(&redis).is_empty());
}

#[test]
fn while_the_server_is_out_each_gate_allows_its_part() {
    let mut redis = Redis::start();
    let upstream = application();
    let gates = pair(&upstream, &redis);
    // Both have seen that there are two.
    for gate in &gates {
        assert_eq!(guess(&mut gate.client(), "198.51.100.9", "right").status, 302);
    }
    redis.stop();
    for gate in &gates {
        let told = gate.events.until(|event| event["palisade.notice"] == "state-outage");
        assert_eq!(told.last().expect("the last is it")["palisade.state.nodes"], 2);
    }
    let part = usize::try_from(SIGN_IN.lock.count.div_ceil(2)).expect("small");
    for gate in &gates {
        let mut line = gate.client();
        let passed = (0..20).filter(|_| guess(&mut line, ATTACKER, "wrong").status == 401).count();
        assert_eq!(passed, part);
        // What succeeds costs nothing here either.
        let mut other = gate.client();
        assert!((0..20).all(|_| guess(&mut other, "198.51.100.7", "right").status == 302));
    }
}
