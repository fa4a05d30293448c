//! Another plan while the gate serves.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};

use palisade_event::Kind;
use palisade_gateway::Reload;
use palisade_testkit::{
    Client, HOST, PATIENCE, RunningGate, Upstream, builder, eventually, metric, open, plan_over, route,
};
use palisade_tower::policy::{Limit, PolicyBuilder, Route, Undeclared};

/// `GET /free/{*rest}` as ever, and a route with that limit.
fn limited(limit: &str) -> PolicyBuilder {
    let limit = Some(Limit::parse(limit).expect("limit"));
    open().route(Route { limit, ..route("/limited", Kind::PublicRead, &[]) })
}

fn put_in_force(gate: &RunningGate, policy: PolicyBuilder, upstream: &Upstream) -> u64 {
    let plan = plan_over(policy, &gate.state);
    let generation = gate.control.reload(Reload { plan, upstreams: vec![upstream.origin().into()], jwks: None });
    eventually("every thread serves by it", || metric(gate.admin, "palisade_policy_generation") >= generation);
    generation
}

#[test]
fn a_reload_under_load_loses_no_request() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::with_threads(limited("5/min"), &upstream.origin(), 2);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, over, answered) = (gate.address, Arc::clone(&over), Arc::clone(&answered));
            std::thread::spawn(move || {
                // One connection for all requests: it must never close.
                let mut client = Client::connect(address);
                while !over.load(Relaxed) {
                    assert_eq!(client.get("/free/a").status, 200);
                    answered.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for round in 0..30 {
        let before = answered.load(Relaxed);
        put_in_force(&gate, limited(if round % 2 == 0 { "6/min" } else { "5/min" }), &upstream);
        eventually("requests go on", || answered.load(Relaxed) > before + 20);
    }
    over.store(true, Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("no request was lost"));
    let told = gate.events.until(|event| event["palisade.notice"] == "reloaded" && event["palisade.generation"] == 31);
    assert_eq!(told.iter().filter(|event| event["palisade.notice"] == "reloaded").count(), 30);
    assert_eq!(metric(gate.admin, "palisade_policy_reloads_total{outcome=\"ok\"}"), 30);
}

#[test]
fn what_was_counted_stays_counted() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(limited("2/min"), &upstream.origin());
    let mut client = gate.client();
    assert_eq!([200, 200, 429], [(); 3].map(|()| client.get("/limited").status));
    put_in_force(&gate, limited("2/min"), &upstream);
    assert_eq!(client.get("/limited").status, 429, "over the same connection");
    assert_eq!(gate.client().get("/limited").status, 429);
    put_in_force(&gate, limited("3/min"), &upstream);
    assert_eq!(client.get("/limited").status, 200, "another limit is another count");
}

#[test]
fn a_request_ends_under_the_plan_it_began_with() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |exchange| {
        let _ = wait.lock().expect("lock").recv_timeout(PATIENCE);
        exchange.reply(200, &[], "finished");
    });
    let other = Upstream::fixed("other");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    upstream.wait_for(1);
    let deny = Undeclared { deny: true, unsafe_origin: false };
    let closed = || builder().route(route("/other", Kind::PublicRead, &[])).undeclared(Kind::Page, deny.clone());
    put_in_force(&gate, closed(), &other);
    go.send(()).expect("upstream listens");
    assert_eq!(client.response().text(), "finished");
    assert_eq!(client.get("/free/a").code(), "route-undeclared");
    assert_eq!(client.get("/other").text(), "other");
}

#[test]
fn connections_to_an_upstream_that_stays_are_kept() {
    let (upstream, another) = (Upstream::fixed("ok"), Upstream::fixed("another"));
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    assert_eq!(client.get("/free/a").text(), "ok");
    put_in_force(&gate, limited("5/min"), &upstream);
    assert_eq!(client.get("/free/a").text(), "ok");
    assert_eq!(upstream.connections(), 1);
    put_in_force(&gate, open(), &another);
    assert_eq!(client.get("/free/a").text(), "another");
}

#[test]
fn a_failed_reload_is_an_event_and_a_count() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    gate.control.reload_failed(["limit-zero", "kind-unknown", "limit-zero"]);
    let event = gate.events.next();
    assert_eq!(event["palisade.notice"], "reload-failed");
    assert_eq!(event["palisade.codes"], serde_json::json!(["kind-unknown", "limit-zero"]));
    assert_eq!(event["palisade.count"], 0, "it stands for no request");
    assert_eq!(metric(gate.admin, "palisade_policy_reloads_total{outcome=\"failed\"}"), 1);
    assert_eq!(gate.client().get("/free/a").status, 200);
}
