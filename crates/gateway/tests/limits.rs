//! Who takes his time, and who asks for too much at once: bounded, and nobody else waits for it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/sharing.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod sharing;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use palisade_event::Kind;
use palisade_policy::{Clients, ForwardingHeader, Limits, Method, PolicyBuilder, Route, Signature, SignatureScheme};
use palisade_testkit::{Client, HOST, PATIENCE, RunningGate, Upstream, eventually, open, route};
use sharing::hook;
use socket2::{Domain, Socket, Type};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// A connection from another address of this machine, so that not one client has them all.
fn from(address: Ipv4Addr, gate: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    socket.bind(&SocketAddr::from((address, 0)).into()).expect("bind");
    socket.connect(&gate.into()).expect("connect");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

/// How many connections this process may hold on both of their ends, 2,000 at most.
fn many() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let soft: usize = files.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX);
    (soft.saturating_sub(300) / 2).min(2000)
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}

#[test]
fn thousands_of_slow_connections_cost_honest_clients_nothing_and_end() {
    let upstream = Upstream::fixed("ok");
    let limits = Limits { header_timeout: Duration::from_secs(5), ..Limits::default() };
    let gate = RunningGate::with_threads(open().limits(limits), &upstream.origin(), 2);
    assert_eq!(gate.client().get("/free/a").status, 200);
    let before = resident();
    let slow: Vec<TcpStream> = (0..many())
        .map(|number| {
            let last = u8::try_from(10 + number / 200).expect("few addresses");
            let mut stream = from(Ipv4Addr::new(127, 0, 0, last), gate.address);
            stream.write_all(b"GET /free/slow HTTP/1.1\r\nHost: shop.exam").expect("send");
            stream
        })
        .collect();
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(gate.client().get("/free/a").status, 200);
        longest = longest.max(began.elapsed());
    }
    assert!(longest < Duration::from_secs(1), "an honest client waited {longest:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < slow.len() * (48 << 10), "{grown} bytes for {} connections", slow.len());
    // None of them is answered, all of them are closed.
    for mut stream in slow {
        let mut byte = [0];
        assert!(matches!(stream.read(&mut byte), Ok(0) | Err(_)), "closed without a word");
    }
    assert_eq!(upstream.requests().iter().filter(|request| request.target == "/free/slow").count(), 0);
    assert_eq!(gate.client().get("/free/a").status, 200);
}

#[test]
fn a_body_that_comes_too_slowly_ends_and_one_that_comes_in_time_does_not() {
    let upstream = Upstream::start(|exchange| {
        if exchange.try_body().is_ok() {
            exchange.reply(200, &[], "whole");
        }
    });
    let limits = Limits { body_timeout: Duration::from_millis(400), body_rate: 1000, ..Limits::default() };
    let gate = RunningGate::start(open().limits(limits), &upstream.origin());
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut client = gate.client();
        let began = Instant::now();
        client.send(format!("POST /in/a HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n\r\n"));
        // Bytes do come, so that nothing ever stands still.
        while client.try_send(if framing.starts_with('C') { "x" } else { "1\r\nx\r\n" }).is_ok() {
            assert!(began.elapsed() < PATIENCE, "{framing}: a byte now and then goes on for ever");
            std::thread::sleep(Duration::from_millis(40));
            if began.elapsed() > Duration::from_millis(900) {
                break;
            }
        }
        let response = client.response();
        assert_eq!((response.status, response.code().as_str()), (400, "body-malformed"), "{framing}");
        assert!(client.is_closed());
    }
    // As slow in all, but never slower than the rate.
    let mut client = gate.client();
    client.send(format!("POST /in/a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20000\r\n\r\n"));
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(100));
        client.send("x".repeat(2000));
    }
    assert_eq!(client.response().text(), "whole");
}

/// An upstream that answers when it is told to.
fn held() -> (Upstream, Sender<()>) {
    let (go, wait): (_, Receiver<()>) = channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |exchange| {
        let _ = wait.lock().expect("lock").recv_timeout(PATIENCE);
        exchange.reply(200, &[], "ok");
    });
    (upstream, go)
}

