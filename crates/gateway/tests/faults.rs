//! What goes wrong behind the gate, or before it, and what the client is told.

#![allow(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use palisade_testkit::{HOST, PATIENCE, Response, RunningGate, Upstream, eventually, open};
use palisade_tower::policy::{Environment, Limits};

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

/// A problem of ours: its form, its headers, its request id also in the body.
fn assert_ours(response: &Response, status: u16, code: &str) {
    assert_eq!((response.status, response.code().as_str()), (status, code));
    assert_eq!(response.field("content-type"), Some("application/problem+json"));
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.field("cache-control"), Some("no-store"));
    let id = response.field("x-request-id").expect("X-Request-Id");
    assert!(response.text().contains(id), "{}", response.text());
}

#[test]
fn an_application_that_cannot_be_reached_is_a_502_of_ours() {
    let gate = RunningGate::start(open(), &Upstream::nowhere());
    let mut client = gate.client();
    assert_ours(&client.get("/free/a"), 502, "upstream-unreachable");
    let event = gate.events.next();
    assert_eq!(event["palisade.code"], "upstream-unreachable");
    assert_eq!(event["http.response.status_code"], 502);
    // The client's connection is none the worse for it.
    assert_ours(&client.get("/free/a"), 502, "upstream-unreachable");
}

#[test]
fn an_application_that_does_not_answer_in_time_is_a_504_of_ours() {
    let (tx, closed) = channel();
    let tx = Mutex::new(tx);
    let upstream = Upstream::start(move |exchange| {
        exchange.await_close();
        tx.lock().expect("lock").send(()).expect("test listens");
    });
    let limits = Limits { upstream_timeout: Duration::from_millis(100), ..Limits::default() };
    let gate = RunningGate::start(open().limits(limits), &upstream.origin());
    let mut client = gate.client();
    assert_ours(&client.get("/free/a"), 504, "upstream-timeout");
    closed.recv_timeout(PATIENCE).expect("its connection is closed, not used again");
    client.send(post("/in/a", "Content-Length: 3\r\n") + "abc");
    assert_ours(&client.response(), 504, "upstream-timeout");
}

