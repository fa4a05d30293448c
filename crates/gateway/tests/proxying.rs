//! What passes, passes whole, at once, and over connections that are used again.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::net::Shutdown;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use palisade_testkit::{Client, HOST, PATIENCE, RunningGate, Upstream, builder, eventually, open, route};
use palisade_tower::event::Kind;
use palisade_tower::policy::Method;

/// A receiver that an upstream's closure may keep.
fn shared<T>(receiver: Receiver<T>) -> impl Fn() -> T + Send + Sync + 'static
where
    T: Send + 'static,
{
    let receiver = Arc::new(Mutex::new(receiver));
    move || receiver.lock().expect("lock").recv_timeout(PATIENCE).expect("told in time")
}

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

#[test]
fn connections_are_kept_alive_on_both_sides() {
    let upstream = Upstream::fixed("hello");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for _ in 0..20 {
        let response = client.get("/free/a?b=c");
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (20, 1));
    assert_eq!(upstream.requests()[7].target, "/free/a?b=c");
}

#[test]
fn an_absolute_target_goes_out_in_origin_form() {
    let upstream = Upstream::fixed("hello");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET https://{HOST}/free/a?b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    let request = upstream.request();
    assert_eq!((request.target.as_str(), request.head.field("host")), ("/free/a?b", Some(HOST)));
}