#[test]
fn beyond_its_places_the_gate_says_so_at_once_and_health_checks_pass() {
    let (upstream, go) = held();
    let limits = Limits { in_flight: 4, ..Limits::default() };
    let health = route("/healthz", Kind::Health, &[]);
    let gate = RunningGate::start(open().limits(limits).route(health), &upstream.origin());
    let mut waiting: Vec<Client> = (0..4).map(|_| gate.client()).collect();
    for client in &mut waiting {
        client.send(get("/free/a"));
    }
    upstream.wait_for(4);
    let mut turned = gate.client();
    for _ in 0..3 {
        let response = turned.get("/free/b");
        assert_eq!((response.status, response.code().as_str()), (503, "overloaded"));
        assert_eq!(response.field("retry-after"), Some("1"));
        assert_eq!(response.field("cache-control"), Some("no-store"));
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    }
    let mut checker = gate.client();
    checker.send(get("/healthz"));
    upstream.wait_for(5);
    for _ in 0..5 {
        go.send(()).expect("the upstream listens");
    }
    assert_eq!(checker.response().status, 200);
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    go.send(()).expect("the upstream listens");
    assert_eq!(turned.get("/free/b").status, 200, "the places are free again");
    let targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets.iter().filter(|target| *target == "/free/b").count(), 1, "the refused ones went nowhere");
    let told = gate.events.until(|event| event["palisade.code"] == "overloaded");
    assert_eq!(told.last().expect("an event")["palisade.decision"], "refuse");
}

#[test]
fn strangers_whose_bodies_do_not_come_take_no_place() {
    let upstream = Upstream::fixed("ok");
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let form = Route { limit: None, ..route("/contact", Kind::PublicForm, &[Method::Post]) };
    let gate = RunningGate::start(open().limits(limits).route(form), &upstream.origin());
    let mut slow: Vec<Client> = (0..20).map(|_| gate.client()).collect();
    for client in &mut slow {
        // The token may come in the body, so the gate waits for it.
        client.send(format!(
            "POST /contact HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nExpect: 100-continue\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        assert!(client.rest_or_response().starts_with("HTTP/1.1 100"), "it waits");
    }
    assert_eq!(gate.client().get("/free/a").status, 200);
    drop(slow);
}

#[test]
fn a_refusal_for_want_of_room_spends_nothing() {
    let (upstream, go) = held();
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let form = Route { limit: None, ..route("/contact", Kind::PublicForm, &[Method::Post]) };
    let gate = RunningGate::start(open().limits(limits).route(form), &upstream.origin());
    let mut client = gate.client();
    let minted = client.get("/api/csrf");
    let json: serde_json::Value = serde_json::from_slice(&minted.body).expect("json");
    let token = json["csrfToken"].as_str().expect("token").to_owned();
    let cookie = minted.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("cookie").to_owned();
    let form = format!(
        "POST /contact HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nCookie: {cookie}\r\n\
         X-CSRF-Token: {token}\r\nContent-Length: 0\r\n\r\n"
    );
    let mut waiting = gate.client();
    waiting.send(get("/free/a"));
    upstream.wait_for(1);
    client.send(&form);
    assert_eq!(client.response().status, 503);
    go.send(()).expect("the upstream listens");
    assert_eq!(waiting.response().status, 200);
    eventually("the place is free", || {
        go.send(()).expect("the upstream listens");
        client.send(&form);
        client.response().status == 200
    });
}

/// Adds `/hook`, a webhook, and clients that `X-Forwarded-For` names.
fn with_hook(policy: PolicyBuilder) -> PolicyBuilder {
    let signature = Signature { scheme: SignatureScheme::GitHub, secrets: vec!["HOOK_SECRET".to_owned()] };
    let hook = Route { signature: Some(signature), limit: None, ..route("/hook", Kind::Webhook, &[Method::Post]) };
    let trusted_proxies = vec!["127.0.0.0/8".parse().expect("net")];
    policy.route(hook).clients(Clients { trusted_proxies, header: ForwardingHeader::XForwardedFor })
}

fn get_by(client: &str) -> String {
    format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: {client}\r\n\r\n")
}

#[test]
fn webhooks_have_places_of_their_own_beyond_the_others_and_no_more_than_those() {
    let (upstream, go) = held();
    let limits = Limits { in_flight: 8, ..Limits::default() };
    let gate = RunningGate::start(with_hook(open().limits(limits)), &upstream.origin());
    let mut waiting: Vec<Client> = (0..8).map(|_| gate.client()).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.send(get_by(&format!("192.0.2.{number}")));
    }
    upstream.wait_for(8);
    let mut turned = gate.client();
    turned.send(get_by("198.51.100.1"));
    assert_eq!(turned.response().code(), "overloaded");
    // An eighth and one more.
    for n in 0..2 {
        let mut provider = gate.client();
        provider.send(hook(&format!("{{\"n\":{n}}}")));
        upstream.wait_for(9 + n);
        waiting.push(provider);
    }
    let mut late = gate.client();
    late.send(hook("{\"n\":2}"));
    let refused = late.response();
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    // Which of them is answered by which word, the upstream decides.
    for _ in &waiting {
        go.send(()).expect("the upstream listens");
    }
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    go.send(()).expect("the upstream listens");
    late.send(hook("{\"n\":2}"));
    assert_eq!(late.response().status, 200, "it was not spent");
}

#[test]
fn one_client_does_not_take_all_the_places() {
    let (upstream, go) = held();
    let limits = Limits { in_flight: 100, in_flight_per_client: 3, ..Limits::default() };
    let gate = RunningGate::start(with_hook(open().limits(limits)), &upstream.origin());
    let mut waiting: Vec<Client> = (0..3).map(|_| gate.client()).collect();
    for client in &mut waiting {
        client.send(get_by("2001:db8::1"));
    }
    upstream.wait_for(3);
    let mut turned = gate.client();
    turned.send(get_by("2001:db8::2"));
    let refused = turned.response();
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"), "another address of the same /64");
    assert_eq!(refused.field("retry-after"), Some("1"));
    let mut others: Vec<Client> = (0..3).map(|_| gate.client()).collect();
    for (number, client) in others.iter_mut().enumerate() {
        client.send(get_by(&format!("192.0.2.{number}")));
    }
    upstream.wait_for(6);
    waiting.append(&mut others);
    // Which of them is answered by which word, the upstream decides.
    for _ in &waiting {
        go.send(()).expect("the upstream listens");
    }
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    go.send(()).expect("the upstream listens");
    turned.send(get_by("2001:db8::2"));
    assert_eq!(turned.response().status, 200, "its places are free again");
}

/// An upstream that sends as long as somebody takes it, and says when nobody does.
fn endless() -> (Upstream, Receiver<()>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::start(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
        while exchange.try_raw([b'x'; 16 << 10]).is_ok() {}
        let _ = tell.lock().expect("lock").send(());
    });
    (upstream, told)
}

