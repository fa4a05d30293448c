//! What holds while the server that gates share is out, or slow: no request waits longer than declared, nothing fails
//! but what the outage mode closes, and all is as before when it is back (SECURITY.md 15).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/sharing.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod sharing;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use palisade_event::Kind;
use palisade_policy::{Limit, Outage, Route, SharedState};
use palisade_testkit::{Client, Redis, RunningGate, SlowRoad, Upstream, builder, eventually, route, shared_state};
use serde_json::Value;
use sharing::{TIMEOUT, form, get, hook, login, pair, policy, status};

/// What a gate may wait in the test of slowness.
const BUDGET: Duration = Duration::from_millis(500);

/// Waits for the notice.
fn noticed(gate: &RunningGate, what: &str) -> Value {
    gate.events.until(|event| event["palisade.notice"] == what).pop().expect("the last is it")
}

/// Admissions of twenty requests, ten to each gate.
fn admitted(gates: &[RunningGate; 2], request: &str) -> [usize; 2] {
    [0, 1].map(|gate| {
        let mut line = gates[gate].client();
        (0..10).filter(|_| status(&mut line, request) == 200).count()
    })
}

#[test]
fn a_server_that_stops_and_starts_under_load_fails_nobody_but_webhooks() {
    let mut redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    redis.wait_for_gates(2);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for (number, line) in gates.iter().map(RunningGate::client).enumerate() {
            let (over, asked) = (&over, &asked);
            scope.spawn(move || load(line, number, over, asked));
        }
        // Whatever fails below must not leave the load running.
        let stop = Stop(&over);
        let reached = |requests| eventually("load", || asked.load(Ordering::Relaxed) > requests);
        reached(100);
        assert_eq!(status(&mut gates[0].client(), &hook("{\"n\":1}")), 200);
        redis.stop();
        for gate in &gates {
            let told = noticed(gate, "state-outage");
            assert_eq!((&told["palisade.state.nodes"], &told["palisade.count"]), (&2.into(), &0.into()));
        }
        // Six over both gates: three each. Reads: each gate all five.
        assert_eq!(admitted(&gates, &login("192.0.2.1")), [3, 3]);
        assert_eq!(admitted(&gates, &get("/few", "192.0.2.2")), [5, 5]);
        let mut line = gates[0].client();
        line.send(hook("{\"n\":2}"));
        let closed = line.response();
        assert_eq!((closed.status, closed.code().as_str()), (503, "state-unavailable"));
        assert_eq!(closed.field("retry-after"), Some("5"));
        reached(asked.load(Ordering::Relaxed) + 100);
        redis.run();
        for gate in &gates {
            noticed(gate, "state-recovered");
        }
        eventually("webhooks pass", || status(&mut gates[1].client(), &hook("{\"n\":2}")) == 200);
        let told: Vec<usize> = admitted(&gates, &get("/few", "192.0.2.3")).into();
        assert_eq!(told.iter().sum::<usize>(), 5, "one limit again");
        reached(asked.load(Ordering::Relaxed) + 100);
        drop(stop);
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks for what is hardly limited until it is over; nothing may fail.
fn load(mut line: Client, number: usize, over: &AtomicBool, asked: &AtomicUsize) {
    while !over.load(Ordering::Relaxed) {
        let client = format!("198.51.100.{}", asked.fetch_add(1, Ordering::Relaxed) % 200 + number);
        let status = status(&mut line, &get("/open", &client));
        assert_eq!(status, 200);
    }
}

#[test]
fn a_slow_server_holds_nobody_up_longer_than_declared() {
    let redis = Redis::start();
    let road = SlowRoad::to(redis.address());
    let upstream = Upstream::fixed("ok");
    let url = format!("redis://{}", road.address());
    let gate = RunningGate::sharing(policy(BUDGET), &upstream.origin(), 1, &url);
    let mut line = gate.client();
    let mut times = |requests: u32, network: u32| {
        let mut times: Vec<Duration> = (0..requests)
            .map(|n| {
                let began = Instant::now();
                // Each of them a client of whom nothing is known.
                let client = format!("10.{network}.{}.{}", n / 250, n % 250);
                assert_eq!(status(&mut line, &get("/few", &client)), 200);
                began.elapsed()
            })
            .collect();
        times.sort();
        times
    };
    times(50, 1);
    road.takes(Duration::from_secs(3));
    let slow = times(400, 2);
    assert!(slow[slow.len() * 99 / 100] <= BUDGET, "p99 {:?}", slow[slow.len() * 99 / 100]);
    assert!(slow[slow.len() - 1] >= BUDGET, "somebody found out");
    noticed(&gate, "state-outage");
    // Nobody waits any more.
    let out = times(400, 3);
    assert!(out[out.len() * 99 / 100] < BUDGET / 2, "p99 {:?}", out[out.len() * 99 / 100]);
    road.takes(Duration::ZERO);
    noticed(&gate, "state-recovered");
    let before = redis.scripts_run();
    times(50, 4);
    assert!(redis.scripts_run() >= before + 50, "it is asked again");
}

#[test]
fn a_token_that_two_gates_took_alone_is_found_out_and_taken_no_more() {
    let mut redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    redis.stop();
    for gate in &gates {
        noticed(gate, "state-outage");
    }
    let request = form(&gates[0], "192.0.2.1");
    for gate in &gates {
        assert_eq!([status(&mut gate.client(), &request), status(&mut gate.client(), &request)], [200, 403]);
    }
    redis.run();
    let told = [0, 1].map(|gate| noticed(&gates[gate], "state-recovered"));
    let sum = |field: &str| told.iter().map(|it| it[field].as_u64().expect("a number")).sum::<u64>();
    assert_eq!((sum("palisade.state.alone"), sum("palisade.state.replayed")), (2, 1));
    for gate in &gates {
        assert_eq!(status(&mut gate.client(), &request), 403);
    }
}

#[test]
fn closed_means_that_what_is_shared_is_refused() {
    let mut redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let state = SharedState { outage: Outage::Closed, ..shared_state(TIMEOUT) };
    let few = Route { limit: Limit::parse("5/min").ok(), ..route("/few", Kind::PublicRead, &[]) };
    let policy = builder().state(state).route(few).route(route("/free", Kind::PublicRead, &[]));
    let gate = RunningGate::sharing(policy, &upstream.origin(), 1, &redis.url());
    assert_eq!(gate.client().get("/few").status, 200);
    redis.stop();
    noticed(&gate, "state-outage");
    let refused = gate.client().get("/few");
    assert_eq!((refused.status, refused.code().as_str()), (503, "state-unavailable"));
    assert_eq!(refused.field("retry-after"), Some("5"));
    assert_eq!(gate.client().get("/free").status, 200, "what is not limited asks nobody");
}

#[test]
fn a_gate_starts_without_its_server_and_finds_it_later() {
    let mut redis = Redis::prepared(&[]);
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    for gate in &gates {
        noticed(gate, "state-outage");
        assert_eq!(status(&mut gate.client(), &get("/few", "192.0.2.1")), 200);
    }
    redis.run();
    for gate in &gates {
        noticed(gate, "state-recovered");
    }
    let told = admitted(&gates, &get("/few", "192.0.2.2"));
    assert_eq!(told, [5, 0]);
}