#[test]
fn a_chunked_upload_streams_through_before_it_ends() {
    let (seen_tx, seen) = channel();
    let seen_tx = Mutex::new(seen_tx);
    let upstream = Upstream::start(move |exchange| {
        while let Ok(piece) = exchange.piece() {
            seen_tx.lock().expect("lock").send(piece.clone()).expect("test listens");
            if piece.is_empty() {
                break;
            }
        }
        exchange.reply(200, &[], "done");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(post("/in/a", "Transfer-Encoding: chunked\r\n"));
    for piece in ["first", "second"] {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(seen.recv_timeout(PATIENCE).expect("passes at once"), piece.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().text(), "done");
    let request = upstream.request();
    assert_eq!(request.head.field("transfer-encoding"), Some("chunked"));
    assert_eq!(request.head.field("content-length"), None);
}

#[test]
fn a_sized_upload_keeps_its_one_length() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(post("/in/a", "Content-Length: 5\r\n") + "12345");
    assert_eq!(client.response().status, 200);
    client.send(post("/in/a", "Content-Length: 0\r\n"));
    assert_eq!(client.response().status, 200);
    eventually("both bodies are read", || upstream.requests()[0].body == b"12345");
    let lengths: Vec<_> =
        upstream.requests().iter().map(|r| r.head.field("content-length").map(str::to_owned)).collect();
    assert_eq!(lengths, [Some("5".to_owned()), Some("0".to_owned())]);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn both_directions_flow_at_once_and_the_connection_is_used_again() {
    let upstream = Upstream::start(|exchange| {
        if exchange.request.method == "GET" {
            return exchange.reply(200, &[], "again");
        }
        exchange.raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while let Ok(piece) = exchange.piece() {
            if piece.is_empty() {
                break;
            }
            exchange.chunk(piece);
        }
        exchange.raw("0\r\n\r\n");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(post("/in/a", "Transfer-Encoding: chunked\r\n"));
    assert_eq!(client.head().status, 200);
    for piece in ["first", "second", "third"] {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(client.piece(), piece.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.piece(), b"");
    assert_eq!(client.get("/free/a").text(), "again");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_answer_in_pieces_of_a_byte_is_whole_and_its_connection_goes_on() {
    const ANSWERS: [&str; 3] = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 103 Early\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\na: b\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ];
    let upstream = Upstream::start(|exchange| {
        let number = exchange.request.target.bytes().last().unwrap_or_default();
        for byte in ANSWERS[usize::from(number - b'0')].bytes() {
            exchange.raw([byte]);
            std::thread::yield_now();
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for number in 0..9 {
        let response = client.get(&format!("/free/{}", number % 3));
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_answer_of_any_size_passes_whole() {
    let body = |length: usize| -> Vec<u8> { (0..length).map(|at| b'a' + u8::try_from(at % 23).unwrap_or(0)).collect() };
    let upstream = Upstream::start(move |exchange| {
        let words: Vec<String> = exchange.request.target.split('/').map(str::to_owned).collect();
        let bytes = body(words[3].parse().expect("a length"));
        if words[2] == "sized" {
            return exchange.reply(200, &[], bytes);
        }
        exchange.raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        bytes.chunks(3000).for_each(|chunk| exchange.chunk(chunk));
        exchange.raw("0\r\n\r\n");
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for length in [0, 1, 3999, 4000, 4096, 8192, 10_000, 65_535, 65_536, 65_537, 300_000] {
        for how in ["sized", "chunked"] {
            let response = client.get(&format!("/free/{how}/{length}"));
            assert!(response.complete && response.body == body(length), "{how} {length}: {}", response.body.len());
        }
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_event_arrives_before_the_next_is_made() {
    let (go, next) = channel();
    let next = shared(next);
    let upstream = Upstream::start(move |exchange| {
        exchange.raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        loop {
            match next() {
                Some(event) => exchange.chunk(event),
                None => break exchange.raw("0\r\n\r\n"),
            }
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    // A second request already waits behind the stream; it must not hold the events back.
    client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n").repeat(2));
    assert_eq!(client.head().field("content-type"), Some("text/event-stream"));
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        go.send(Some(event)).expect("upstream listens");
        assert_eq!(client.piece(), event.as_bytes());
    }
    go.send(None).expect("upstream listens");
    assert_eq!(client.piece(), b"");
    go.send(None).expect("upstream listens");
    assert_eq!(client.response().body, b"");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn responses_without_body_have_none_and_their_connections_go_on() {
    let upstream = Upstream::start(|exchange| match exchange.request.target.as_str() {
        "/free/204" => exchange.reply(204, &[], ""),
        "/free/304" => exchange.reply(304, &[("etag", "\"a\"")], ""),
        _ => exchange.reply(200, &[], "twelve bytes"),
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("HEAD /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let head = client.response_to("HEAD");
    assert_eq!((head.status, head.field("content-length")), (200, Some("12")));
    for (path, status) in [("/free/204", 204), ("/free/304", 304), ("/free/a", 200)] {
        let response = client.get(path);
        assert_eq!(response.status, status);
        assert_eq!(response.body.is_empty(), status != 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_large_response_waits_for_its_client() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 2048;
    let sent = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&sent);
    let upstream = Upstream::start(move |exchange| {
        exchange.raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", PIECE * PIECES));
        for _ in 0..PIECES {
            if exchange.try_raw(vec![b'x'; PIECE]).is_err() {
                return;
            }
            *counted.lock().expect("lock") += PIECE;
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    // Once nothing moves for a while, what is under way lies in socket buffers and in two buffers of the gate.
    let mut last = 0;
    let mut still = 0;
    eventually("the upstream is held back", || {
        let now = *sent.lock().expect("lock");
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
        still > 200
    });
    assert!(last < 32 << 20, "{last} bytes on their way to a client that reads nothing");
    let mut read = 0;
    loop {
        let piece = client.piece();
        if piece.is_empty() {
            break;
        }
        read += piece.len();
    }
    assert_eq!(read, PIECE * PIECES);
}

#[test]
fn trailers_pass_only_where_the_route_takes_them() {
    let taking =
        palisade_tower::policy::Route { trailers: true, ..route("/trailers", Kind::Delegated, &[Method::Post]) };
    let upstream = Upstream::start(|exchange| {
        exchange.try_body().expect("body");
        exchange.raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-palisade-user, x-sum\r\n\r\n");
        exchange.raw("2\r\nok\r\n0\r\nx-palisade-user: root\r\nx-sum: 1\r\n\r\n");
    });
    let gate = RunningGate::start(open().route(taking), &upstream.origin());
    for path in ["/in/a", "/trailers"] {
        let mut client = gate.client();
        client.send(post(
            path,
            "TE: trailers\r\nTrailer: X-Sum, X-Palisade-User, Host\r\nTransfer-Encoding: chunked\r\n",
        ));
        client.send("1\r\na\r\n0\r\nX-Sum: 7\r\nX-Palisade-User: root\r\nHost: evil.example\r\n\r\n");
        let response = client.response();
        assert_eq!((response.text().as_str(), response.trailers), ("ok", vec![]), "{path}");
    }
    let requests = upstream.requests();
    assert_eq!(requests[0].trailers, []);
    assert_eq!(requests[1].trailers, [("x-sum".to_owned(), "7".to_owned())]);
}

#[test]
fn continue_is_said_once_the_body_is_wanted_and_expect_goes_no_further() {
    let upstream = Upstream::start(|exchange| {
        let body = exchange.body();
        exchange.reply(200, &[], body);
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(post("/in/a", "Expect: 100-continue\r\nContent-Length: 3\r\n"));
    assert_eq!(client.raw(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    assert_eq!(client.response().text(), "abc");
    assert_eq!(upstream.request().head.field("expect"), None);
}

#[test]
fn a_client_of_http_1_0_is_served_and_closed() {
    let upstream = Upstream::fixed("hello");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET /free/a HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(client.response().text(), "hello");
    assert!(client.is_closed());
    assert!(upstream.request().head.start.ends_with("HTTP/1.1"));
}

#[test]
fn every_address_of_a_name_is_tried() {
    let upstream = Upstream::fixed("hello");
    let port = upstream.origin().port();
    let named = palisade_tower::policy::Origin::parse(&format!("http://localhost:{port}")).expect("origin");
    let gate = RunningGate::start(open(), &named);
    assert_eq!(gate.client().get("/free/a").text(), "hello");
}

#[test]
fn many_clients_at_once_each_get_their_own_answer() {
    let upstream = Upstream::start(|exchange| {
        let target = exchange.request.target.clone();
        exchange.reply(200, &[], target);
    });
    let gate = RunningGate::with_threads(open(), &upstream.origin(), 2);
    let address = gate.address;
    let threads: Vec<_> = (0..16)
        .map(|number| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for round in 0..50 {
                    let path = format!("/free/{number}/{round}");
                    assert_eq!(client.get(&path).text(), path);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("every answer was its own");
    }
    assert_eq!(upstream.requests().len(), 800);
}

#[test]
fn a_half_closed_client_is_gone() {
    let (tx, ended) = channel();
    let tx = Mutex::new(tx);
    let upstream = Upstream::start(move |exchange| {
        exchange.await_close();
        tx.lock().expect("lock").send(()).expect("test listens");
    });
    let gate = RunningGate::start(builder().route(route("/free/{*rest}", Kind::PublicRead, &[])), &upstream.origin());
    let mut client = gate.client();
    client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    upstream.wait_for(1);
    client.shutdown(Shutdown::Both);
    ended.recv_timeout(PATIENCE).expect("the request is called off at the upstream");
}
