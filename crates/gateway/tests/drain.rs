//! How a gate starts alone, ends in peace, and is never filled by one client.

#![allow(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use palisade_gateway::{Config, EventSink, Gateway};
use palisade_testkit::{Client, HOST, PATIENCE, RunningGate, Upstream, eventually, open};
use palisade_tower::policy::{Limits, Origin};

/// An upstream that answers when it is told to.
fn held() -> (Upstream, Sender<()>) {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |exchange| {
        let _ = wait.lock().expect("lock").recv_timeout(PATIENCE);
        exchange.reply(200, &[], "finished");
    });
    (upstream, go)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

#[test]
fn what_runs_finishes_what_is_idle_closes_and_nobody_new_comes_in() {
    let (upstream, go) = held();
    let mut gate = RunningGate::start(open(), &upstream.origin());
    let mut idle = gate.client();
    go.send(()).expect("upstream listens");
    assert_eq!(idle.get("/free/a").status, 200);
    let mut busy = gate.client();
    busy.send(get("/free/b"));
    upstream.wait_for(2);
    gate.shut_down();
    assert!(idle.is_closed());
    eventually("new connections are refused", || Client::try_connect(gate.address).is_err());
    go.send(()).expect("upstream listens");
    assert_eq!(busy.response().text(), "finished");
    assert!(busy.is_closed());
    let drained = gate.join();
    assert_eq!((drained.cut, drained.events_lost), (0, 0));
    assert_eq!(gate.events.rest().len(), 2);
}

#[test]
fn what_never_ends_is_cut_off() {
    let (upstream, _go) = held();
    let limits = Limits { drain_timeout: Duration::from_millis(200), ..Limits::default() };
    let mut gate = RunningGate::start(open().limits(limits), &upstream.origin());
    let mut stuck = gate.client();
    stuck.send(get("/free/a"));
    upstream.wait_for(1);
    assert_eq!(gate.stop().cut, 1);
    assert!(stuck.is_closed());
}

#[test]
fn no_request_that_was_sent_before_the_end_is_lost() {
    let upstream = Upstream::fixed("ok");
    for round in 0..10 {
        let mut gate = RunningGate::with_threads(open(), &upstream.origin(), 2);
        let mut clients: Vec<Client> = (0..50).map(|_| gate.client()).collect();
        for client in &mut clients {
            client.send(get("/free/a"));
        }
        gate.shut_down();
        for client in &mut clients {
            assert_eq!(client.response().text(), "ok", "round {round}");
        }
        assert_eq!(gate.join().cut, 0);
        assert_eq!(gate.events.rest().len(), 50);
    }
}

#[test]
fn a_connection_that_waits_for_its_first_request_does_not_hold_up_the_end() {
    let upstream = Upstream::fixed("ok");
    let mut gate = RunningGate::start(open(), &upstream.origin());
    let mut silent = gate.client();
    assert_eq!(gate.client().get("/free/a").status, 200);
    assert_eq!(gate.stop().cut, 0);
    assert!(silent.is_closed());
}

#[test]
fn a_second_gate_on_the_port_fails() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::with_threads(open(), &upstream.origin(), 2);
    let other = RunningGate::start(open(), &upstream.origin());
    let sink = || EventSink::new(std::io::sink());
    let plan = palisade_testkit::plan(open());
    let config = |listen, upstream: Origin| {
        let upstreams = vec![upstream.into()];
        Config { listen, upstreams, threads: 2, plan: plan.clone(), sink: sink() }
    };
    let failed = Gateway::bind(config(gate.address, upstream.origin())).expect_err("taken");
    assert_eq!(failed.kind(), std::io::ErrorKind::AddrInUse);
    assert_ne!(gate.address, other.address);
    let https = Origin::parse("https://127.0.0.1:9").expect("origin");
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    assert!(Gateway::bind(config(any, https)).is_err());
}

#[test]
fn one_client_and_all_together_hold_so_many_connections() {
    let upstream = Upstream::fixed("ok");
    for (connections, connections_per_client) in [(3, 100), (100, 3)] {
        let limits = Limits { connections, connections_per_client, ..Limits::default() };
        let gate = RunningGate::start(open().limits(limits), &upstream.origin());
        let mut open: Vec<Client> = (0..3).map(|_| gate.client()).collect();
        for client in &mut open {
            assert_eq!(client.get("/free/a").status, 200);
        }
        let mut refused = gate.client();
        let _ = refused.try_send(get("/free/a"));
        assert!(refused.is_closed());
        assert_eq!(open[0].get("/free/a").status, 200);
        drop(open.pop());
        eventually("the place is free again", || {
            let mut client = gate.client();
            client.try_send(get("/free/a")).is_ok() && client.rest_or_response().starts_with("HTTP/1.1 200")
        });
    }
}

#[test]
fn what_is_pipelined_behind_the_last_request_is_not_begun() {
    let (upstream, go) = held();
    let mut gate = RunningGate::start(open(), &upstream.origin());
    let mut idle = gate.client();
    go.send(()).expect("upstream listens");
    assert_eq!(idle.get("/free/a").status, 200);
    let mut client = gate.client();
    client.send(get("/free/b") + &get("/free/c"));
    upstream.wait_for(2);
    gate.shut_down();
    assert!(idle.is_closed());
    go.send(()).expect("upstream listens");
    assert_eq!(client.response().text(), "finished");
    assert_eq!(client.rest(), b"");
    assert_eq!(gate.join().cut, 0);
    assert_eq!(upstream.requests().len(), 2);
}
