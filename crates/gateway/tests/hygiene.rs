//! SECURITY.md, test 8: raw bytes against an upstream that records what it got, and a pool that stays clean.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use palisade_testkit::{HOST, PATIENCE, RunningGate, Upstream, eventually, open};

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

#[test]
fn nothing_speaks_in_the_gates_name() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(get(
        "/free/a",
        "X_Forwarded_For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nForwarded: for=3.3.3.3\r\nX-Real-IP: 4.4.4.4\r\n\
         X-Middleware-Subrequest: middleware\r\nX-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\n\
         X-Palisade-User: root\r\nX-Palisade-Admitted: forged\r\nX-Clerk-Auth-Status: signed-in\r\n\
         X-Request-Id: forged\r\nX-Matched-Path: /admin\r\nX-Nonce: forged\r\nProxy: http://evil.example\r\n\
         Connection: X-Nominated, Host, X-Forwarded-Proto, close\r\nX-Nominated: 1\r\nKeep-Alive: timeout=9\r\n\
         TE: trailers\r\nTrailer: x-sum\r\nProxy-Authorization: Basic eA==\r\nAccept: */*\r\nCookie: a=1\r\n",
    ));
    assert_eq!(client.response().status, 200);
    let head = upstream.request().head;
    assert_eq!(
        head.names(),
        [
            "accept",
            "cookie",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-palisade-admitted",
            "x-request-id"
        ]
    );
    assert_ne!(head.field("x-palisade-admitted"), Some("forged"));
    assert_eq!(head.field("host"), Some(HOST));
    assert_eq!(head.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.field("x-forwarded-proto"), Some("https"));
    assert_ne!(head.field("x-request-id"), Some("forged"));
}

#[test]
fn h2c_and_other_upgrades_are_no_upgrades() {
    let upstream = Upstream::fixed("plain");
    let gate = RunningGate::start(open(), &upstream.origin());
    for upgrade in ["h2c", "websocket", "TLS/1.0", "HTTP/2.0, h2c"] {
        let mut client = gate.client();
        client.send(get(
            "/free/a",
            &format!(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            ),
        ));
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, "plain"), "{upgrade}");
    }
    for request in upstream.requests() {
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(request.head.field(name), None);
        }
    }
}