#[test]
fn who_reads_too_slowly_is_cut_off_and_the_application_is_free_again() {
    let (upstream, freed) = endless();
    // The gate looks each 100 ms, for a mebibyte that went out meanwhile.
    let time = Duration::from_millis(400);
    let limits = Limits { header_timeout: time, idle_timeout: time, read_rate: 10 << 20, ..Limits::default() };
    let gate = RunningGate::start(open().limits(limits), &upstream.origin());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    socket.set_recv_buffer_size(4096).expect("a small window");
    socket.connect(&gate.address.into()).expect("connect");
    let mut slow = TcpStream::from(socket);
    slow.set_read_timeout(Some(PATIENCE)).expect("timeout");
    slow.write_all(get("/free/a").as_bytes()).expect("send");
    // It reads all the time, and never enough.
    let began = Instant::now();
    let mut bytes = [0; 1024];
    while freed.try_recv().is_err() {
        assert!(began.elapsed() < PATIENCE, "it is held for ever");
        let _ = slow.read(&mut bytes);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_event_stream_lasts_however_little_it_says() {
    let upstream = Upstream::start(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
        for _ in 0..12 {
            std::thread::sleep(Duration::from_millis(100));
            exchange.raw("data: x\n\n");
        }
    });
    let time = Duration::from_millis(200);
    let limits = Limits { header_timeout: time, idle_timeout: time, read_rate: 10 << 20, ..Limits::default() };
    let gate = RunningGate::start(open().limits(limits), &upstream.origin());
    let mut client = gate.client();
    client.send(get("/free/a"));
    let all = String::from_utf8(client.rest()).expect("utf-8");
    assert_eq!(all.matches("data: x").count(), 12, "{all}");
}

#[test]
fn idle_connections_of_a_trusted_proxy_hold_what_the_docs_say() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(with_hook(open()), &upstream.origin());
    let mut line = gate.client();
    assert_eq!(line.get("/free/a").status, 200);
    let before = resident();
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..many() {
        let mut stream = from(Ipv4Addr::LOCALHOST, gate.address);
        stream.write_all(get_by("192.0.2.1").as_bytes()).expect("send");
        let mut byte = [0; 2048];
        assert!(stream.read(&mut byte).expect("an answer") > 0);
        open.push(stream);
    }
    // 31 KiB as it is shipped; a debug build's futures are larger.
    let grown = resident().saturating_sub(before);
    assert!(grown < open.len() * (48 << 10), "{grown} bytes for {} connections", open.len());
}
