//! Gates that share limits and claims by a server: they decide as one, whatever becomes of it (SECURITY.md 4, 7, 13).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/sharing.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod sharing;

use std::time::Instant;

use palisade_testkit::{Client, Redis, RunningGate, Upstream};
use sharing::{TIMEOUT, at_once, decide_as_one, form, get, hook, login, pair, policy, status};

const FLOOD: usize = 50_000;

#[test]
fn ten_requests_to_two_gates_in_turn_are_one_clients_ten() {
    let redis = Redis::start();
    decide_as_one(&redis.url());
}

#[test]
fn a_network_of_ipv6_is_counted_over_both_gates_too() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let mut lines = [gates[0].client(), gates[1].client()];
    // Sixteen times five for the /48, whichever of its /64s ask where.
    let began = Instant::now();
    let admitted = (0..200).filter(|turn| {
        let client = format!("2001:db8:7:{turn:x}::1");
        status(&mut lines[turn % 2], &get("/few", &client)) == 200
    });
    let admitted = admitted.count();
    let earned = began.elapsed().as_millis() * 80 / 60_000 + 1;
    assert!(admitted as u128 <= 80 + earned, "{admitted} in {:?}", began.elapsed());
    // What one gate has leased and the other could not use is lost: at most an eighth each.
    assert!(admitted >= 80 - 20, "{admitted}");
}

#[test]
fn a_flood_that_is_refused_costs_the_server_next_to_nothing() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let before = redis.scripts_run();
    let refused: usize = std::thread::scope(|scope| {
        let flood = |mut line: Client| {
            let batch = get("/few", "192.0.2.1").repeat(50);
            (0..FLOOD / 100).map(|_| batch_refused(&mut line, &batch, 50)).sum::<usize>()
        };
        let floods: Vec<_> =
            gates.iter().map(RunningGate::client).map(|line| scope.spawn(move || flood(line))).collect();
        floods.into_iter().map(|flood| flood.join().expect("flood")).sum()
    });
    let asked = redis.scripts_run() - before;
    assert!(refused > FLOOD - 50, "{refused}");
    assert!(asked < 100, "{asked} scripts for {FLOOD} requests");
}

fn batch_refused(line: &mut Client, batch: &str, requests: usize) -> usize {
    line.send(batch);
    (0..requests).filter(|_| line.response().status == 429).count()
}

#[test]
fn a_busy_client_is_charged_in_advance_and_never_admitted_beyond_its_limit() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let before = redis.scripts_run();
    let began = Instant::now();
    let admitted: usize = std::thread::scope(|scope| {
        let ask = |mut line: Client| (0..1000).filter(|_| status(&mut line, &get("/many", "192.0.2.1")) == 200).count();
        let asking: Vec<_> = gates.iter().map(RunningGate::client).map(|line| scope.spawn(move || ask(line))).collect();
        asking.into_iter().map(|it| it.join().expect("client")).sum()
    });
    let earned = usize::try_from(began.elapsed().as_millis() / 100).expect("short") + 1;
    let asked = redis.scripts_run() - before;
    assert!(admitted <= 600 + earned, "{admitted} admitted, {earned} earned");
    assert!(admitted >= 600 - 2 * 75, "{admitted} admitted");
    // One question for each request would be more than six hundred.
    assert!(asked < 300, "{asked} scripts for {admitted} requests");
}

/// SECURITY.md, test 3: a token over two gates, and what comes after it failing.
#[test]
fn of_a_hundred_copies_of_a_token_over_two_gates_one_passes() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let request = form(&gates[0], "192.0.2.1");
    let answers = at_once(&gates, &request, 100);
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let others = answers.iter().filter(|answer| answer.status != 200);
    assert!(others.map(palisade_testkit::Response::code).all(|code| code == "csrf-token-reused"));
    // A token that the other gate made serves as well, once.
    let request = form(&gates[1], "192.0.2.1");
    assert_eq!(status(&mut gates[0].client(), &request), 200);
    // Known to be used here: the server is not asked again.
    let before = redis.scripts_run();
    for _ in 0..20 {
        assert_eq!(status(&mut gates[0].client(), &request), 403);
    }
    // The route's own limit is, and the gates' signs of life are told.
    let asked = redis.scripts_run() - before;
    assert!(asked <= 24, "{asked}");
}

/// SECURITY.md, test 7 of the gate's rules: copies of a message over two gates, and the retry of one that failed.
#[test]
fn of_a_hundred_copies_of_a_message_over_two_gates_one_passes() {
    let redis = Redis::start();
    let upstream = Upstream::start(|exchange| {
        let failing = exchange.body().starts_with(b"fail");
        exchange.reply(if failing { 500 } else { 200 }, &[], "");
    });
    let gates = pair(&upstream, &redis.url());
    let answers = at_once(&gates, &hook("{\"n\":1}"), 100);
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let expected = if answer.status == 409 { "in-flight" } else { "signature-replayed" };
        assert_eq!(answer.code(), expected);
        assert_eq!(answer.status == 409, answer.field("retry-after").is_some());
    }
    let failing = hook("fail");
    assert_eq!(status(&mut gates[0].client(), &failing), 500);
    palisade_testkit::eventually("the other gate may take it again", || {
        status(&mut gates[1].client(), &failing) == 500
    });
}

#[test]
fn what_is_used_before_the_servers_memory_begins_is_refused() {
    let mut redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::sharing(policy(TIMEOUT), &upstream.origin(), 1, &redis.url());
    let other = RunningGate::sharing(policy(TIMEOUT), &upstream.origin(), 1, &redis.url());
    let request = form(&gate, "192.0.2.1");
    assert_eq!(status(&mut gate.client(), &request), 200);
    redis.stop();
    redis.run();
    for gate in [&gate, &other] {
        gate.events.until(|event| event["palisade.notice"] == "state-recovered");
    }
    // The other gate never saw it, and the server has forgotten it.
    let mut line = other.client();
    line.send(&request);
    let answer = line.response();
    assert_eq!((answer.status, answer.code().as_str()), (403, "csrf-token-expired"));
    assert_eq!(status(&mut other.client(), &form(&other, "192.0.2.1")), 200, "a new one is as good as ever");
}

#[test]
fn a_server_that_may_throw_keys_away_is_told_of() {
    let redis = Redis::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let upstream = Upstream::fixed("ok");
    let mut gate = RunningGate::sharing(policy(TIMEOUT), &upstream.origin(), 1, &redis.url());
    gate.events.until(|event| event["palisade.notice"] == "state-evicts");
    assert_eq!(status(&mut gate.client(), &login("192.0.2.1")), 200);
    assert_eq!(gate.stop().events_lost, 0);
}