#[test]
fn an_upload_that_goes_on_is_not_timed_out_and_one_that_stops_is_the_clients_fault() {
    let upstream = Upstream::start(|exchange| {
        if exchange.try_body().is_ok() {
            exchange.reply(200, &[], "done");
        }
    });
    let limits = Limits { upstream_timeout: Duration::from_millis(400), ..Limits::default() };
    let gate = RunningGate::start(open().limits(limits), &upstream.origin());
    let mut client = gate.client();
    client.send(post("/in/a", "Transfer-Encoding: chunked\r\n"));
    for _ in 0..10 {
        client.send("1\r\nx\r\n");
        std::thread::sleep(Duration::from_millis(100)); // the upload itself is slow: ten times a quarter of the limit
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().text(), "done");
    let mut client = gate.client();
    client.send(post("/in/a", "Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n");
    assert_ours(&client.response(), 400, "body-malformed");
}

#[test]
fn a11_an_applications_error_is_masked_in_production() {
    let upstream = Upstream::start(|exchange| match exchange.request.target.as_str() {
        "/free/reason" => exchange.raw("HTTP/1.1 500 SELECT-secret\r\ncontent-length: 6\r\n\r\nsecret"),
        "/free/chunked" => {
            exchange.raw("HTTP/1.1 503 Fake\r\ntransfer-encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n");
        }
        _ => exchange.reply(500, &[("x-powered-by", "secret"), ("content-encoding", "br")], "at secret.js:7"),
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for (path, status, code) in
        [("/free/a", 500, "internal"), ("/free/reason", 500, "internal"), ("/free/chunked", 503, "overloaded")]
    {
        let response = client.get(path);
        assert_ours(&response, status, code);
        let all = format!("{:?} {}", response.head, response.text());
        assert!(!all.contains("secret") && !all.contains("SELECT"), "{all}");
        assert_eq!(response.field("content-encoding"), None);
        assert_eq!(gate.events.next()["palisade.tags"][0], "error-masked");
    }
}

#[test]
fn a11_an_applications_error_is_shown_in_development() {
    let upstream = Upstream::start(|exchange| exchange.reply(500, &[], "at secret.js:7"));
    let gate = RunningGate::start(open().environment(Environment::Development), &upstream.origin());
    let response = gate.client().get("/free/a");
    assert_eq!((response.status, response.text().as_str()), (500, "at secret.js:7"));
}

#[test]
fn a_response_that_breaks_off_breaks_off_for_the_client_too() {
    let upstream = Upstream::start(|exchange| {
        match exchange.request.target.as_str() {
            "/free/sized" => exchange.raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
            _ => exchange.raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        }
        exchange.close();
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for path in ["/free/sized", "/free/chunked"] {
        let mut client = gate.client();
        let response = client.get(path);
        assert_eq!((response.status, response.complete), (200, false), "{path}");
        assert!(client.is_closed());
    }
}

#[test]
fn nonsense_and_a_closed_door_are_502() {
    let upstream = Upstream::start(|exchange| {
        match exchange.request.target.as_str() {
            "/free/nonsense" => exchange.raw("SSH-2.0-OpenSSH\r\n\r\n"),
            "/free/long" => exchange.raw(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200 << 10))),
            _ => {}
        }
        exchange.close();
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for path in ["/free/nonsense", "/free/long", "/free/silent"] {
        assert_ours(&gate.client().get(path), 502, "upstream-unreachable");
    }
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced_unseen() {
    let (tx, closed) = channel();
    let tx = Mutex::new(tx);
    let upstream = Upstream::start(move |exchange| {
        exchange.reply(200, &[], "ok");
        exchange.hang_up();
        tx.lock().expect("lock").send(()).expect("test listens");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for round in 1..=20 {
        assert_eq!(client.get("/free/a").status, 200, "round {round}");
        closed.recv_timeout(PATIENCE).expect("answered");
        eventually("the gate opens one connection a request", || upstream.connections() == round);
    }
}

#[test]
fn an_application_that_panics_costs_one_response() {
    let upstream = Upstream::start(|exchange| {
        if exchange.request.target == "/free/panic" {
            panic!("on purpose");
        }
        exchange.reply(200, &[], "fine");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    assert_eq!(client.get("/free/a").status, 200);
    assert_ours(&client.get("/free/panic"), 502, "upstream-unreachable");
    assert_eq!(client.get("/free/a").text(), "fine");
}

#[test]
fn a_body_larger_than_its_route_takes_is_a_413_however_it_comes() {
    let upstream = Upstream::start(|exchange| {
        if exchange.try_body().is_ok() {
            exchange.reply(200, &[], "");
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(post("/in/a", "Content-Length: 1048577\r\n"));
    assert_ours(&client.response(), 413, "body-too-large");
    assert_eq!(upstream.requests().len(), 0);
    let mut client = gate.client();
    client.send(post("/in/a", "Transfer-Encoding: chunked\r\n"));
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10));
    for _ in 0..17 {
        if client.try_send(&chunk).is_err() {
            break;
        }
    }
    assert_ours(&client.response(), 413, "body-too-large");
}

#[test]
fn a_refused_upload_hears_its_refusal() {
    let upstream = Upstream::fixed("never");
    let gate = RunningGate::start(open(), &upstream.origin());
    for _ in 0..20 {
        let mut client = gate.client();
        client.send(post("/in/a", "Content-Length: 900000\r\nOrigin: https://evil.example\r\n"));
        // A client that sends all it has before it reads: a reset would overtake the refusal.
        client.send(vec![b'x'; 900_000]);
        assert_ours(&client.response(), 403, "csrf-cross-origin");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn an_application_that_refuses_an_upload_and_closes_is_heard() {
    let upstream = Upstream::start(|exchange| {
        exchange.reply(413, &[("connection", "close")], "too much");
        exchange.close();
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for framing in ["Content-Length: 900000\r\n", "Transfer-Encoding: chunked\r\n"] {
        for _ in 0..10 {
            let mut client = gate.client();
            client.send(post("/in/a", framing));
            let piece = if framing.starts_with('C') {
                "x".repeat(30_000)
            } else {
                format!("7530\r\n{}\r\n", "x".repeat(30_000))
            };
            for _ in 0..30 {
                if client.try_send(&piece).is_err() {
                    break;
                }
            }
            assert_eq!(client.response().status, 413, "{framing}");
        }
    }
}

#[test]
fn a_client_that_leaves_during_its_upload_poisons_nothing() {
    let broken = AtomicUsize::new(0);
    let (tx, ended) = channel();
    let tx = Mutex::new(tx);
    let upstream = Upstream::start(move |exchange| {
        if exchange.try_body().is_err() {
            broken.fetch_add(1, Ordering::Relaxed);
            tx.lock().expect("lock").send(()).expect("test listens");
            return;
        }
        let target = exchange.request.target.clone();
        exchange.reply(200, &[], target);
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for framing in ["Transfer-Encoding: chunked\r\n", "Content-Length: 30\r\n"] {
        let mut warm = gate.client();
        assert_eq!(warm.get("/free/warm").status, 200);
        let before = upstream.requests().len();
        let mut client = gate.client();
        client.send(post("/in/leaving", framing));
        client.send("2\r\n");
        upstream.wait_for(before + 1);
        client.shutdown(Shutdown::Both);
        ended.recv_timeout(PATIENCE).expect("the upstream sees a broken body, not an end");
        assert_eq!(warm.get("/free/next").text(), "/free/next");
    }
}

#[test]
fn slow_heads_and_idle_connections_are_closed() {
    let upstream = Upstream::fixed("ok");
    let (header_timeout, idle_timeout) = (Duration::from_millis(100), Duration::from_millis(200));
    let gate = RunningGate::start(
        open().limits(Limits { header_timeout, idle_timeout, ..Limits::default() }),
        &upstream.origin(),
    );
    let mut silent = gate.client();
    let mut slow = gate.client();
    slow.send("GET /free/a HTTP/1.1\r\nHost: ");
    let mut idle = gate.client();
    assert_eq!(idle.get("/free/a").status, 200);
    let mut second = gate.client();
    assert_eq!(second.get("/free/a").status, 200);
    second.send("GET ");
    for client in [&mut silent, &mut slow, &mut idle, &mut second] {
        assert!(client.is_closed());
    }
}

#[test]
fn heads_that_are_too_long_or_ambiguous_never_pass() {
    let upstream = Upstream::fixed("never");
    let gate = RunningGate::start(open(), &upstream.origin());
    let long = "x".repeat(20 << 10);
    let heads = [
        format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\nx: {long}\r\n\r\n"),
        post("/in/a", "Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd",
        post("/in/a", "Transfer-Encoding: xchunked\r\n"),
        post("/in/a", "Transfer-Encoding: chunked, identity\r\n"),
        post("/in/a", "Content-Length: +3\r\n") + "abc",
        format!("GET /free/a HTTP/1.1\r\nHost : {HOST}\r\n\r\n"),
        format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n folded: x\r\n\r\n"),
        "GET  /free/a HTTP/1.1\r\n\r\n".to_owned(),
        format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"),
        format!("TRACE /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for head in heads {
        let mut client = gate.client();
        client.send(&head);
        let answer = client.rest_or_response();
        let status: u16 = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(400);
        assert!((400..500).contains(&status), "{head:.80} -> {answer:.80}");
    }
    assert_eq!(upstream.requests().len(), 0);
}