#[test]
fn a_101_that_nobody_asked_for_opens_nothing() {
    let upstream = Upstream::start(|exchange| {
        if exchange.request.target == "/free/fake" {
            exchange.raw(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret",
            );
            exchange.await_close();
            return;
        }
        exchange.reply(200, &[], "clean");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for fields in ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"] {
        client.send(get("/free/fake", fields));
        let response = client.response();
        assert_eq!((response.status, response.code().as_str()), (502, "upstream-unreachable"));
        assert_eq!(client.get("/free/next").text(), "clean");
    }
}

#[test]
fn interim_responses_and_their_cookies_stay_behind() {
    let upstream = Upstream::start(|exchange| {
        exchange.raw("HTTP/1.1 100 Continue\r\n\r\n");
        exchange.raw("HTTP/1.1 103 Early Hints\r\nSet-Cookie: admin=1\r\nLink: </a.css>; rel=preload\r\n\r\n");
        exchange.raw("HTTP/1.1 102 Processing\r\n\r\n");
        exchange.reply(200, &[], "final");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(get("/free/a", "Connection: close\r\n"));
    let all = String::from_utf8(client.rest()).expect("utf-8");
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.ends_with("final"), "{all}");
    assert!(!all.contains("admin=1") && all.matches("HTTP/1.1").count() == 1, "{all}");
}

#[test]
fn an_early_answer_costs_its_connection_and_the_next_request_is_clean() {
    let (tx, closed) = channel();
    let tx = Mutex::new(tx);
    let upstream = Upstream::start(move |exchange| {
        if exchange.request.method == "POST" {
            // Answers before the body has come; the gate must not send another request behind the unfinished body.
            exchange.reply(200, &[], "early");
            exchange.await_close();
            tx.lock().expect("lock").send(()).expect("test listens");
            return;
        }
        exchange.reply(200, &[], "clean");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for framing in ["Transfer-Encoding: chunked\r\n", "Content-Length: 200000\r\n"] {
        let mut smuggler = gate.client();
        smuggler.send(post("/in/a", framing));
        let before = upstream.connections();
        assert_eq!(smuggler.response().text(), "early");
        let mut other = gate.client();
        assert_eq!(other.get("/free/next").text(), "clean");
        closed.recv_timeout(PATIENCE).expect("the connection with the unfinished body is closed");
        assert!(upstream.connections() > before, "the next request had a connection of its own");
        let _ = smuggler.try_send("GET /admin HTTP/1.1\r\nHost: x\r\n\r\n");
        // The rest of the upload never becomes a request, on either side.
        assert_eq!(smuggler.rest(), b"");
    }
    let targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/in/a", "/free/next", "/in/a", "/free/next"]);
}

#[test]
fn a_response_with_more_than_it_announced_costs_its_connection() {
    let upstream = Upstream::start(|exchange| {
        if exchange.request.target == "/free/split" {
            exchange.raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged",
            );
            return;
        }
        exchange.reply(200, &[], "clean");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for round in 1..=20 {
        assert_eq!(client.get("/free/split").text(), "ok");
        assert_eq!(client.get("/free/next").text(), "clean");
        assert_eq!(upstream.connections(), round + 1, "a new one after each, which is kept");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_nobodys() {
    let (tx, closed) = channel();
    let tx = Mutex::new(tx);
    let upstream = Upstream::start(move |exchange| {
        exchange.reply(200, &[], if exchange.request.target == "/free/more" { "ok" } else { "clean" });
        if exchange.request.target == "/free/more" {
            // The gate has the answer, and its connection is idle, or about to be.
            std::thread::sleep(std::time::Duration::from_millis(5));
            exchange.reply(200, &[], "forged");
            exchange.await_close();
            tx.lock().expect("lock").send(()).expect("test listens");
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for _ in 0..5 {
        assert_eq!(gate.client().get("/free/more").text(), "ok");
        closed.recv_timeout(PATIENCE).expect("the gate closes it unasked");
        assert_eq!(gate.client().get("/free/next").text(), "clean");
    }
}

#[test]
fn answers_that_could_be_read_in_two_ways_reach_nobody() {
    const ANSWERS: [&str; 12] = [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nokok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 4\r\n\r\nokok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n folded: z\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nx: a\ncontent-length: 2\r\n\r\nok",
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
    ];
    let upstream = Upstream::start(|exchange| {
        let number = exchange.request.target.strip_prefix("/free/").and_then(|number| number.parse::<usize>().ok());
        let Some(answer) = number.and_then(|number| ANSWERS.get(number)) else {
            return exchange.reply(200, &[], "clean");
        };
        exchange.raw(answer);
        exchange.await_close();
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for (number, answer) in ANSWERS.iter().enumerate() {
        let response = client.get(&format!("/free/{number}"));
        assert_eq!((response.status, response.code().as_str()), (502, "upstream-unreachable"), "{answer:?}");
        assert_eq!(client.get("/free/next").text(), "clean");
    }
}

#[test]
fn a_response_framed_two_ways_does_not_pass_twice() {
    let upstream = Upstream::start(|exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(get("/free/a", "Connection: close\r\n"));
    let all = String::from_utf8(client.rest()).expect("utf-8").to_ascii_lowercase();
    let framings = all.matches("content-length:").count() + all.matches("transfer-encoding:").count();
    assert!(framings == 1 || all.starts_with("http/1.1 502"), "{all}");
}

#[test]
fn a_body_framed_two_ways_reaches_nobody() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    for framing in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"]
    {
        let mut client = gate.client();
        client.send(post("/in/a", framing) + "0\r\n\r\n" + &get("/free/smuggled", ""));
        let answer = String::from_utf8(client.rest()).expect("utf-8");
        assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn pipelined_requests_are_each_decided_and_answered_in_order() {
    let upstream = Upstream::start(|exchange| {
        let target = exchange.request.target.clone();
        exchange.reply(200, &[], target);
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(
        get("/free/1", "")
            + &get("/free/%31", "")
            + &post("/in/2", "Content-Length: 3\r\n")
            + "abc"
            + &get("/free/3", ""),
    );
    let answers: Vec<_> = (0..4).map(|_| client.response()).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 400, 200, 200]);
    assert_eq!(answers[3].text(), "/free/3");
    eventually("the body is recorded", || upstream.requests()[1].body == b"abc");
}
