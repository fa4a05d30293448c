//! What operators are told, and who is told nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};

use palisade_gateway::Admin;
use palisade_testkit::{
    ADMIN_TOKEN, Client, HOST, PATIENCE, Response, RunningGate, Upstream, eventually, metric, metrics, open,
};

fn ask(admin: SocketAddr, target: &str, fields: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(admin);
    let mut head = format!("GET {target} HTTP/1.1\r\n");
    if !fields.iter().any(|(name, _)| *name == "Host") {
        head += &format!("Host: {admin}\r\n");
    }
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    client.send(head + "\r\n");
    client.response()
}

#[test]
fn health_needs_no_token_and_metrics_do() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let token: &[(&str, &str)] = &[("Authorization", &bearer)];
    let in_address = format!("/metrics?token={ADMIN_TOKEN}");
    // Operators are answered before the first thread serves.
    eventually("the gate is ready", || ask(gate.admin, "/readyz", &[]).status == 200);
    for (target, fields, status) in [
        ("/healthz", &[][..], 200),
        ("/readyz", &[], 200),
        ("/metrics", token, 200),
        ("/metrics", &[], 401),
        ("/metrics", &[("Authorization", "Bearer wrong")], 401),
        (&in_address, &[], 401),
        ("/", &[], 401),
        ("/", token, 404),
    ] {
        let answer = ask(gate.admin, target, fields);
        assert_eq!(answer.status, status, "{target} {fields:?}");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert!(!answer.text().contains(ADMIN_TOKEN));
    }
}

#[test]
fn other_sites_and_rebound_names_learn_nothing() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for fields in [
        &[("Host", "rebound.evil.example")][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "cors")],
    ] {
        for target in ["/healthz", "/readyz", "/metrics"] {
            let fields: Vec<_> = fields.iter().copied().chain([("Authorization", bearer.as_str())]).collect();
            assert_eq!(ask(gate.admin, target, &fields).status, 403, "{target} {fields:?}");
        }
    }
}

#[test]
fn it_listens_on_this_machine_only_and_never_shares_its_port() {
    let somewhere = SocketAddr::from(([0, 0, 0, 0], 0));
    assert_eq!(Admin::bind(somewhere, None).expect_err("no TLS").kind(), std::io::ErrorKind::InvalidInput);
    let first = Admin::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None).expect("bind");
    let taken = Admin::bind(first.local_addr(), None).expect_err("taken");
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn the_gate_never_proxies_to_it() {
    let upstream = Upstream::fixed("application");
    let gate = RunningGate::start(open(), &upstream.origin());
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(gate.client().get(path).text(), "application", "{path} is the application's");
    }
    let host = gate.admin;
    let mut client = gate.client();
    client.send(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(client.response().code(), "host-unknown");
}

#[test]
fn what_happens_is_counted() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::with_threads(open(), &upstream.origin(), 2);
    for _ in 0..6 {
        assert_eq!(gate.client().get("/free/a").status, 200);
    }
    assert_eq!(gate.client().get("/FREE/a").status, 400);
    let mut held = gate.client();
    assert_eq!(held.get("/free/a").status, 200);
    eventually("only one connection is left", || metric(gate.admin, "palisade_connections") == 1);
    let expect = [
        ("palisade_requests_total{kind=\"public-read\",status=\"2xx\"}", 7),
        ("palisade_requests_total{kind=\"none\",status=\"4xx\"}", 1),
        ("palisade_refusals_total{code=\"path-malformed\"}", 1),
        ("palisade_upstream_duration_seconds_count", 7),
        ("palisade_upstream_duration_seconds_bucket{le=\"+Inf\"}", 7),
        ("palisade_connections_total", 8),
        ("palisade_connections_refused_total", 0),
        ("palisade_events_dropped_total", 0),
        ("palisade_policy_generation", 1),
        ("palisade_ready", 1),
    ];
    for (sample, value) in expect {
        assert_eq!(metric(gate.admin, sample), value, "{sample}: {}", metrics(gate.admin));
    }
    let page = metrics(gate.admin);
    let up = format!("palisade_upstream_up{{upstream=\"{}\"}} 1", upstream.origin().authority);
    assert!(page.contains(&up), "{page}");
    // Every sample has a type, every name is told once, and no text of a client is in it.
    let types: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(types.iter().enumerate().all(|(at, name)| !types.iter().take(at).any(|other| other == name)), "{types:?}");
    for sample in page.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().unwrap_or_default();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(types.contains(&name) || types.contains(&family), "{sample}");
    }
    assert!(!page.contains("/free/") && !page.contains("FREE"));
}

#[test]
fn it_is_not_ready_without_an_upstream_nor_while_it_drains() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |exchange| {
        let _ = wait.lock().expect("lock").recv_timeout(PATIENCE);
        exchange.reply(200, &[], "finished");
    });
    let lost = RunningGate::start(open(), &Upstream::nowhere());
    assert_eq!(lost.client().get("/free/a").status, 502);
    assert_eq!(ask(lost.admin, "/readyz", &[]).text(), "no upstream is healthy\n");
    let mut gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    upstream.wait_for(1);
    gate.shut_down();
    eventually("it says that it drains", || {
        let answer = ask(gate.admin, "/readyz", &[]);
        answer.status == 503 && answer.text() == "draining\n"
    });
    assert_eq!(ask(gate.admin, "/healthz", &[]).status, 200, "it lives");
    go.send(()).expect("upstream listens");
    assert_eq!(client.response().text(), "finished");
    assert_eq!(gate.join().cut, 0);
}

#[test]
fn cookies_of_the_dashboard_never_reach_the_application() {
    let upstream = Upstream::start(|exchange| exchange.reply(200, &[("set-cookie", "palisade-admin=evil")], "ok"));
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\nCookie: a=1; palisade-admin=secret; b=2\r\n\r\n"));
    let answer = client.response();
    assert_eq!(answer.field("set-cookie"), None);
    assert_eq!(upstream.request().head.field("cookie"), Some("a=1; b=2"));
}
